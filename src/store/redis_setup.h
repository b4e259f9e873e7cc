/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first words on a new Redis connection, all sent at once: AUTH, SELECT, INFO server, INFO
 * memory, CLIENT ID, SCRIPT LOAD of each script. From the answers it says whether the server may be
 * used. It reads and writes bytes only; redis_link.c owns the connection and its deadline.
 */
#ifndef POSTERN_STORE_REDIS_SETUP_H
#define POSTERN_STORE_REDIS_SETUP_H

#include <postern/base/buf.h>
#include <postern/store/backends.h>

#define REDIS_SHA_LEN 40u
#define REDIS_RUN_ID_LEN 40u
#define REDIS_DETAIL_SIZE 128u

enum redis_reply_type {
    REDIS_NIL,
    REDIS_INTEGER,
    REDIS_STRING,
    REDIS_STATUS,
    REDIS_ERROR,
    REDIS_OTHER, /* arrays and RESP3 types: no command of ours is answered so */
};

struct redis_reply {
    enum redis_reply_type type;
    int64_t integer;
    struct slice text; /* string, status, error */
    bool cut;          /* there was no memory for all of it: `text` is its front */
};

/* A Lua script; `sha` is learned from the server. */
struct redis_script {
    struct slice source;
    char sha[REDIS_SHA_LEN];
};

struct redis_setup {
    const struct redis_opts *opts;
    struct redis_script *scripts;
    size_t script_count;
    size_t step; /* which answer comes next */
    /* learned */
    char run_id[REDIS_RUN_ID_LEN]; /* of this server process; zeros when it does not tell */
    int64_t client_id;             /* of this connection; 0 when it does not tell */
    enum redis_finding finding;
    char detail[REDIS_DETAIL_SIZE]; /* text to the finding or failure; no secrets */
};

enum setup_progress { SETUP_MORE, SETUP_READY, SETUP_FAILED };

/* Begins anew and appends all commands to `out`. */
NODISCARD enum status redis_setup_begin(struct redis_setup *setup, const struct redis_opts *opts,
                                        struct redis_script *scripts, size_t script_count,
                                        struct buf *out);

/* Takes the next answer. After SETUP_READY or SETUP_FAILED no more may be given; `finding` and
 * `detail` say what was found. */
enum setup_progress redis_setup_take(struct redis_setup *setup, const struct redis_reply *reply);

#endif
