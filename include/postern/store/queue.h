/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue: accepted events of `queue` routes on their way to the upstream. Its rows are the
 * journal's own (journal.h puts them there, with state "queued"); this interface takes what is due
 * under a lease and writes down how attempts ended. Backends: postgres (shared by all gateways),
 * sqlite (the embedded default, and the spool), spooled (postgres, with the spool while that is
 * away); all pass tests/contract/queue.
 *
 *   journal_append (state queued, perhaps leased to us)
 *        |
 *        v           take: due, nobody's lease         finish: delivered
 *     [queued] <------------------------------> leased -----------------> [delivered]
 *        ^   ^                                    |  |  dead
 *        |   '----- finish: retry, returned ------'  '-------------------> [dead]
 *        '---- the lease ended: its owner died
 *
 * A lease is a row's `next_attempt_at` lying in the future (and `lease_until` the same) with
 * `lease_owner` set. Fencing: a finish is written only while the row is still its owner's and no
 * other attempt was counted since.
 */
#ifndef POSTERN_STORE_QUEUE_H
#define POSTERN_STORE_QUEUE_H

#include <postern/base/event_key.h>
#include <postern/base/list.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/base/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes of an attempt's answer that are kept, and of its error's text. */
#define QUEUE_RESPONSE_BYTES 1024u
#define QUEUE_ERROR_BYTES 200u

/* Where a leased row lives: what was taken from the spool ends in the spool. Given with each event,
 * handed back with each finish and renewal; callers don't look inside. */
enum queue_home { QUEUE_HOME_JOURNAL, QUEUE_HOME_SPOOL };

/* One event taken. Borrowed for the callback. */
struct queue_event {
    struct uuid event_id;
    enum queue_home home;
    struct slice route, method, target, headers, client, body; /* as in journal_record */
    uint64_t received_at_ms;                                   /* wall clock */
    uint64_t waits_since_ms; /* wall clock: received, or last replayed: max_age counts from here */
    bool has_key;
    struct event_key key;
    uint64_t window_ends_at_ms; /* wall clock; 0 without a key */
    uint32_t attempts;          /* made so far, over its whole life */
    uint32_t attempts_before;   /* of them, made before the last replay: max_attempts counts those
                                   after */
};

/* How many due events of a route are wanted. */
struct queue_want {
    struct slice route;
    uint32_t count;    /* > 0 */
    uint32_t lease_ms; /* > 0 */
};

struct queue_take {
    /* in; borrowed until `ended` */
    const struct queue_want *wants;
    size_t want_count;
    size_t bytes_max; /* of bodies and headers, over all: when it is passed fewer are taken, but at
                         least one of each route where any is due */
    void (*event)(struct queue_take *take, const struct queue_event *event); /* leased now */
    void (*ended)(struct queue_take *take); /* once, from the loop */
    /* out */
    enum status status;   /* STATUS_OK, or STATUS_UNAVAILABLE: nothing was told, though rows may
                             have been leased: those leases will end by themselves */
    uint64_t next_due_ms; /* from now until the next event of a wanted route falls due, of those
                             that were seen; UINT64_MAX: none was; 0: bytes_max has left out some
                             that are due */
    struct list link;     /* the backend's own */
};

/* How an attempt (or a lease) ended. */
enum queue_result {
    QUEUE_DELIVERED, /* terminal: the upstream has it */
    QUEUE_RETRY,     /* the attempt failed, another one in retry_in_ms */
    QUEUE_DEAD,      /* terminal: given up, `error` says why */
    QUEUE_RETURNED,  /* no attempt was made: due again in retry_in_ms, its lease given up */
};

#define QUEUE_RESULTS 4

/* One outcome to write. Slices are copied by the submit call. */
struct queue_finish {
    /* in */
    struct uuid event_id;
    enum queue_home home;
    enum queue_result result;
    uint32_t attempt;      /* the number of the attempt that was made, from 1: the event's
                              `attempts` + 1; also its fence. RETURNED, and DEAD without an attempt
                              (max_age): `attempts` + 1 as well, but nothing is counted */
    bool attempted;        /* false: no row in `delivery`, `attempts` stays */
    uint64_t at_ms;        /* wall clock: the attempt's beginning */
    uint64_t retry_in_ms;  /* from now, when RETRY or RETURNED */
    uint16_t status;       /* of the upstream's answer; 0: none */
    uint32_t duration_ms;  /* of the attempt */
    bool permanent;        /* the error's category */
    struct slice error;    /* "" when delivered; else a short text in ASCII, up to
                              QUEUE_ERROR_BYTES */
    struct slice response; /* the first bytes of the answer's body, up to QUEUE_RESPONSE_BYTES */
    void (*answered)(struct queue_finish *finish); /* once, from the loop */
    /* out */
    enum status status_of_write; /* STATUS_OK: durable; RETURNED: or its lease is left to end by
                                    itself. STATUS_REFUSED: the lease was another's (or
                                    the row is gone, or is settled otherwise): nothing was changed
                                    but the attempt's row was added. STATUS_UNAVAILABLE: only at
                                    close; until then a finish is tried again for ever */
    struct list link;            /* the backend's own */
};

/* A lease to be prolonged. */
struct queue_lease {
    struct uuid event_id;
    enum queue_home home;
    uint32_t lease_ms; /* from now */
    bool lost;         /* out: it is not ours (any more) */
    bool unanswered;   /* out: of this one nothing is known: it may not have been prolonged */
};

