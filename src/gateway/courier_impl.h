/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the courier, shared by its files: courier.c (opening, tidying, the end),
 * courier_take.c (what is due), courier_renew.c (leases), lane.c (which delivery is next),
 * delivery.c (one delivery: its attempt and outcome).
 */
#ifndef POSTERN_SRC_GATEWAY_COURIER_IMPL_H
#define POSTERN_SRC_GATEWAY_COURIER_IMPL_H

#include "courier.h"
#include "exchange.h"
#include <postern/policy/breaker.h>
#include <postern/policy/pace.h>
#include <postern/policy/retry.h>

/* Bodies and heads of deliveries in memory, per worker. One lane has as much as is free at most, so
 * that one that is stuck leaves room for the others; beyond it events wait in the journal. */
#define COURIER_BYTES (16u << 20)
/* Outcomes that are not written yet, per worker; while there are more nothing new is begun: each is
 * a second delivery if this process dies. */
#define COURIER_WRITING 1024u
/* Deliveries of one lane in memory that have no slot yet, at most. */
#define LANE_BACKLOG 256u

enum delivery_state { DELIVERY_WAITING, DELIVERY_CALLING, DELIVERY_WRITING };

struct lane;

/* One event of which an attempt is about to be made here. */
struct delivery {
    struct list link; /* in its lane's line while WAITING */
    struct list held; /* in the courier's list */
    struct courier *courier;
    struct lane *lane;
    size_t route; /* index in the configuration */
    enum delivery_state state;
    bool is_first;     /* no attempt was made since it was accepted or replayed */
    bool from_journal; /* counted so by its lane */
    /* the event */
    struct uuid event_id;
    enum queue_home home;
    uint64_t received_at_ms, waits_since_ms; /* wall clock */
    uint32_t attempts, attempts_before;
    struct arena arena; /* method … body */
    size_t bytes;       /* of the content, counted by the courier and the lane */
    struct slice method, target, headers, client, body;
    /* its lease */
    uint64_t leased_until_ms; /* monotonic; no attempt begins after it */
    size_t renewal;           /* its place in the renewal under way, from 1; 0: not in it */
    /* the attempt */
    struct arena heads; /* the request's, parsed, and the answer's */
    struct buf head;
    struct upstream_call call;
    uint64_t breaker_opened; /* how often its breaker had opened when it began */
    uint16_t status;         /* 0: no head yet */
    struct deadline cut_at;  /* of the rest of the answer */
    bool has_retry_after;
    uint64_t retry_after_ms;
    uint64_t began_us, began_wall_ms;
    uint64_t answer_bytes;
    size_t response_bytes;
    char response[QUEUE_RESPONSE_BYTES];
    char error[QUEUE_ERROR_BYTES];
    struct queue_finish finish;
};

/* One upstream's deliveries. */
struct lane {
    struct courier *courier;
    const struct lane_opts *opts;
    struct upstream *upstream;
    size_t index;
    uint32_t slots; /* attempts at once: the upstream's concurrency */
    struct breaker breaker;
    struct pace pace;
    struct list first, again; /* waiting; first attempts and later ones have slots of their own */
    uint32_t first_waiting, again_waiting, first_calling, again_calling;
    uint32_t reserved;     /* places promised to events that are being committed */
    uint32_t from_journal; /* of those in memory: taken, not handed over by an exchange */
    size_t bytes;          /* of the content in memory, and of what is reserved */
    bool again_is_next;    /* with a single slot they take turns */
    struct deadline pump_at;
    size_t turn; /* of its routes, when only one event is wanted */
    uint64_t attempts, failures;
};

struct courier {
    struct gateway *gateway;
    struct lane *lanes;
    size_t lane_count;
    struct list held;              /* every delivery in memory */
    size_t held_count, held_bytes; /* bytes: with what is reserved */
    size_t writing;                /* outcomes not answered yet */
    uint32_t reserved;
    bool draining, is_cut;
    uint64_t results[QUEUE_RESULTS]; /* by enum queue_result */
    uint64_t leases_lost;
    /* taking */
    struct queue_take take;
    struct queue_want *wants; /* of the take under way */
    uint32_t *wanted_taken;   /* by want */
    bool taking, more;        /* more: the last take got all it asked for of some route */
    uint64_t take_began_ms;
    struct deadline take_at;
    /* renewing */
    struct queue_renew renew;
    struct queue_lease *leases;
    size_t leases_capacity;
    bool renewing;
    uint64_t renew_began_ms;
    uint32_t renew_every_ms;
    struct deadline renew_at;
    /* tidying */
    struct queue_upkeep upkeep;
    struct queue_route *routes;
    bool tidying;
    struct deadline upkeep_at;
    struct orphans *orphans; /* NULL: not this worker's business */
};

