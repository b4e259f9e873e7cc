/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an attempt, judged: success first, then what no repeat will change, then the two
 * limits. Sums saturate instead of wrapping, so that absurd settings and answers wait long rather
 * than not at all.
 */
#include <postern/policy/retry.h>

#include "http_date.h"

static bool is_permanent(const struct retry_attempt *attempt)
{
    if (attempt->event != RETRY_ANSWERED)
        return false;
    uint16_t status = attempt->status;
    return status >= 400 && status <= 499 && status != 408 && status != 425 && status != 429;
}

/* Retry-After counts only where the status says "later": on a 201 or a redirect it means something
 * else. */
static bool has_word_on_when(const struct retry_attempt *attempt)
{
    uint16_t status = attempt->status;
    return attempt->event == RETRY_ANSWERED && attempt->has_retry_after &&
           (status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599));
}

/* min(cap, base * 2^(number - 1)). */
static uint64_t back_off_ms(const struct retry_opts *opts, uint32_t number)
{
    uint32_t doublings = number > 0 ? number - 1 : 0;
    if (doublings >= 64 || opts->base_ms > opts->cap_ms >> doublings)
        return opts->base_ms > 0 ? opts->cap_ms : 0;
    return opts->base_ms << doublings;
}

/* Uniform in [0, most]; the bias of the remainder is below 2^-37 for the longest cap, a day. */
static uint64_t draw(uint64_t most, uint64_t chance)
{
    return most == UINT64_MAX ? chance : chance % (most + 1);
}

static uint64_t wait_ms(const struct retry_opts *opts, const struct retry_attempt *attempt,
                        uint64_t chance)
{
    uint64_t wait = draw(back_off_ms(opts, attempt->number), chance);
    if (!has_word_on_when(attempt))
        return wait;
    uint64_t asked = attempt->retry_after_ms < opts->cap_ms ? attempt->retry_after_ms
                                                            : opts->cap_ms;
    return wait > asked ? wait : asked;
}

static bool ends_too_late(const struct retry_opts *opts, uint64_t age_ms, uint64_t wait)
{
    return age_ms > opts->max_age_ms || wait > opts->max_age_ms - age_ms;
}

static struct retry_verdict give_up(const char *reason, bool permanent)
{
    return (struct retry_verdict){
        .decision = RETRY_GIVE_UP, .permanent = permanent, .reason = reason};
}

struct retry_verdict retry_judge(const struct retry_opts *opts, const struct retry_attempt *attempt,
                                 uint64_t chance)
{
    if (attempt->event == RETRY_ANSWERED && attempt->success)
        return (struct retry_verdict){.decision = RETRY_DONE};
    if (is_permanent(attempt))
        return give_up("permanent", true);
    if (attempt->number >= opts->max_attempts)
        return give_up("max_attempts", false);
    uint64_t wait = wait_ms(opts, attempt, chance);
    if (ends_too_late(opts, attempt->age_ms, wait))
        return give_up("max_age", false);
    return (struct retry_verdict){.decision = RETRY_AGAIN, .wait_ms = wait};
}

/* ---- Retry-After ---- */

/* 1*DIGIT, as milliseconds; what does not fit 64 bits is the largest there is. */
static bool parse_delay(struct slice text, uint64_t *ret_ms)
{
    uint64_t seconds = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        seconds = seconds > (UINT64_MAX - digit) / 10 ? UINT64_MAX : seconds * 10 + digit;
    }
    if (text.len == 0)
        return false;
    *ret_ms = seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000;
    return true;
}

bool retry_after_parse(struct slice value, uint64_t now_wall_ms, uint64_t *ret_wait_ms)
{
    value = slice_trim(value);
    if (parse_delay(value, ret_wait_ms))
        return true;
    uint64_t date_ms;
    if (!http_date_parse(value, now_wall_ms, &date_ms))
        return false;
    *ret_wait_ms = date_ms > now_wall_ms ? date_ms - now_wall_ms : 0;
    return true;
}
