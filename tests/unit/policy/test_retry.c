/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/retry: every status, both limits at, below and above, waits over many draws,
 * Retry-After in all its forms. */
#include <postern/policy/retry.h>

#include <criterion/criterion.h>
#include <stdlib.h>

#define HOUR_MS UINT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static const struct retry_opts USUAL = {
    .max_attempts = 12, .max_age_ms = 3 * DAY_MS, .base_ms = 5000, .cap_ms = HOUR_MS};

static struct retry_attempt answered(uint16_t status)
{
    return (struct retry_attempt){.event = RETRY_ANSWERED, .status = status, .number = 1};
}

static struct retry_verdict judge(struct retry_attempt attempt, uint64_t chance)
{
    return retry_judge(&USUAL, &attempt, chance);
}

/* A generator of draws that is the same in each run (SplitMix64). */
static uint64_t next_chance(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- what the end means ---- */

Test(retry, success_is_the_end_whatever_the_limits_say)
{
    struct retry_attempt attempt = answered(404);
    attempt.success = true;
    attempt.number = 1000;
    attempt.age_ms = UINT64_MAX;
    struct retry_verdict verdict = judge(attempt, 0);
    cr_assert_eq(verdict.decision, RETRY_DONE);
    cr_assert(!verdict.permanent && verdict.wait_ms == 0 && !verdict.reason);
}

static bool is_transient_status(unsigned status)
{
    return status < 400 || status > 499 || status == 408 || status == 425 || status == 429;
}

Test(retry, every_status)
{
    for (unsigned status = 0; status <= 999; status++) {
        struct retry_verdict verdict = judge(answered((uint16_t)status), 1);
        bool again = is_transient_status(status);
        cr_assert_eq(verdict.decision, again ? RETRY_AGAIN : RETRY_GIVE_UP, "%u", status);
        cr_assert_eq(verdict.permanent, !again, "%u", status);
        if (again)
            cr_assert_null(verdict.reason, "%u", status);
        else
            cr_assert_str_eq(verdict.reason, "permanent", "%u", status);
    }
}

Test(retry, what_broke_before_an_answer_is_tried_again)
{
    const enum retry_event events[] = {RETRY_CONNECT, RETRY_TIMEOUT, RETRY_BROKEN,
                                       RETRY_BAD_RESPONSE};
    for (size_t i = 0; i < 4; i++) {
        /* what the fields of an answer hold must not matter */
        struct retry_attempt attempt = {.event = events[i],
                                        .status = 404,
                                        .success = true,
                                        .number = 1,
                                        .has_retry_after = true,
                                        .retry_after_ms = DAY_MS};
        struct retry_verdict verdict = judge(attempt, 0);
        cr_assert(verdict.decision == RETRY_AGAIN && !verdict.permanent, "event %zu", i);
        cr_assert_eq(verdict.wait_ms, 0);
    }
}

Test(retry, the_last_attempt_is_the_last)
{
    struct retry_attempt attempt = answered(500);
    attempt.number = 11;
    cr_assert_eq(judge(attempt, 0).decision, RETRY_AGAIN);
    for (attempt.number = 12; attempt.number <= 14; attempt.number++) {
        struct retry_verdict verdict = judge(attempt, 0);
        cr_assert_eq(verdict.decision, RETRY_GIVE_UP);
        cr_assert_str_eq(verdict.reason, "max_attempts");
        cr_assert_not(verdict.permanent);
    }
}

Test(retry, a_single_attempt)
{
    struct retry_opts opts = USUAL;
    opts.max_attempts = 1;
    struct retry_attempt attempt = answered(503);
    cr_assert_str_eq(retry_judge(&opts, &attempt, 0).reason, "max_attempts");
}

Test(retry, what_is_permanent_is_told_before_the_limits)
{
    struct retry_attempt attempt = answered(410);
    attempt.number = 12;
    attempt.age_ms = 4 * DAY_MS;
    struct retry_verdict verdict = judge(attempt, 0);
    cr_assert_str_eq(verdict.reason, "permanent");
    cr_assert(verdict.permanent);
}

Test(retry, no_attempt_begins_past_the_largest_age)
{
    struct retry_attempt attempt = answered(500);
    const uint64_t wait = 4000; /* a draw below the first back-off is the wait */
    attempt.age_ms = USUAL.max_age_ms - wait;
    struct retry_verdict verdict = judge(attempt, wait);
    cr_assert(verdict.decision == RETRY_AGAIN && verdict.wait_ms == wait);
    attempt.age_ms++;
    verdict = judge(attempt, wait);
    cr_assert_eq(verdict.decision, RETRY_GIVE_UP);
    cr_assert_str_eq(verdict.reason, "max_age");
    cr_assert_not(verdict.permanent);
    attempt.age_ms = USUAL.max_age_ms;
    cr_assert_eq(judge(attempt, 0).decision, RETRY_AGAIN);
    attempt.age_ms = USUAL.max_age_ms + 1;
    cr_assert_str_eq(judge(attempt, 0).reason, "max_age");
    attempt.age_ms = UINT64_MAX;
    cr_assert_str_eq(judge(attempt, 0).reason, "max_age");
}

Test(retry, a_retry_after_beyond_the_largest_age_is_not_waited_for)
{
    struct retry_attempt attempt = answered(503);
    attempt.has_retry_after = true;
    attempt.retry_after_ms = 60000;
    attempt.age_ms = USUAL.max_age_ms - 60000;
    cr_assert_eq(judge(attempt, 0).decision, RETRY_AGAIN);
    attempt.age_ms++;
    cr_assert_str_eq(judge(attempt, 0).reason, "max_age");
}

/* ---- how long ---- */

static uint64_t wait_of(const struct retry_opts *opts, uint32_t number, uint64_t chance)
{
    struct retry_attempt attempt = answered(500);
    attempt.number = number;
    struct retry_verdict verdict = retry_judge(opts, &attempt, chance);
    cr_assert_eq(verdict.decision, RETRY_AGAIN);
    return verdict.wait_ms;
}

Test(retry, the_back_off_doubles_up_to_its_cap)
{
    struct retry_opts opts = USUAL;
    opts.max_attempts = UINT32_MAX;
    uint64_t most = opts.base_ms;
    for (uint32_t number = 1; number <= 200; number++) {
        cr_assert_eq(wait_of(&opts, number, 0), 0);
        cr_assert_eq(wait_of(&opts, number, most), most, "attempt %u", number);
        cr_assert_eq(wait_of(&opts, number, most + 1), 0, "attempt %u", number);
        most = most * 2 < opts.cap_ms ? most * 2 : opts.cap_ms;
    }
    cr_assert_eq(most, opts.cap_ms);
    cr_assert_eq(wait_of(&opts, UINT32_MAX - 1, HOUR_MS), HOUR_MS);
}

Test(retry, the_cap_need_not_be_a_power_of_the_base)
{
    struct retry_opts opts = USUAL;
    opts.base_ms = 3;
    opts.cap_ms = 11;
    const uint64_t most[] = {3, 6, 11, 11};
    for (uint32_t number = 1; number <= 4; number++) {
        cr_assert_eq(wait_of(&opts, number, most[number - 1]), most[number - 1]);
        cr_assert_eq(wait_of(&opts, number, most[number - 1] + 1), 0);
    }
    opts.cap_ms = 12;
    cr_assert_eq(wait_of(&opts, 3, 12), 12);
    opts.cap_ms = 2; /* below the base */
    cr_assert_eq(wait_of(&opts, 1, 2), 2);
    cr_assert_eq(wait_of(&opts, 1, 3), 0);
}

Test(retry, settings_at_their_ends_do_not_overflow)
{
    const uint64_t ends[] = {0, 1, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};
    uint64_t state = 3;
    for (size_t b = 0; b < 5; b++)
        for (size_t c = 0; c < 5; c++)
            for (uint32_t number = 0; number <= 130; number++) {
                struct retry_opts opts = {UINT32_MAX, UINT64_MAX, ends[b], ends[c]};
                uint64_t wait = wait_of(&opts, number, next_chance(&state));
                cr_assert_leq(wait, opts.cap_ms);
                cr_assert(opts.base_ms > 0 || wait == 0);
            }
    struct retry_opts opts = {UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    cr_assert_eq(wait_of(&opts, 1, UINT64_MAX), UINT64_MAX);
    opts.base_ms = 1;
    cr_assert_eq(wait_of(&opts, 64, UINT64_C(1) << 63), UINT64_C(1) << 63);
    cr_assert_eq(wait_of(&opts, 64, (UINT64_C(1) << 63) + 1), 0);
    cr_assert_eq(wait_of(&opts, 65, UINT64_MAX), UINT64_MAX);
}

/* Each quarter of the range gets its share of the draws. */
Test(retry, the_wait_is_spread_over_the_whole_range)
{
    enum { DRAWS = 40000 };
    unsigned quarters[4] = {0};
    uint64_t state = 1;
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t wait = wait_of(&USUAL, 3, next_chance(&state));
        cr_assert_leq(wait, 20000);
        quarters[wait < 20000 ? wait / 5000 : 3]++;
    }
    for (size_t i = 0; i < 4; i++)
        cr_assert(quarters[i] > DRAWS / 4 * 9 / 10 && quarters[i] < DRAWS / 4 * 11 / 10,
                  "quarter %zu: %u", i, quarters[i]);
}

/* ---- Retry-After ---- */

Test(retry, a_retry_after_is_a_floor_under_the_draw)
{
    const uint16_t heeded[] = {408, 425, 429, 500, 503, 599};
    for (size_t i = 0; i < 6; i++) {
        struct retry_attempt attempt = answered(heeded[i]);
        attempt.has_retry_after = true;
        attempt.retry_after_ms = 3000;
        cr_assert_eq(judge(attempt, 0).wait_ms, 3000, "%u", heeded[i]);
        cr_assert_eq(judge(attempt, 2999).wait_ms, 3000, "%u", heeded[i]);
        cr_assert_eq(judge(attempt, 3001).wait_ms, 3001, "%u", heeded[i]);
    }
}

Test(retry, a_retry_after_elsewhere_is_not_heeded)
{
    const uint16_t others[] = {0, 103, 200, 301, 307, 399, 600};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct retry_attempt attempt = answered(others[i]);
        attempt.has_retry_after = true;
        attempt.retry_after_ms = 3000;
        cr_assert_eq(judge(attempt, 0).wait_ms, 0, "%u", others[i]);
    }
    struct retry_attempt attempt = answered(503);
    attempt.retry_after_ms = 3000;
    cr_assert_eq(judge(attempt, 0).wait_ms, 0, "none was given");
}

