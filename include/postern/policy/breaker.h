/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circuit breaker for one upstream of one worker, for queued deliveries. Pure: time comes as an
 * argument (monotonic milliseconds).
 *
 *   closed --(failures in a row reach the threshold)--> open --(cool-down over)--> half-open
 *     ^                                                  ^ |                          |  one probe
 *     '------------------- probe succeeded --------------|-+--------------------------|
 *                                                        '---- probe failed: cool-down doubles,
 *                                                              up to 16 times the first
 */
#ifndef POSTERN_POLICY_BREAKER_H
#define POSTERN_POLICY_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker_opts {
    uint32_t failures;     /* in a row that open it; 0: it never opens */
    uint64_t cool_down_ms; /* the first one */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Zeroed: closed. */
struct breaker {
    enum breaker_state state;
    uint32_t failures;     /* in a row */
    uint64_t until_ms;     /* OPEN: the end of the cool-down */
    uint64_t cool_down_ms; /* the present one */
    bool probing;          /* HALF_OPEN: the probe is out */
    uint64_t opened;       /* how often it opened: an attempt keeps it from its beginning */
};

/* True when an attempt may begin now; in half-open this is the probe's permission, given once until
 * breaker_ended. An OPEN breaker whose cool-down is over becomes HALF_OPEN here. The caller keeps
 * breaker->opened as it is afterwards with the attempt, for its end. */
bool breaker_begin(struct breaker *breaker, uint64_t now_ms);

/* True when breaker_begin would say yes; changes nothing. */
bool breaker_would_begin(const struct breaker *breaker, uint64_t now_ms);

/* An attempt that breaker_begin allowed has ended. `opened_at_begin`: what breaker->opened was
 * then. `failed`: the upstream could not be reached, did not answer in time, or answered 5xx. An
 * answer of any other kind shows it alive. Ends of attempts begun before it last opened count for
 * nothing: time-outs that drip in later must not be taken for the probe's end. */
void breaker_ended(struct breaker *breaker, const struct breaker_opts *opts,
                   uint64_t opened_at_begin, bool failed, uint64_t now_ms);

/* An attempt that was allowed did not take place (no slot, no memory): the probe may be given to
 * another. */
void breaker_abandoned(struct breaker *breaker, uint64_t opened_at_begin);

#endif
