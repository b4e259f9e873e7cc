/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as the draft wants them: whole seconds, rounded up so that nobody comes too early. A
 * structured field's integer has fifteen digits at most; seconds of 64-bit microseconds have
 * fourteen. Written by hand: every answer of a limited route carries both fields.
 */
#include <postern/policy/ratelimit_header.h>

#include <postern/base/slice.h>

#define SECOND_US UINT64_C(1000000)

static char *put_text(char *at, struct slice text)
{
    memcpy(at, text.data, text.len);
    return at + text.len;
}

static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    char *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put_text(at, slice_of(first, (size_t)(digits + sizeof digits - first)));
}

static char *put_bucket(char *at, enum ratelimit_bucket bucket)
{
    return put_text(at, bucket == RATELIMIT_DUPLICATES ? SLICE("\"duplicates\"")
                                                       : SLICE("\"default\""));
}

static uint64_t seconds(uint64_t span_us)
{
    return span_us / SECOND_US + (span_us % SECOND_US != 0);
}

/* How long an empty bucket takes to fill. */
static uint64_t window_us(const struct ratelimit *rate)
{
    uint64_t burst = rate->burst;
    return burst > 0 && rate->interval_us > UINT64_MAX / burst ? UINT64_MAX
                                                               : burst * rate->interval_us;
}

size_t ratelimit_policy_value(const struct ratelimit *rate,
                              char ret_text[static RATELIMIT_TEXT_SIZE])
{
    uint64_t window = window_us(rate);
    char *at = put_bucket(ret_text, rate->bucket);
    at = put_text(at, SLICE(";q="));
    at = put_number(at, rate->burst);
    if (window >= SECOND_US) {
        at = put_text(at, SLICE(";w="));
        at = put_number(at, seconds(window));
    }
    return (size_t)(at - ret_text);
}

size_t ratelimit_value(const struct ratelimit *rate, char ret_text[static RATELIMIT_TEXT_SIZE])
{
    char *at = put_bucket(ret_text, rate->bucket);
    at = put_text(at, SLICE(";r="));
    at = put_number(at, rate->remaining);
    at = put_text(at, SLICE(";t="));
    at = put_number(at, seconds(rate->wait_us > 0 ? rate->wait_us : rate->recovered_us));
    return (size_t)(at - ret_text);
}

uint64_t ratelimit_retry_after_s(uint64_t wait_us)
{
    return wait_us > 0 ? seconds(wait_us) : 1;
}