/* ---- delivery.c ---- */

/* Copies the event; `leased_until_ms` is monotonic. NULL when out of memory. Nobody's yet. */
struct delivery *delivery_new(struct courier *courier, size_t route,
                              const struct queue_event *event, uint64_t leased_until_ms);

/* Frees one that is neither in a line nor calling; its lease ends by itself. */
void delivery_free(struct delivery *delivery);

/* Its lease is another's by now, or may be: counts that, once. The journal knows when it is due. */
void delivery_lose(struct delivery *delivery);

/* Its lease goes on until then (monotonic), and with it the time of a call that has not begun; but
 * not once the lease had been lost in between: another owner may have made that attempt. */
void delivery_extend(struct delivery *delivery, uint64_t leased_until_ms);

/* True when no attempt of it may begin any more (max_age). */
bool delivery_is_too_old(const struct delivery *delivery);

/* Ends its attempt, which is under way, without waiting for the rest. */
void delivery_cut(struct delivery *delivery);

/* Begins its attempt, now that the lane has a slot for it. False: the upstream's pool has no room;
 * nothing happened. */
bool delivery_begin(struct delivery *delivery);

/* Writes that it is given back without an attempt, due again in retry_in_ms. */
void delivery_return(struct delivery *delivery, uint64_t retry_in_ms);

/* Writes that it is dead without an attempt. `reason` is static. */
void delivery_bury(struct delivery *delivery, const char *reason);

/* ---- lane.c ---- */

/* Puts a delivery in line and begins what may begin. */
void lane_add(struct lane *lane, struct delivery *delivery);

/* Takes a waiting one out of its line. */
void lane_remove(struct lane *lane, struct delivery *delivery);

/* Begins attempts while slots, pace and breaker allow. */
void lane_pump(struct lane *lane);

/* An attempt is over; `failed` as breaker_ended has it. */
void lane_ended(struct lane *lane, const struct delivery *delivery, bool failed);

/* An attempt did not take place, so that nothing is known of the upstream. */
void lane_abandoned(struct lane *lane, const struct delivery *delivery);

/* How many more events from the journal the lane has use for now. */
uint32_t lane_room(const struct lane *lane);

/* True when a first attempt may be promised a place. */
bool lane_can_reserve(const struct lane *lane, size_t body_bytes);

/* ---- courier.c ---- */

/* Monotonic milliseconds of this turn; a deadline in so many of them. */
static inline uint64_t courier_now_ms(const struct courier *courier)
{
    return loop_now_ms(courier->gateway->loop);
}

static inline void courier_set(struct courier *courier, struct deadline *deadline, uint64_t in_ms)
{
    deadline_set(&courier->gateway->loop->deadlines, deadline, courier_now_ms(courier) + in_ms);
}

/* The configuration, and the lane of a route. */
static inline const struct config *courier_config(const struct courier *courier)
{
    return courier->gateway->config;
}

static inline struct lane *courier_lane(const struct courier *courier, size_t route)
{
    return &courier->lanes[courier_config(courier)->routes[route].upstream];
}

/* Shorter than the claim's: a row that is taken over has its claim settled before that ends. */
static inline uint32_t courier_row_lease_ms(const struct courier *courier, size_t route)
{
    uint32_t lease_ms = courier_config(courier)->routes[route].lease_ms;
    return lease_ms - lease_ms / 3;
}

/* ---- courier_take.c ---- */

/* Deadline: looks for due events now. */
void courier_on_take_due(struct deadline *deadline);

/* Looks for due events in `in_ms` at the latest. */
void courier_look(struct courier *courier, uint64_t in_ms);

/* A delivery left memory: perhaps there is room for more, or the drain is over. */
void courier_left(struct courier *courier, struct delivery *delivery);

/* ---- courier_renew.c ---- */

#define COURIER_RENEWALS 3u /* per lease: two may fail */

/* Deadline: renews the leases of what is in memory. */
void courier_on_renew_due(struct deadline *deadline);

#endif
