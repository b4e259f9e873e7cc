/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as the draft wants them: whole seconds, rounded up so that nobody comes too early, and
 * integers that a structured field can hold.
 */
#include <postern/policy/ratelimit_header.h>

#include <inttypes.h>
#include <stdio.h>

#define SECOND_US UINT64_C(1000000)
#define SF_INTEGER_MAX UINT64_C(999999999999999) /* RFC 9651 3.3.1: fifteen digits */

static const char *bucket_name(enum ratelimit_bucket bucket)
{
    return bucket == RATELIMIT_DUPLICATES ? "duplicates" : "default";
}

static uint64_t seconds(uint64_t span_us)
{
    uint64_t up = span_us / SECOND_US + (span_us % SECOND_US != 0);
    return up < SF_INTEGER_MAX ? up : SF_INTEGER_MAX;
}

/* How long an empty bucket takes to fill. */
static uint64_t window_us(const struct ratelimit *rate)
{
    uint64_t burst = rate->burst;
    return burst > 0 && rate->interval_us > UINT64_MAX / burst ? UINT64_MAX
                                                               : burst * rate->interval_us;
}

size_t ratelimit_policy_value(const struct ratelimit *rate, char ret_text[RATELIMIT_TEXT_SIZE])
{
    const char *name = bucket_name(rate->bucket);
    uint64_t window = window_us(rate);
    int len = window < SECOND_US
                  ? snprintf(ret_text, RATELIMIT_TEXT_SIZE, "\"%s\";q=%" PRIu32, name, rate->burst)
                  : snprintf(ret_text, RATELIMIT_TEXT_SIZE, "\"%s\";q=%" PRIu32 ";w=%" PRIu64, name,
                             rate->burst, seconds(window));
    return (size_t)len;
}

size_t ratelimit_value(const struct ratelimit *rate, char ret_text[RATELIMIT_TEXT_SIZE])
{
    uint64_t reset_us = rate->wait_us > 0 ? rate->wait_us : rate->recovered_us;
    int len = snprintf(ret_text, RATELIMIT_TEXT_SIZE, "\"%s\";r=%" PRIu32 ";t=%" PRIu64,
                       bucket_name(rate->bucket), rate->remaining, seconds(reset_us));
    return (size_t)len;
}

uint64_t ratelimit_retry_after_s(uint64_t wait_us)
{
    return wait_us > 0 ? seconds(wait_us) : 1;
}
