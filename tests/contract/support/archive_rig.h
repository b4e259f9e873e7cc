/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the archive suites share: an archive beside the journal of journal_rig.h, which puts the
 * events there, and ops that wait for their end. One rig per test process.
 */
#ifndef POSTERN_TESTS_ARCHIVE_RIG_H
#define POSTERN_TESTS_ARCHIVE_RIG_H

#include "journal_rig.h"

#include <postern/base/arena.h>

#define ARCHIVE_RIG_ATTEMPTS 8u

struct archive_rig {
    struct archive *archive;
    /* what the PostgreSQL archive's listener was told last, and how often */
    bool up;
    char detail[256];
    unsigned told;
    struct arena texts; /* of what ops were told */
};

extern struct archive_rig archive_rig;

/* Criterion fixtures: journal and archive, both up, and the end of either. */
void archive_rig_open_sqlite(void);
void archive_rig_open_postgres(void);
void archive_rig_close(void);

/* The archive alone. */
void archive_open(void);
void archive_close(void);

/* Conditions. */
bool archive_is_up(void);
bool archive_is_down(void);

/* Runs statements on the database; the number a query tells, `bytes` being its first parameter when
 * its data isn't NULL. For SQLite's file all is closed and opened again, which ends its leases. */
void run_sql(const char *sql);
long long ask_sql(const char *sql, struct slice bytes);

/* The number in a column of an event's row; of a time, milliseconds since 1970. */
long long column_of(const struct uuid *id, const char *column);

/* Puts an event there: one that is settled in any state, one that is queued (leased to the journal
 * for lease_ms if that isn't 0), or what the test has changed in the record. */
struct uuid put_event(const char *route, const char *state);
struct uuid put_queued(const char *route, uint32_t lease_ms);
struct uuid put_record(struct append *append);

/* An op of each kind, and what it was told; texts are copies that live as long as the rig. */
struct finding {
    struct archive_find find;
    unsigned ended;
    size_t count;
    struct uuid ids[ARCHIVE_FIND_MAX];
    struct archive_event last;
};

struct showing {
    struct archive_show show;
    unsigned ended, events;
    struct archive_event event;
    size_t attempts;
    struct archive_attempt last_attempts[ARCHIVE_RIG_ATTEMPTS]; /* the last ones */
    bool in_order;
};

#define CHANGING_IDS 1000u

struct changing {
    struct archive_change change;
    unsigned ended;
    size_t told;
    struct uuid ids[CHANGING_IDS], new_ids[CHANGING_IDS];
    size_t copies; /* told with a new id */
};

/* Submit; the other members of the op are the caller's to set. */
void find_submit(struct finding *finding);
void show_submit(struct showing *showing, const struct uuid *id);
void change_submit(struct changing *changing);

/* Run the loop until it has ended. */
enum status find_await(struct finding *finding);
enum status show_await(struct showing *showing);
enum status change_await(struct changing *changing);

/* Both, of an op that has to end well; how many were found or changed. */
size_t find_now(struct finding *finding, struct archive_filter filter, uint32_t limit);
size_t change_now(struct changing *changing, enum archive_verb verb, struct archive_filter filter);

/* The event as it is now, which has to be there. */
const struct archive_event *event_now(const struct uuid *id);

/* A filter for one event; for a route. */
struct archive_filter by_id(const struct uuid *id);
struct archive_filter by_route(const char *route);

#endif