struct queue_renew {
    struct queue_lease *leases; /* borrowed until `ended` */
    size_t count;
    void (*ended)(struct queue_renew *renew); /* once, from the loop */
    enum status status; /* out: STATUS_UNAVAILABLE: nothing is known of any lease */
    struct list link;
};

/* A route that can deliver, for the upkeep. */
struct queue_route {
    struct slice name;
    uint64_t max_age_ms; /* queued events that wait longer are dead: "max_age" */
};

/* The round that one worker of a process makes now and then: queued, unleased events of routes that
 * are not among `routes` are parked; parked ones of routes that are, are queued again, due now;
 * those past their max_age are dead. Bounded work per round (some thousand rows): `more` asks for
 * another one soon. Counts are estimates when the table is huge. */
struct queue_upkeep {
    const struct queue_route *routes; /* borrowed until `ended` */
    size_t route_count;
    void (*ended)(struct queue_upkeep *upkeep);
    /* out */
    enum status status;
    bool more;
    uint64_t parked, unparked, expired;        /* rows changed in this round */
    uint64_t queued_now, dead_now, parked_now; /* rows in these states */
    uint64_t oldest_due_ms; /* for how long the oldest due event has been due; 0: none */
    struct list link;
};

/* More than the note of a queue's event has, which is no response's. */
#define ORPHAN_NOTE_MAX 256

/* A queued event with a key whose first attempt never ended, under a lease that has. Borrowed for
 * the callback. */
struct queue_orphan {
    struct uuid event_id;
    struct slice route;
    struct event_key key;
    uint64_t received_at_ms, window_ends_at_ms; /* wall clock */
    struct slice note; /* as recorded (journal.h), up to ORPHAN_NOTE_MAX: a longer one isn't told */
};

/* Finds orphans: whoever accepted them died, perhaps between the commit and the settling of the
 * claim, so that somebody else has to settle it before the claim's own lease ends. Telling one too
 * many does no harm. Events whose window is over are left out. In order of the leases' ends, page
 * by page; a page ends at its limit, or when enough rows were looked at. */
struct queue_orphans {
    /* in; borrowed until `ended` */
    const struct queue_route *routes;
    size_t route_count;
    bool from_start;   /* the process's first page: go back to a minute before the newest lease that
                          has ended (what is older was settled long before its owner died). A file
                          that is one process's own (SQLite) tells all events without an attempt that
                          were there when it was opened, in any order, and afterwards none */
    uint64_t after_us; /* else: only leases that ended later than (after_us, after_id): the last
                          page's until */
    struct uuid after_id;
    uint32_t limit; /* > 0 */
    void (*orphan)(struct queue_orphans *orphans, const struct queue_orphan *orphan);
    void (*ended)(struct queue_orphans *orphans); /* once, from the loop */
    /* out */
    enum status status; /* STATUS_OK or STATUS_UNAVAILABLE: ask again for the same page */
    uint64_t until_us;  /* with until_id: the next page's after; valid when OK. Microseconds, since
                           all rows of a transaction share their lease's end, and others its
                           millisecond */
    struct uuid until_id;
    bool more; /* the page was cut off */
    struct list link;
};

/* For metrics; totals since start, of this worker. Filled on the owner's thread. */
struct queue_stats {
    bool up;
    uint64_t taken, finished, fenced, leases_lost, errors;
    uint64_t pending_finishes; /* outcomes not written yet */
};

struct queue;

struct queue_backend {
    const char *name;
    /* One take at a time. Always answered through `ended`. */
    void (*take)(struct queue *queue, struct queue_take *take);
    /* Many at a time; those of a turn are written together, and so are those that gather while a
     * batch is on its way. */
    void (*finish)(struct queue *queue, struct queue_finish *finish);
    /* One at a time. */
    void (*renew)(struct queue *queue, struct queue_renew *renew);
    /* One at a time. */
    void (*upkeep)(struct queue *queue, struct queue_upkeep *upkeep);
    /* One at a time. */
    void (*orphans)(struct queue *queue, struct queue_orphans *orphans);
    /* Answers what is pending (UNAVAILABLE), closes and frees; `closed` runs when done. Wait for
     * finishes before, where their loss would repeat a delivery. */
    void (*close)(struct queue *queue, void (*closed)(void *arg), void *arg);
};

struct queue {
    const struct queue_backend *backend;
    struct queue_stats stats;
};

/* See queue_backend. */
static inline void queue_take(struct queue *queue, struct queue_take *take)
{
    queue->backend->take(queue, take);
}

/* See queue_backend. */
static inline void queue_finish(struct queue *queue, struct queue_finish *finish)
{
    queue->backend->finish(queue, finish);
}

/* See queue_backend. */
static inline void queue_renew(struct queue *queue, struct queue_renew *renew)
{
    queue->backend->renew(queue, renew);
}

/* See queue_backend. */
static inline void queue_upkeep(struct queue *queue, struct queue_upkeep *upkeep)
{
    queue->backend->upkeep(queue, upkeep);
}

/* See queue_backend. */
static inline void queue_orphans(struct queue *queue, struct queue_orphans *orphans)
{
    queue->backend->orphans(queue, orphans);
}

#endif
