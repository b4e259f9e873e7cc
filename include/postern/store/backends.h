/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The concrete stores and their options. Only the composition root (worker.c, main.c), config and
 * tests include this.
 */
#ifndef POSTERN_STORE_BACKENDS_H
#define POSTERN_STORE_BACKENDS_H

#include <postern/base/log.h>
#include <postern/io/loop.h>
#include <postern/io/tls.h>
#include <postern/store/archive.h>
#include <postern/store/dedup.h>
#include <postern/store/journal.h>
#include <postern/store/key_table.h>
#include <postern/store/limiter.h>
#include <postern/store/queue.h>

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
    struct tls_client_opts tls;      /* rediss:// */
    struct tls_context *tls_context; /* filled in by main from `tls`; borrowed; NULL: plain */
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

/* ---- limiter ---- */

/* One worker's front on the shared `table` (borrowed). Answers are always OP_READY. */
NODISCARD enum status limiter_local_open(struct loop *loop, struct limit_table *table,
                                         struct limiter **ret_limiter);

/* One worker's, with a connection to Redis of its own for shared ops, in the background and for
 * ever as dedup_redis_open; while it is down or silent for opts->timeout_ms, ops are answered by
 * `table`. `opts` and `table` are borrowed until it is closed. */
NODISCARD enum status limiter_redis_open(struct loop *loop, const struct redis_opts *opts,
                                         struct limit_table *table, struct limiter **ret_limiter);

/* ---- journal: sqlite ---- */

struct sqlite_opts {
    struct slice path;
    uint32_t retention_s; /* events older are deleted, in small steps; not while their window is
                             open: here the journal is what remembers their keys */
    size_t buffer_bytes;  /* records waiting, all workers together */
    uint32_t flush_interval_ms; /* a batch nobody waits for gathers that long */
    uint64_t max_bytes;         /* of the file and its log; at it appends are refused. 0: no cap */
    uint64_t min_free_bytes;    /* of the file system; below it appends are refused. 0: no floor */
    bool spool; /* what it holds is on its way to PostgreSQL: nothing is pruned, a damaged file is
                   set aside (PATH.damaged-TIME) and what can be read of it is saved, and leases
                   found in it are void */
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

/* One worker's front; `owner` is its id in the leases of queued records. */
NODISCARD enum status journal_sqlite_open(struct loop *loop, struct sqlite_store *store,
                                          const struct uuid *owner, struct journal **ret_journal);

/* One worker's queue on it. `owner` is the worker's id in leases, the same in its journal: give
 * both the same one, fresh for each start. */
NODISCARD enum status queue_sqlite_open(struct loop *loop, struct sqlite_store *store,
                                        const struct uuid *owner, struct queue **ret_queue);

/* The operators' view of it, on the loop of whoever asks. */
NODISCARD enum status archive_sqlite_open(struct loop *loop, struct sqlite_store *store,
                                          struct archive **ret_archive);

/* ---- journal: postgres ---- */

struct pg_opts {
    struct slice url;           /* conninfo or URI, with its secret; never logged */
    uint32_t timeout_ms;        /* connecting, one batch, and what an op waits at most */
    uint32_t flush_interval_ms; /* a batch nobody waits for gathers that long */
    uint32_t retention_s;       /* days that are older as a whole are dropped, whatever windows are
                                   open in them */
    size_t buffer_bytes;        /* records waiting, of this worker */
    bool housekeeper;           /* this worker creates and drops partitions (worker 0) */
    struct uuid owner;          /* of leases: this worker, fresh for each start */
    uint32_t takeover_ms;       /* after its link came up, a queue takes leases that ended under
                                   another owner only when it has been up for that long: who held
                                   them may have an outcome to write first */
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

/* One worker's queue, with a connection of its own, so that looking for work never delays an
 * append. Expects the schema that journal_postgres_open makes, and waits for it. */
NODISCARD enum status queue_postgres_open(struct loop *loop, const struct pg_opts *opts,
                                          struct pg_listener listener, struct queue **ret_queue);

/* The operators' view, with a connection of its own. */
NODISCARD enum status archive_postgres_open(struct loop *loop, const struct pg_opts *opts,
                                            struct pg_listener listener,
                                            struct archive **ret_archive);

/* ---- postgres with a spool ---- */

struct spooled_opts {
    struct journal *journal;    /* of journal_postgres_open */
    struct queue *queue;        /* of queue_postgres_open */
    struct sqlite_store *store; /* opened as a spool; shared by all workers */
    struct uuid owner;
    bool drains;
    struct slice url;    /* of the database, for the drain's own connection; copied */
    uint32_t timeout_ms; /* as in pg_opts */
};

/* Puts a spool beside one worker's PostgreSQL journal and queue: while the database is away, or
 * stalls, appends and outcomes go to the spool, and from it they drain into the database when it
 * is back. On success the two given are owned by the new ones (which close them), and the store is
 * borrowed until both are closed; on failure nothing changes hands. `drains`: this worker carries
 * the spool's rows over (one per process). */
NODISCARD enum status spooled_open(struct loop *loop, const struct spooled_opts *opts,
                                   struct journal **ret_journal, struct queue **ret_queue);

#endif
