/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attempt's end means for a queued event (DESIGN 5): delivered, to be tried again and when,
 * or dead and why. Pure: time and chance come as arguments.
 */
#ifndef POSTERN_POLICY_RETRY_H
#define POSTERN_POLICY_RETRY_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stdint.h>

/* A route's `retry`. */
struct retry_opts {
    uint32_t max_attempts; /* at least 1; counted from the last replay */
    uint64_t max_age_ms;   /* since receiving or the last replay; later no attempt is begun */
    uint64_t base_ms;      /* of the back-off before the second attempt; doubles with each */
    uint64_t cap_ms;       /* of the back-off, and of a Retry-After */
};

/* How the call ended, apart from what the upstream answered. */
enum retry_event {
    RETRY_ANSWERED,     /* `status` says what */
    RETRY_CONNECT,      /* no connection: nothing was sent */
    RETRY_TIMEOUT,      /* sent, and no answer in time */
    RETRY_BROKEN,       /* sent at least partly, and the connection broke */
    RETRY_BAD_RESPONSE, /* what came isn't HTTP */
};

struct retry_attempt {
    enum retry_event event;
    uint16_t status;         /* RETRY_ANSWERED only */
    bool success;            /* RETRY_ANSWERED: the route counts the status as success */
    uint32_t number;         /* of this attempt since the last replay, from 1 */
    uint64_t age_ms;         /* since receiving or the last replay */
    bool has_retry_after;    /* the answer had one that could be read */
    uint64_t retry_after_ms; /* from now; not yet capped */
};

enum retry_decision { RETRY_DONE, RETRY_AGAIN, RETRY_GIVE_UP };

struct retry_verdict {
    enum retry_decision decision;
    bool permanent;     /* the failure's category: an answer that no repeat will change */
    uint64_t wait_ms;   /* RETRY_AGAIN */
    const char *reason; /* RETRY_GIVE_UP: "permanent", "max_attempts" or "max_age", static; else
                           NULL */
};

/* Transient: no connection, time-out, broken, not HTTP, 408, 425, 429, 5xx, and what else is no
 * success: 1xx, 2xx, 3xx (a redirect is not followed; the target may be mended). Permanent: other
 * 4xx. The wait is full jitter, uniform in [0, min(cap, base * 2^(number - 1))] drawn by `chance`
 * (uniform 64 bits), and not below min(Retry-After, cap) where 408, 425, 429 or 5xx brought one.
 * When it ends past max_age nobody waits for it: dead, "max_age". */
struct retry_verdict retry_judge(const struct retry_opts *opts, const struct retry_attempt *attempt,
                                 uint64_t chance);

/* Reads a Retry-After (RFC 9110 10.2.3): delay-seconds, or an HTTP-date (all three forms of
 * RFC 9110 5.6.7) against `now_wall_ms`; a date in the past is 0, a number beyond 64 bits the
 * longest wait. False when it is neither; *ret_wait_ms is untouched then. */
bool retry_after_parse(struct slice value, uint64_t now_wall_ms, uint64_t *ret_wait_ms);

#endif
