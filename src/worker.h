/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker thread: an event loop with its own listeners, store links, upstream pools and gateway.
 * Part of the composition root: only here and in serve.c are concrete stores named.
 */
#ifndef POSTERN_SRC_WORKER_H
#define POSTERN_SRC_WORKER_H

#include <postern/base/log.h>
#include <postern/config/config.h>
#include <postern/gateway/gateway.h>
#include <pthread.h>
#include <stdatomic.h>

/* What main asks for; bits, since several may be asked before the worker looks. */
enum worker_command {
    WORKER_OPEN = 1,  /* open the listeners */
    WORKER_DRAIN = 2, /* close the listeners, end what is under way, flush, close, end the thread */
};

enum worker_phase {
    WORKER_STARTING,
    WORKER_PREPARED, /* every store has spoken once: it is up, or known to be away */
    WORKER_LISTENING,
    WORKER_FAILED, /* can't serve: `failure` says why; wants to be drained */
    WORKER_ENDED,  /* the thread is about to return */
};

/* What a worker waits for before it may listen: a node that has just come up must not pass events
 * by a store it has not asked. */
enum awaited { AWAITED_REDIS = 1, AWAITED_POSTGRES = 2, AWAITED_KEYS = 4, AWAITED_ORPHANS = 8 };

/* How connections fared before their first request: series of stream_counts. */
struct arrival_series {
    metric_id handshakes, failed_handshakes, bad_proxy_headers;
};

/* What all workers share, owned by serve.c. */
struct process {
    const struct config *config;
    struct log *log;
    struct books *books;
    struct gateway_shared shared;
    struct key_table *keys;                  /* the memory store, or L1; may be NULL */
    struct limit_table *limits;              /* of the routes' rates; NULL: no route has one */
    struct tls_context *const *listener_tls; /* by index in config->listen; NULL: plain */
    struct arrival_series arrivals;
    struct sqlite_store *sqlite; /* the journal, or PostgreSQL's spool; NULL: no spool */
    struct loop_waker waker;     /* a worker's phase changed */
    _Atomic bool keys_loaded;
    _Atomic int redis_finding; /* enum redis_finding, the last one told */
};

struct worker {
    struct process *process;
    size_t index;
    pthread_t thread;
    bool thread_runs;
    _Atomic unsigned commands;
    _Atomic int phase;  /* enum worker_phase */
    char failure[256];  /* written before the phase becomes WORKER_FAILED */
    uint64_t unflushed; /* after WORKER_ENDED: records that were not written */
    /* the loop thread's own */
    struct loop loop;
    struct loop_waker waker;
    struct uuid owner; /* this worker's id in the leases of queued events, fresh for each start */
    struct redis_opts redis;
    struct pg_opts postgres;
    struct gateway gateway;
    struct account account;
    struct upstream **upstreams;
    struct listener *listeners;
    size_t listener_count;
    struct journal_load load;
    uint64_t load_refused;  /* keys that found no room: dedup.memory.max_keys is too small */
    uint64_t *tls_failures; /* by upstream: those that were told */
    struct deadline publish, reload, cut, patience;
    unsigned awaited; /* enum awaited bits: stores that have not spoken yet */
    bool redis_was_up, draining, flushing;
    size_t closing; /* stores and upstreams not closed yet */
};

/* Opens everything but the listeners, on the calling thread; then starts the thread. On failure
 * worker->failure says why and nothing is left. */
NODISCARD enum status worker_start(struct worker *worker, struct process *process, size_t index);

/* What a Redis link found wrong, for people; "" for nothing. Static storage. */
const char *worker_finding_text(enum redis_finding finding);

/* Of the worker's own files. Tells main of a phase; of a failure, with its reason. */
void worker_tell(struct worker *worker, enum worker_phase phase);
void worker_fail(struct worker *worker, const char *what, const char *why);

/* The stores this worker has to hear from before it may listen, and that one has spoken. */
unsigned worker_awaited_stores(const struct worker *worker);
void worker_heard(struct worker *worker, unsigned from);

/* Begins loading the window's keys into the memory store. */
void worker_load_keys(struct worker *worker);

/* What a gateway that died may have left unsettled was looked at (gateway.looked_back). */
void worker_looked_back(struct gateway *gateway);

/* Deadlines: load again; a store has been silent for too long. */
void worker_on_reload(struct deadline *deadline);
void worker_on_patience_over(struct deadline *deadline);

/* Open the dedup store; the limiter, if a route has a rate; the journal and the queue (with
 * PostgreSQL, and its spool). */
NODISCARD enum status worker_open_dedup(struct worker *worker);
NODISCARD enum status worker_open_limiter(struct worker *worker);
NODISCARD enum status worker_open_journal(struct worker *worker);

/* Asks for something; any thread. */
void worker_ask(struct worker *worker, enum worker_command command);

/* Waits for the thread's end and frees what is left. */
void worker_join(struct worker *worker);

#endif
