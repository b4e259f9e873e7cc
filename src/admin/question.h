/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request of the API asks for: its query, cut, decoded and read by a table of parameters.
 */
#ifndef POSTERN_SRC_ADMIN_QUESTION_H
#define POSTERN_SRC_ADMIN_QUESTION_H

#include <postern/base/arena.h>
#include <postern/store/archive.h>

#define QUESTION_FIND_DEFAULT 100u    /* events of a list without `limit` */
#define QUESTION_CHANGE_DEFAULT 1000u /* of a replay or cancel without `limit` */
#define QUESTION_RATE_DEFAULT 10u     /* replays a second */
#define QUESTION_RATE_MAX 100000u
#define QUESTION_PROBLEM_BYTES 512u

/* Who takes which parameters. */
enum question_kind {
    QUESTION_PLAIN, /* none */
    QUESTION_FIND,
    QUESTION_REPLAY_ONE,
    QUESTION_REPLAY_MANY,
    QUESTION_CANCEL_MANY,
    QUESTION_EXPLAIN,
};

struct question {
    struct archive_filter filter;
    bool is_narrowed; /* a parameter of the filter was given */
    bool as_new, dry_run;
    uint32_t limit, per_second;
    bool has_before, has_request;
    struct uuid before, request; /* request: as in struct archive_change */
};

/* Reads `query` (raw); slices of the result lie in `arena` or borrow the query. `now_ms`: wall
 * clock. False: `ret_problem` says what is wrong, for people, and may hold bytes of the query. */
bool question_read(struct question *question, enum question_kind kind, struct slice query,
                   uint64_t now_ms, struct arena *arena,
                   char ret_problem[static QUESTION_PROBLEM_BYTES]);

#endif
