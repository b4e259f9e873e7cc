/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The concrete stores and their options. Only the composition root (worker.c, main.c), config and
 * tests include this.
 */
#ifndef POSTERN_STORE_BACKENDS_H
#define POSTERN_STORE_BACKENDS_H

#include <postern/base/log.h>
#include <postern/io/loop.h>
#include <postern/store/dedup.h>
#include <postern/store/journal.h>
#include <postern/store/key_table.h>

/* ---- dedup: memory ---- */

/* One worker's front on the shared `table` (borrowed). Answers are always OP_READY. */
NODISCARD enum status dedup_memory_open(struct loop *loop, struct key_table *table,
                                        struct dedup **ret_store);

/* ---- dedup: redis ---- */

struct redis_opts {
    struct slice host; /* name or numeric */
    uint16_t port;
    struct slice username, password; /* empty: none */
    uint32_t database;
    struct slice prefix;    /* of every key */
    uint32_t timeout_ms;    /* connecting, and the set-up commands; a link whose oldest command is
                               unanswered for 4 times that is dropped */
    size_t pending_max;     /* commands in flight; more answer UNKNOWN at once */
    bool strict;            /* an evicting maxmemory-policy is an error instead of a warning */
    struct key_table *l1;   /* borrowed; NULL: no L1 */
    uint32_t l1_max_age_ms; /* how long L1 believes a done key without asking */
};

/* What the server told when the link came up. */
enum redis_finding {
    REDIS_FINDING_NONE,
    REDIS_FINDING_TOO_OLD,  /* before 7.0: SET NX GET is missing; the link stays down */
    REDIS_FINDING_EVICTING, /* maxmemory-policy may drop live keys; with strict the link stays down
                             */
    REDIS_FINDING_AUTH,     /* NOAUTH, WRONGPASS or NOPERM */
};

/* Told on the loop whenever the link's state changes, also when it is down for another reason than
 * before; `detail` is borrowed and holds no secret. `changed` may be NULL. */
struct redis_listener {
    void (*changed)(void *arg, bool up, enum redis_finding finding, struct slice detail);
    void *arg;
};

/* One worker's pipelined connection; connects in the background, again with back-off (100 ms
 * doubling to 5 s, full jitter) for ever. `opts` and what it points to are borrowed until it is
 * closed. */
NODISCARD enum status dedup_redis_open(struct loop *loop, const struct redis_opts *opts,
                                       struct redis_listener listener, struct dedup **ret_store);

/* ---- journal: sqlite ---- */

struct sqlite_opts {
    struct slice path;
    uint32_t retention_s; /* events older are deleted, in small steps; not while their window is
                             open: here the journal is what remembers their keys */
    size_t buffer_bytes;  /* records waiting, all workers together */
    uint32_t flush_interval_ms; /* a batch nobody waits for gathers that long */
};

struct sqlite_store;
/* The process's one SQLite connection and thread. Opens (and migrates) the file before it returns;
 * `ret_error` (256 bytes) says what failed. `log` may be NULL. */
NODISCARD enum status sqlite_store_open(const struct sqlite_opts *opts, struct log *log,
                                        struct sqlite_store **ret_store,
                                        char ret_error[static 256]);

/* Commits what is queued, checkpoints, closes, frees. Blocks; after all workers' fronts are closed.
 */
void sqlite_store_close(struct sqlite_store *store);

/* One worker's front. */
NODISCARD enum status journal_sqlite_open(struct loop *loop, struct sqlite_store *store,
                                          struct journal **ret_journal);

/* ---- journal: postgres ---- */

struct pg_opts {
    struct slice url;           /* conninfo or URI, with its secret; never logged */
    uint32_t timeout_ms;        /* connecting, one batch, and what an op waits at most */
    uint32_t flush_interval_ms; /* a batch nobody waits for gathers that long */
    uint32_t retention_s;       /* days that are older as a whole are dropped, whatever windows are
                                   open in them */
    size_t buffer_bytes;        /* records waiting, of this worker */
    bool housekeeper;           /* this worker creates and drops partitions (worker 0) */
};

/* Told on the loop when the journal's state changes, or its reason does. `detail` is the server's
 * message, without secrets, borrowed for the call; empty when all is well. With `up` it is about
 * partitions that could not be made or dropped: batches go on. */
struct pg_listener {
    void (*changed)(void *arg, bool up, struct slice detail);
    void *arg;
};

/* One worker's connection; connects in the background, migrates under an advisory lock, again with
 * back-off for ever. A host name is resolved without blocking, several are tried in turn.
 * STATUS_INVALID: the url can't be read. What `opts` points to is copied. */
NODISCARD enum status journal_postgres_open(struct loop *loop, const struct pg_opts *opts,
                                            struct pg_listener listener,
                                            struct journal **ret_journal);

#endif
