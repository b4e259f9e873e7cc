/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the spool beside PostgreSQL, as one worker sees it: the journal's half (spooled.c,
 * spooled_state.c) and the queue's (spooled_queue.c, spooled_outcome.c), which share a seat at the
 * SQLite thread. The drain is spooled_drain.h.
 */
#ifndef POSTERN_STORE_SPOOLED_H
#define POSTERN_STORE_SPOOLED_H

#include "spooled_drain.h"

enum spooled_state {
    SPOOLED_HERE,   /* appends go to PostgreSQL */
    SPOOLED_AWAY,   /* to the spool */
    SPOOLED_TRYING, /* one batch at a time goes to PostgreSQL, all else to the spool */
};

struct spooled_journal {
    struct journal journal;
    struct front *postgres, *spool;
    enum spooled_state state;
    struct front_watch postgres_watch, spool_watch;
    struct deadline look;
    struct backoff backoff;
    uint64_t try_at_ms;      /* AWAY: not before */
    uint64_t batches_before; /* of PostgreSQL: more than that prove that it is back, */
    uint64_t drained_before; /* as do more rows drained */
    uint64_t dropped;        /* records that neither took */
    bool drains;
    struct spooled_drain drain;
    struct {
        struct journal_load *outer; /* NULL: none */
        struct journal_load inner;
        enum status spool_status;
        uint64_t keys;
    } load;
    struct {
        void (*drained)(void *arg); /* NULL: none */
        void *arg;
        uint64_t deadline_ms;
    } flush;
    unsigned parts; /* not closed yet: the journals, the drain */
    bool closing, is_postgres_closed;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Whose orphans the next page tells. */
enum orphans_source { ORPHANS_SPOOL, ORPHANS_POSTGRES_FIRST, ORPHANS_POSTGRES };

struct spooled_queue {
    struct queue queue;
    struct queue *postgres, *spool;
    struct loop_hook turn; /* outcomes of a turn are owed together, at its end */
    struct deadline look;
    struct {
        struct queue_take *outer; /* NULL: none */
        struct queue_take inner;
        bool both, spool_next; /* both have something: they take turns */
    } take;
    struct list unwrapped;          /* of queue_finish: there was no memory for an outcome */
    struct list gathering, writing; /* outcomes that are to be owed; that the thread has */
    size_t owing;                   /* in both */
    uint64_t owed;                  /* written into the spool; total */
    struct sqlite_request owe;
    bool is_writing;
    struct {
        struct queue_renew *outer; /* NULL: none */
        struct queue_renew postgres, spool;
        unsigned parts;     /* not ended yet */
        uint64_t not_there; /* leases of the spool's events that PostgreSQL didn't know */
    } renew;
    struct {
        struct queue_orphans *outer; /* NULL: none */
        struct queue_orphans inner;
        enum orphans_source source;
    } orphans;
    unsigned parts; /* queues not closed yet */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct spooled {
    struct loop *loop;
    struct sqlite_store *store;
    struct sqlite_seat seat;
    struct uuid owner;
    struct spooled_journal journal;
    struct spooled_queue queue;
    unsigned halves; /* not closed yet */
};

/* One half has closed; it all is freed with the second. */
void spooled_end_half(struct spooled *self);

/* ---- spooled_state.c ---- */

/* Prepares it; the fronts are set. */
void spooled_state_init(struct spooled *self);

/* Brings the journal's stats up to date. */
void spooled_note_stats(struct spooled *self);

/* Stops looking: PostgreSQL's front is gone. */
void spooled_state_done(struct spooled *self);

/* Where an append goes; NULL: nowhere, *ret_status says why. */
struct front *spooled_route(struct spooled *self, const struct journal_op *op,
                            enum status *ret_status);

/* Says that something may have changed: state and stats are looked at by the end of the turn. */
void spooled_look(struct spooled *self);

/* Moves what PostgreSQL was to get, but for what is on its way there, to the spool if that works.
 */
void spooled_move(struct spooled *self);

/* ---- spooled_queue.c ---- */

/* Prepares the queue's half; the queues are set. */
void spooled_queue_init(struct spooled *self);

/* Brings its stats up to date. */
void spooled_queue_note_stats(struct spooled *self);

/* Closes the two queues. */
void spooled_queue_close_inner(struct spooled *self);

/* ---- spooled_outcome.c ---- */

/* Prepares what it keeps. */
void spooled_outcomes_init(struct spooled *self);

/* See queue_backend. */
void spooled_finish(struct queue *base, struct queue_finish *op);

/* Owes what can be owed, then goes on with spooled_queue_close_inner. */
void spooled_outcomes_close(struct spooled *self);

#endif
