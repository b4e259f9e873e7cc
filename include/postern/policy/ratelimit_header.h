/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client is told of its rate: the values of RateLimit-Policy and RateLimit
 * (draft-ietf-httpapi-ratelimit-headers-10, structured fields of RFC 9651) and of Retry-After.
 * Pure; who was asked and what the answer was is store/limiter.h.
 *
 *   RateLimit-Policy: "default";q=200;w=2      the burst, and how long it takes to be there again
 *   RateLimit: "default";r=50;t=2              how many more now, and until the burst is whole
 *
 * The draft is not an RFC yet; its version 11 of May 2026 has the same two fields and parameters.
 */
#ifndef POSTERN_POLICY_RATELIMIT_HEADER_H
#define POSTERN_POLICY_RATELIMIT_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define RATELIMIT_TEXT_SIZE 48 /* a name and numbers of ten and of fourteen digits: 42 */

/* A route's buckets, by the names they have in the fields. */
enum ratelimit_bucket {
    RATELIMIT_DEFAULT,    /* "default" */
    RATELIMIT_DUPLICATES, /* "duplicates" */
};

/* A rate, and where a client stands in it (struct limit_op's outputs). */
struct ratelimit {
    enum ratelimit_bucket bucket;
    uint64_t interval_us; /* between two at the sustained rate; > 0 */
    uint32_t burst;
    uint32_t remaining;
    uint64_t wait_us;      /* > 0: refused, until one will be allowed */
    uint64_t recovered_us; /* until the whole burst is there again */
};

/* Writes the value of RateLimit-Policy; returns its length (no NUL). The window is left out when
 * it is shorter than a second: the draft knows whole seconds only, and a second would tell a client
 * a rate many times lower than its own. */
size_t ratelimit_policy_value(const struct ratelimit *rate,
                              char ret_text[static RATELIMIT_TEXT_SIZE]);

/* Writes the value of RateLimit; returns its length (no NUL). Of a refused request `t` is the same
 * moment as Retry-After, as the draft asks, else until the burst is whole. */
size_t ratelimit_value(const struct ratelimit *rate, char ret_text[static RATELIMIT_TEXT_SIZE]);

/* Seconds for Retry-After, rounded up, at least 1: who waits so long is let through. */
uint64_t ratelimit_retry_after_s(uint64_t wait_us);

#endif
