/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the queue suites share, on top of the journal's rig: queues of one backend beside the
 * journal that fills them, each with an owner of its own, and ops that wait for their answers. One
 * rig per test process (Criterion forks for each test).
 */
#ifndef POSTERN_TESTS_QUEUE_RIG_H
#define POSTERN_TESTS_QUEUE_RIG_H

#include "journal_rig.h"

#define RIG_QUEUES 2u
#define TAKEN_MAX 10000u

/* A backend: opens the journal's rig for it, and a queue; both are then up. */
struct queue_kind {
    void (*open_journal)(void);
    struct queue *(*open_queue)(const struct uuid *owner);
};

struct taken {
    struct uuid event_id;
    char route[32];
    uint32_t attempts, attempts_before;
};

struct told_orphan {
    struct queue_orphan orphan; /* but for what is borrowed */
    char route[32];
    size_t note_len;
    uint8_t note_ends; /* its last octet */
};

struct queue_rig {
    const struct queue_kind *kind;
    struct queue *queues[RIG_QUEUES]; /* NULL: not open. Journal and the first share an owner */
    /* the last take's */
    struct queue_take take;
    bool take_ended;
    struct taken taken[TAKEN_MAX];
    size_t count;
    /* Called with each event as well, when set: what is borrowed can be looked at. */
    void (*look)(const struct queue_event *event);
    /* the last look's: all its pages */
    struct queue_orphans look_op;
    unsigned looks_ended; /* pages */
    struct told_orphan orphans[TAKEN_MAX];
    size_t orphan_count;
    /* what the PostgreSQL queues' listener was told, and how often */
    unsigned ups, downs;
    char detail[256];
};

extern struct queue_rig qrig;

extern const struct queue_kind queue_kind_postgres;

/* A queue of that kind, which may not be up. */
struct queue *queue_rig_open_postgres(const struct uuid *owner);

/* The owner of a queue. */
struct uuid queue_owner(size_t index);

/* Opens journal and queues; closes them. rig_close ends the rest. */
void queue_rig_open(const struct queue_kind *kind);
void queue_rig_close(void);

/* Opens and closes the queues only. */
void queue_rig_open_queues(void);
void queue_rig_close_queues(void);

/* As rig_number and rig_number_of. SQLite's file belongs to the process's store alone: all is
 * closed for the question, and opened again, which ends all leases. */
long long queue_number(const char *sql);
long long queue_number_of(const char *sql, struct slice bytes);

/* Runs statements on the database, in the same way. */
void queue_execute(const char *sql);

/* ---- events ---- */

/* A durable append of a new queued event, due at once. */
void event_init(struct append *append, const char *route);

/* Appends one, and waits until it is there. */
struct uuid queue_put(const char *route);

/* The same, leased to the first queue's owner. */
struct uuid queue_put_leased(const char *route, uint32_t lease_ms);

/* Appends many. */
void queue_put_many(const char *route, size_t count);

/* ---- taking ---- */

/* Takes, and waits for the end; the answer is in qrig. */
void take_wants(size_t queue, const struct queue_want *wants, size_t count, size_t bytes_max);

/* Takes of one route; tells how many came. */
size_t take_of(size_t queue, const char *route, uint32_t count, uint32_t lease_ms);

/* Takes again and again until something comes. */
size_t take_some(size_t queue, const char *route, uint32_t count, uint32_t lease_ms);

/* True when the last take has told this event. */
bool was_taken(const struct uuid *event_id);

/* ---- orphans ---- */

/* Whoever holds leases of a millisecond dies: they end, a file's by its being opened again. */
void queue_bereave(void);

/* Asks for a page, without waiting: one from the start, or the one after the last. */
void look_begin(size_t queue, const struct queue_route *routes, size_t count, uint32_t limit);
void look_further(size_t queue);

/* Waits for its end. */
enum status look_await(void);

/* Looks from the start on until there is no more; tells how many orphans came, in qrig. */
size_t look_through(size_t queue, const struct queue_route *routes, size_t count, uint32_t limit);

/* Looks on from there; what came is added. */
size_t look_again(size_t queue);

/* True when the last look has told this event. */
bool is_orphaned(const struct uuid *event_id);

/* ---- outcomes, leases, upkeep ---- */

struct finish {
    struct queue_finish op;
    unsigned answers;
};

/* The end of an attempt with that number: without an error when it was delivered, else status 503
 * and an error. RETURNED: without an attempt. Due again at once. */
void finish_init(struct finish *finish, const struct uuid *event_id, uint32_t attempt,
                 enum queue_result result);

/* Submits it; waits for its answer; both. */
void finish_submit(size_t queue, struct finish *finish);
enum status finish_await(struct finish *finish);
enum status finish_now(size_t queue, struct finish *finish);

/* One that needs no details. */
enum status end_attempt(size_t queue, const struct uuid *event_id, uint32_t attempt,
                        enum queue_result result);

/* Renews leases, and waits for the answer. */
enum status renew_now(size_t queue, struct queue_lease *leases, size_t count);

/* One lease; true when it is still ours. */
bool renew_one(size_t queue, const struct uuid *event_id, uint32_t lease_ms);

/* A round of the upkeep with these routes; the answer stays valid until the next one. */
const struct queue_upkeep *upkeep_with(size_t queue, const struct queue_route *routes,
                                       size_t count);

#endif