Test(retry, a_retry_after_is_capped)
{
    struct retry_attempt attempt = answered(429);
    attempt.has_retry_after = true;
    const uint64_t asked[] = {HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, UINT64_MAX};
    const uint64_t waited[] = {HOUR_MS - 1, HOUR_MS, HOUR_MS, HOUR_MS};
    for (size_t i = 0; i < 4; i++) {
        attempt.retry_after_ms = asked[i];
        cr_assert_eq(judge(attempt, 0).wait_ms, waited[i]);
    }
}

#define NOW_MS UINT64_C(784111000000) /* Sun, 06 Nov 1994 08:36:40 GMT */

static void is_wait(const char *text, uint64_t expected)
{
    uint64_t wait = 12345;
    cr_assert(retry_after_parse(slice_str(text), NOW_MS, &wait), "\"%s\"", text);
    cr_assert_eq(wait, expected, "\"%s\": %llu", text, (unsigned long long)wait);
}

static void is_none(const char *text)
{
    uint64_t wait = 12345;
    cr_assert_not(retry_after_parse(slice_str(text), NOW_MS, &wait), "\"%s\"", text);
    cr_assert_eq(wait, 12345, "untouched");
}

Test(retry, delays)
{
    is_wait("0", 0);
    is_wait("1", 1000);
    is_wait("120", 120000);
    is_wait("007", 7000);
    is_wait(" \t5 ", 5000);
    is_wait("18446744073709551", UINT64_C(18446744073709551000));
    is_wait("18446744073709552", UINT64_MAX);
    is_wait("18446744073709551615", UINT64_MAX);
    is_wait("18446744073709551616", UINT64_MAX);
    is_wait("99999999999999999999999999999999999999999999", UINT64_MAX);
}

