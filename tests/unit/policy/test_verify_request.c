/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_request: times as text, fields, and the results of other readers. */
#include "verify_request.h"

#include "signed_request.h"

Test(verify_request, digits)
{
    uint64_t number = 77;
    cr_assert_not(verify_read_digits(SLICE(""), 3, &number));
    cr_assert_not(verify_read_digits((struct slice){0}, 3, &number));
    cr_assert_not(verify_read_digits(SLICE("1234"), 3, &number));
    cr_assert_not(verify_read_digits(SLICE("12/"), 3, &number));
    cr_assert_not(verify_read_digits(SLICE(":12"), 3, &number));
    cr_assert_eq(number, 77);
    cr_assert(verify_read_digits(SLICE("12"), 3, &number) && number == 12);
    cr_assert(verify_read_digits(SLICE("009"), 3, &number) && number == 9);
    cr_assert(verify_read_digits(SLICE("9999999999999999999"), 19, &number));
    cr_assert_eq(number, UINT64_C(9999999999999999999));
}

Test(verify_request, times)
{
    static const struct {
        const char *text;
        bool is_time, is_tight;
        uint64_t ms;
    } cases[] = {
        {"", false, false, 0},
        {"0", true, false, 0},
        {"1", true, false, 1000},
        {"170000000", true, false, 170000000000},
        {"1700000000", true, true, 1700000000000},
        {"9999999999", true, true, 9999999999000},
        {"17000000000", true, false, 17000000000000},
        {"999999999999", true, false, 999999999999000},
        {"1700000000123", true, false, 1700000000123},
        {"9999999999999", true, false, 9999999999999},
        {"17000000001234", false, false, 0},
        {"99999999999999999999999999", false, false, 0},
        {" 1700000000", false, false, 0},
        {"1700000000 ", false, false, 0},
        {"170000000a", false, false, 0},
        {"-170000000", false, false, 0},
        {"170000.000", false, false, 0},
        {"\xd9\xa1", false, false, 0}, /* a digit of another script */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t ms = 77, tight_ms = 77;
        struct slice text = slice_str(cases[i].text);
        cr_assert_eq(verify_read_time(text, &ms), cases[i].is_time, "%s", cases[i].text);
        cr_assert_eq(ms, cases[i].is_time ? cases[i].ms : 77);
        cr_assert_eq(verify_read_tight_time(text, &tight_ms), cases[i].is_tight);
        cr_assert_eq(tight_ms, cases[i].is_tight ? cases[i].ms : 77);
    }
}

Test(verify_request, the_tolerance_at_the_ends_of_time)
{
    struct verify_opts opts = {.tolerance_ms = TOLERANCE_MS};
    struct verifier verifier = {.opts = &opts};
    struct verify_input input = {.now_ms = 0};
    struct verify_call call = {.verifier = &verifier, .input = &input};
    cr_assert_eq(verify_judge_time(&call, 0), VERIFY_OK);
    cr_assert_eq(verify_judge_time(&call, TOLERANCE_MS), VERIFY_OK);
    cr_assert_eq(verify_judge_time(&call, TOLERANCE_MS + 1), VERIFY_TOO_NEW);
    cr_assert_eq(verify_judge_time(&call, UINT64_MAX), VERIFY_TOO_NEW);
    input.now_ms = UINT64_MAX;
    cr_assert_eq(verify_judge_time(&call, 0), VERIFY_TOO_OLD);
    cr_assert_eq(verify_judge_time(&call, UINT64_MAX - TOLERANCE_MS), VERIFY_OK);
    opts.tolerance_ms = UINT64_MAX;
    cr_assert_eq(verify_judge_time(&call, 0), VERIFY_OK);
    opts.tolerance_ms = 0;
    cr_assert_eq(verify_judge_time(&call, 0), VERIFY_OK);
}

Test(verify_request, fields_and_forms)
{
    struct signed_request request = {.scheme = VERIFY_GITHUB};
    struct verify_input input = {.headers = request.headers, .header = find_header};
    struct slice value = TEXT("untouched");
    cr_assert_eq(verify_field(&input, SLICE("X"), &value), VERIFY_MISSING);
    cr_assert_not(verify_is_form(&input));
    add_header(&request, "X", "");
    cr_assert_eq(verify_field(&input, SLICE("x"), &value), VERIFY_MISSING);
    add_header(&request, "x", "1");
    cr_assert_eq(verify_field(&input, SLICE("X"), &value), VERIFY_REPEATED);
    cr_assert(slice_eq(value, SLICE("untouched")));
    add_header(&request, "Content-Type", "application/x-www-form-urlencoded");
    cr_assert(verify_is_form(&input));
    set_header(&request, "Content-Type", "; application/x-www-form-urlencoded");
    cr_assert_not(verify_is_form(&input));
}

Test(verify_request, results_of_other_readers)
{
    static const enum verify_result json[] = {
        [JSON_OK] = VERIFY_OK,
        [JSON_INVALID] = VERIFY_MALFORMED,
        [JSON_DUPLICATE_KEY] = VERIFY_REPEATED,
        [JSON_TOO_DEEP] = VERIFY_MALFORMED,
        [JSON_TOO_LARGE] = VERIFY_MALFORMED,
        [JSON_NO_MEMORY] = VERIFY_UNAVAILABLE,
    };
    static const enum verify_result misses[KEY_MISSES] = {
        [KEY_MISS_NONE] = VERIFY_OK,
        [KEY_MISS_ABSENT] = VERIFY_MISSING,
        [KEY_MISS_EMPTY] = VERIFY_MISSING,
        [KEY_MISS_REPEATED] = VERIFY_REPEATED,
        [KEY_MISS_TOO_LONG] = VERIFY_MALFORMED,
        [KEY_MISS_NOT_JSON] = VERIFY_MALFORMED,
        [KEY_MISS_MALFORMED] = VERIFY_MALFORMED,
        [KEY_MISS_NOT_SCALAR] = VERIFY_MALFORMED,
        [KEY_MISS_ENCODING] = VERIFY_MALFORMED,
        [KEY_MISS_NO_MEMORY] = VERIFY_UNAVAILABLE,
    };
    for (size_t i = 0; i < COUNT_OF(json); i++)
        cr_assert_eq(verify_of_json((enum json_result)i), json[i]);
    for (size_t i = 0; i < COUNT_OF(misses); i++)
        cr_assert_eq(verify_of_miss((enum key_miss)i), misses[i]);
    cr_assert_eq(verify_of_miss(KEY_MISSES), VERIFY_MALFORMED);
}
