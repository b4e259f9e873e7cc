/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of requests: one GCRA cell (src/store/limit_cell.h draws it) per client and route. Two
 * backends: local, a table of fixed size for the whole process; and redis, where all nodes share
 * the cells (one script), with the local one behind it while Redis can't say. Both pass
 * tests/contract/limiter.
 *
 * Bounded: the local table never grows. When the place of a cell is full, a cell that is idle
 * (its rate has recovered, so that forgetting it changes nothing) goes first, else the one nearest
 * to that: a flood of addresses costs accuracy among the flooders, not memory.
 */
#ifndef POSTERN_STORE_LIMITER_H
#define POSTERN_STORE_LIMITER_H

#include <postern/base/list.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_ID_BYTES 16u

struct limit_opts {
    uint64_t interval_us; /* between two at the sustained rate; > 0, at most 2^52 (142 years) */
    uint32_t burst;       /* how many may come at once; > 0; as many as fit into 2^52 us count */
};

enum limit_verb {
    LIMIT_TAKE, /* one more, if the rate allows it */
    /* One that was taken did not count after all; always allowed. To be asked of whoever answered
     * the take: `shared` is true only if the take's was and its `local` is not. When Redis, which
     * took it, can't be asked, it is gone. */
    LIMIT_GIVE_BACK,
};

struct limit_op {
    /* in */
    uint8_t id[LIMIT_ID_BYTES]; /* a digest of route and client, and which bucket */
    struct limit_opts opts;
    enum limit_verb verb;
    /* GIVE_BACK: how much of the interval; > 0, and no more of it than time has not made good since
     * the take, or who gives back late could have its burst twice */
    uint64_t back_us;
    bool shared;                           /* false: the local table, always OP_READY */
    void (*answered)(struct limit_op *op); /* only if the submit said OP_PENDING: once */
    /* out */
    bool allowed;
    bool local;            /* answered by the local table although it was to be shared */
    uint64_t wait_us;      /* refused: until one will be allowed */
    uint32_t remaining;    /* how many more would be allowed now */
    uint64_t recovered_us; /* until the whole burst is there again */
    /* the backend's own while pending */
    struct list link;
    uint64_t since_ms;
    bool resent;
};

struct limiter_stats {
    uint64_t refused, errors; /* errors: shared ops that the local table had to answer */
    uint64_t evicted;         /* cells that were not idle and had to go */
};

struct limiter;

struct limiter_backend {
    const char *name;
    enum op_status (*submit)(struct limiter *limiter, struct limit_op *op);
    /* Answers everything pending (by the local table), closes and frees; `closed` runs when done.
     */
    void (*close)(struct limiter *limiter, void (*closed)(void *arg), void *arg);
};

struct limiter {
    const struct limiter_backend *backend;
    struct limiter_stats stats;
};

/* Asks. OP_READY: the outputs are there; OP_PENDING: op->answered comes once, from the loop, or
 * from inside close. `op` is borrowed until then. */
static inline enum op_status limiter_submit(struct limiter *limiter, struct limit_op *op)
{
    return limiter->backend->submit(limiter, op);
}

/* The process's local table, for `cells` cells (rounded up; 24 bytes each or less), shared by all
 * workers: sharded, locked. NULL when out of memory. */
struct limit_table;
struct limit_table *limit_table_new(size_t cells);
/* Frees it; NULL is fine. No thread may be inside. */
void limit_table_free(struct limit_table *table);

/* One cell's verb at `now_us` (monotonic; an instant before the latest one seen counts as that, so
 * that loops whose clocks differ by a turn get no more than one would); fills the op's outputs.
 * Any thread. True when a cell that was not idle had to go for it. */
bool limit_table_submit(struct limit_table *table, struct limit_op *op, uint64_t now_us);

#endif
