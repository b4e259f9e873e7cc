/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books: what was received and how it ended, per route (contract C8), the durations of the
 * steps, and the state of stores and upstreams as metrics. One `struct books` declares the series
 * for the process; each worker counts in its own `struct account`.
 */
#ifndef POSTERN_GATEWAY_ACCOUNT_H
#define POSTERN_GATEWAY_ACCOUNT_H

#include <postern/base/metrics.h>
#include <postern/base/status.h>
#include <postern/config/config.h>
#include <postern/net/upstream.h>
#include <postern/policy/outcome.h>
#include <postern/store/dedup.h>
#include <postern/store/journal.h>
#include <postern/store/limiter.h>

enum step_timer { TIMER_CLAIM, TIMER_UPSTREAM, TIMER_JOURNAL, TIMER_SETTLE, TIMER_TOTAL, TIMERS };

/* Things counted beside the outcomes. */
enum tally {
    TALLY_CLAIM_LATE,         /* a claim granted after its exchange had left: given back */
    TALLY_CLAIM_TIMEOUT,      /* the store did not answer a claim in time */
    TALLY_SETTLE_UNKNOWN,     /* settling was not confirmed: the store will be told again */
    TALLY_RELEASE_UNKNOWN,    /* releasing was not confirmed: the lease will end it */
    TALLY_LEASE_LAPSED,       /* our lease had run out when we settled, nobody else had the key */
    TALLY_LEASE_LOST,         /* another owner had taken the key when we renewed or settled */
    TALLY_RECORD_UNCONFIRMED, /* an accepted event's record was not taken or not confirmed in time;
                                 it may still be written */
    TALLY_RECORD_LATE,        /* a queued event was confirmed after its sender had been told 503:
                                 it is accepted */
    TALLY_LATE_SETTLE,        /* a committed event whose gateway died, or left it unleased: its
                                 claim was settled (again) */
    TALLY_CLIENT_GONE,        /* the client left while its event was at work */
    TALLY_PARKED,             /* copies that waited for an event in flight */
    TALLIES
};

struct route_series {
    metric_id received, in_progress, difference;
    metric_id outcomes[OUTCOMES];
    metric_id timers[TIMERS];
    metric_id misses[KEY_MISSES];
    /* METRIC_NONE where the route hasn't what they count */
    metric_id verified[VERIFY_RESULTS], secrets[VERIFY_MAX_SECRETS];
    metric_id mismatches, replayed;
};

struct upstream_series {
    metric_id connects, connect_failures, reuses, restarts, in_flight, queued, idle;
};

/* Queued deliveries of one upstream. */
struct lane_series {
    metric_id calling, waiting, attempts, failures, breaker, breaker_opened;
};

/* The queue, and the spool beside the journal. */
struct queue_series {
    metric_id up, taken, fenced, leases_lost, errors, pending;
    metric_id results[QUEUE_RESULTS];
    metric_id queued, dead, parked, oldest_due, parked_total, unparked_total, expired_total;
    metric_id spool_rows, spool_refused, spool_bytes, spool_oldest, spool_away, spool_full,
        spool_set_aside;
    metric_id spooled_total, drained_total, spool_torn;
};

/* The rates' cells. */
struct limiter_series {
    metric_id refused, errors, evicted;
};

struct books {
    struct metrics *metrics;
    size_t route_count, upstream_count;
    struct route_series
        *routes; /* route_count + 1: the last counts requests that matched no route */
    struct upstream_series *upstreams;
    struct lane_series *lanes; /* by upstream */
    struct queue_series queue;
    struct limiter_series limiter;
    metric_id tallies[TALLIES];
    metric_id connections, connections_total, connections_refused, body_bytes;
    metric_id dedup_up, dedup_errors, dedup_reconnects, dedup_pending, dedup_doubtful, dedup_debts,
        dedup_debts_dropped, dedup_l1_hits, dedup_keys;
    metric_id journal_up, journal_rows, journal_batches, journal_dropped, journal_errors,
        journal_duplicates_lost;
    metric_id journal_pending_rows, journal_pending_bytes, journal_lag, journal_batch_rows;
    metric_id log_dropped;
};

/* Declares every series; `metrics` is borrowed. */
NODISCARD enum status books_open(const struct config *config, struct metrics *metrics,
                                 struct books **ret_books);

/* Frees it; NULL is fine. */
void books_close(struct books *books);

/* So many lines of a kind in this second. */
struct line_window {
    uint64_t began_ms; /* monotonic */
    uint32_t lines, suppressed;
};

/* One worker's pen. */
struct account {
    const struct books *books;
    struct metric_cells cells;
    uint32_t *in_progress; /* by route, the unrouted last */
    bool tells_shared;     /* what all workers share is told by one: the key table's size */
    uint64_t batches_seen;
    uint64_t parked, unparked, expired;  /* by the rounds of tidying so far */
    struct line_window failed, bypassed; /* of access lines that are always written */
    uint32_t access_turn;
};

/* Prepares a worker's account on metrics row `row`. */
NODISCARD enum status account_init(struct account *account, const struct books *books, size_t row);

/* Frees what it holds. */
void account_done(struct account *account);

/* A request was received; `route` is its index or SIZE_MAX. */
void account_received(struct account *account, size_t route);

/* It ended. */
void account_ended(struct account *account, size_t route, enum outcome outcome);

/* A step took `us` microseconds. */
void account_timer(struct account *account, size_t route, enum step_timer timer, uint64_t us);

/* A key rule found no key. */
void account_miss(struct account *account, size_t route, enum key_miss miss);

/* A signature was checked. */
void account_verified(struct account *account, size_t route, enum verify_result result);

/* Secret `secret` of the route fitted a signature. */
void account_secret(struct account *account, size_t route, size_t secret);

/* A copy's body is another one than the first's. */
void account_mismatch(struct account *account, size_t route);

/* A copy got the first response again. */
void account_replayed(struct account *account, size_t route);

/* Publishes the limiter's counters. */
void account_limiter(struct account *account, const struct limiter_stats *stats);

/* One more of a tally. */
void account_tally(struct account *account, enum tally tally);

/* What a lane tells of itself. */
struct lane_figures {
    uint32_t calling, waiting;
    uint64_t attempts, failures; /* failures: no answer, or 5xx */
    uint32_t breaker;            /* enum breaker_state */
    uint64_t breaker_opened;
};

/* Publishes a lane; `upstream` is its index. */
void account_lane(struct account *account, size_t upstream, const struct lane_figures *figures);

/* Publishes outcomes by enum queue_result, leases lost, and the queue's own counters. */
void account_courier(struct account *account, const uint64_t results[QUEUE_RESULTS],
                     uint64_t leases_lost, const struct queue_stats *stats);

/* A round of tidying succeeded. */
void account_queue(struct account *account, const struct queue_upkeep *upkeep);

/* Publishes the spool; `wall_ms` is now. */
void account_spool(struct account *account, const struct spool_stats *stats, uint64_t wall_ms);

/* Declares the series of queue, lanes and spool; for books_open. */
void books_declare_queue(const struct config *config, struct books *books);

/* Declares the series of signatures, fingerprints, replays and rates; for books_open. */
void books_declare_door(const struct config *config, struct books *books);

/* Publishes the stores' and upstreams' own counters, and the difference of the books; called now
 * and then by the worker. */
void account_publish(struct account *account, struct dedup *dedup, struct journal *journal,
                     struct upstream *const *upstreams, uint64_t now_ms);

#endif
