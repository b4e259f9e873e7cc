/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the dedup suites share: a store of either backend on a real loop, and calls that wait for
 * their answers. One bench per test process (Criterion forks for each test).
 */
#ifndef POSTERN_TESTS_DEDUP_BENCH_H
#define POSTERN_TESTS_DEDUP_BENCH_H

#include "redis_server.h"

#include <postern/store/backends.h>

#define BENCH_LONG_MS 60000u /* a lease or window that does not end within a test */
#define BENCH_SHORT_MS 600u  /* one that does */

struct bench {
    struct loop *loop;
    struct dedup *store;
    struct key_table *table; /* of the memory store */
    size_t max_keys;         /* set it before bench_open_memory for another bound */
    struct redis_server server;
    struct redis_opts opts;
    /* what the Redis store's listener was told last, and how often */
    bool up;
    enum redis_finding finding;
    char detail[128];
    unsigned told;
    struct buf note; /* what the last of the noted calls was told */
};

extern struct bench bench;

/* Criterion fixtures: the memory store, a Redis store that is up, and the end of either. */
void bench_open_memory(void);
void bench_open_redis(void);
void bench_close(void);

/* The parts of bench_open_redis, for tests that change something in between: the loop and default
 * options; the store with bench.opts, connecting. */
void bench_prepare(void);
void bench_open_store(void);

/* Closes the store and waits until it is closed. */
void bench_close_store(void);

struct call {
    struct dedup_op op;
    bool answered;
    void (*then)(struct call *call); /* runs inside `answered`; may be NULL */
};

typedef enum op_status submit_verb(struct dedup *store, struct dedup_op *op);

/* Event `number` under the token of `owner`, with long lease and window. */
void call_init(struct call *call, uint64_t number, uint8_t owner);

/* Submits it; true when it is pending. */
bool call_submit(struct call *call, submit_verb *verb);

/* Runs the loop until it is answered. */
void call_await(struct call *call);

/* Submit and wait, with long leases and windows. */
enum verdict claim(uint64_t number, uint8_t owner);
enum hold renew(uint64_t number, uint8_t owner);
enum hold settle(uint64_t number, uint8_t owner);
enum hold release(uint64_t number, uint8_t owner);
enum hold forget(uint64_t number);

/* Calls of a route that keeps notes. A peek as `owner` is told the note of the first, as is a
 * claim.
 */
enum verdict claim_noted(uint64_t number, uint8_t owner, struct slice note);
enum hold settle_noted(uint64_t number, uint8_t owner, struct slice note, size_t essential);
enum verdict peek_noted(uint64_t number, uint8_t owner);

/* True when somebody else's look at the event finds exactly that note beside it. */
bool is_noted(uint64_t number, struct slice note);

/* A note of `len` octets of all values; at most DEDUP_NOTE_MAX. */
struct slice long_note(size_t len);

/* As claim with a short lease. */
enum verdict claim_short(uint64_t number, uint8_t owner);

/* Claims again and again as `owner` until it is first; returns the milliseconds since `start_ms`.
 */
uint64_t claim_until_first(uint64_t number, uint8_t owner, uint64_t start_ms);

/* The token of an owner: also the event id of what it settles. */
struct uuid token_of(uint8_t owner);
bool is_token(const struct uuid *id, uint8_t owner);

/* Runs the loop until the condition holds, which is looked at at least every 2 ms. */
void bench_run_until(bool (*reached)(void));

/* Lets `span_ms` go by on the loop. */
void bench_run_for(uint64_t span_ms);

/* Conditions. */
bool bench_is_up(void);
bool bench_is_down(void);

#endif