Test(retry, dates_in_all_three_forms)
{
    is_wait("Sun, 06 Nov 1994 08:49:37 GMT", 777000);
    is_wait("Sunday, 06-Nov-94 08:49:37 GMT", 777000);
    is_wait("Sun Nov  6 08:49:37 1994", 777000);
    is_wait("Sun, 06 Nov 1994 08:36:40 GMT", 0);
    is_wait("Sun, 06 Nov 1994 08:36:41 GMT", 1000);
    is_wait("Sun, 06 Nov 1994 08:36:39 GMT", 0);
    is_wait("Thu, 01 Jan 1970 00:00:00 GMT", 0);
}

Test(retry, what_is_neither)
{
    const char *const texts[] = {"",        " ",     "-1",       "+1",   "1.5", "1s",
                                 "1 2",     "1,2",   "0x10",     "1e3",  "now", "\xd9\xa1",
                                 "Tuesday", "1\x01", "\xc2\xa0", "\xff", ";",   "12:00:00"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        is_none(texts[i]);
    uint64_t wait = 12345;
    cr_assert_not(retry_after_parse(SLICE("1\0"), NOW_MS, &wait));
    cr_assert_not(retry_after_parse((struct slice){0}, NOW_MS, &wait));
    cr_assert_eq(wait, 12345, "untouched");
}

/* Any bytes, of any length: an answer, and nothing read beyond the end (under ASan). */
Test(retry, random_bytes_are_survived)
{
    static const char alphabet[] = "0123456789 ,:-GMTSunNov\0\xff";
    uint64_t state = 5, wait;
    for (unsigned round = 0; round < 100000; round++) {
        char *bytes = malloc(40);
        cr_assert_not_null(bytes);
        size_t len = next_chance(&state) % 40;
        for (size_t i = 0; i < len; i++)
            bytes[40 - len + i] = alphabet[next_chance(&state) % (sizeof(alphabet) - 1)];
        (void)retry_after_parse(slice_of(bytes + 40 - len, len), next_chance(&state), &wait);
        free(bytes);
    }
}
