/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/json_number: the layout of ECMAScript, no digit dropped, hostile exponents.
 */
#include "json_number.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct spelling {
    const char *number, *canonical;
};

/* The first block is RFC 8785, appendix B, as far as it has numbers JSON can spell. */
static const struct spelling spellings[] = {
    {"0", "0"},
    {"-0", "0"},
    {"5e-324", "5e-324"},
    {"-5e-324", "-5e-324"},
    {"1.7976931348623157e308", "1.7976931348623157e+308"},
    {"9007199254740992", "9007199254740992"},
    {"-9007199254740992", "-9007199254740992"},
    {"295147905179352830000", "295147905179352830000"},
    {"9.999999999999997e22", "9.999999999999997e+22"},
    {"1e23", "1e+23"},
    {"1.0000000000000001e23", "1.0000000000000001e+23"},
    {"999999999999999700000", "999999999999999700000"},
    {"999999999999999900000", "999999999999999900000"},
    {"1e21", "1e+21"},
    {"9.999999999999997e-7", "9.999999999999997e-7"},
    {"0.000001", "0.000001"},
    {"333333333.3333332", "333333333.3333332"},
    {"-0.0000033333333333333333", "-0.0000033333333333333333"},
    {"1424953923781206.2", "1424953923781206.2"},
    /* other spellings of the same values */
    {"1.0", "1"},
    {"1e0", "1"},
    {"1E+2", "100"},
    {"100e-2", "1"},
    {"0.10", "0.1"},
    {"10e-2", "0.1"},
    {"-1.50", "-1.5"},
    {"0.0", "0"},
    {"-0.0e7", "0"},
    {"0e99", "0"},
    {"1e20", "100000000000000000000"},
    {"1000000000000000000000", "1e+21"},
    {"1e-6", "0.000001"},
    {"1e-7", "1e-7"},
    {"0.0000001", "1e-7"},
    {"12e-8", "1.2e-7"},
    {"1e00000000000000000000002", "100"},
    {"1e-000", "1"},
    /* what a double can't hold keeps its digits */
    {"9007199254740993", "9007199254740993"},
    {"18446744073709551615", "18446744073709551615"},
    {"123456789012345678901", "123456789012345678901"},
    {"1234567890123456789012", "1.234567890123456789012e+21"},
    {"0.1000000000000000055", "0.1000000000000000055"},
    {"1e400", "1e+400"},
    {"-1e-400", "-1e-400"},
    {"4.94e-324", "4.94e-324"},
    {"1e999999999", "1e+999999999"},
};

static void expect_spelling(const char *number, const char *canonical)
{
    char text[JSON_NUMBER_TEXT_BYTES];
    size_t len;
    char *copy = exact_copy(slice_str(number));
    struct slice slice = slice_of(copy, strlen(number));
    cr_assert(json_number_write(slice, text, &len), "%s", number);
    cr_assert(slice_eq(slice_of(text, len), slice_str(canonical)), "%s: %.*s, not %s", number,
              (int)len, text, canonical);
    if (json_number_is_plain(slice))
        cr_assert_str_eq(number, canonical);
    free(copy);
}

Test(json_number, has_one_spelling)
{
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        expect_spelling(spellings[i].number, spellings[i].canonical);
        expect_spelling(spellings[i].canonical, spellings[i].canonical);
    }
}

Test(json_number, plain_ones_are_seen)
{
    const char *const plain[] = {"0", "7", "-1", "123456789012345678901"};
    const char *const others[] = {"-0", "1.0", "1e1", "1234567890123456789012", "0.5", "-0.5"};
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        cr_assert(json_number_is_plain(slice_str(plain[i])), "%s", plain[i]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        cr_assert_not(json_number_is_plain(slice_str(others[i])), "%s", others[i]);
}

/* Up to 15 digits the shortest text of a double is the number itself, so printf is an oracle. */
Test(json_number, is_the_double_s_own_text_up_to_15_digits)
{
    srand(7);
    for (int i = 0; i < 20000; i++) {
        char number[64], text[JSON_NUMBER_TEXT_BYTES];
        size_t len;
        long long digits = 1 + (long long)rand() * rand() % 999999999999999;
        snprintf(number, sizeof number, "%lld.%de%d", digits, 0, rand() % 80 - 40);
        cr_assert(json_number_write(slice_str(number), text, &len));
        text[len] = '\0';
        cr_assert_eq(strtod(number, NULL), strtod(text, NULL), "%s: %s", number, text);
    }
}

Test(json_number, exponents_end_at_nine_digits)
{
    char text[JSON_NUMBER_TEXT_BYTES];
    size_t len;
    cr_assert_not(json_number_write(SLICE("1e1000000000"), text, &len));
    cr_assert_not(json_number_write(SLICE("1e-1000000000"), text, &len));
    cr_assert_not(json_number_write(SLICE("0e99999999999999999999999"), text, &len));
}

Test(json_number, text_ends_at_its_cap)
{
    static char number[JSON_MAX_NUMBER_BYTES + 1];
    char text[JSON_NUMBER_TEXT_BYTES];
    size_t len;
    memset(number, '7', sizeof number);
    number[0] = '-';
    cr_assert(json_number_write(slice_of(number, JSON_MAX_NUMBER_BYTES), text, &len));
    cr_assert_eq(len, JSON_MAX_NUMBER_BYTES + 1 + strlen("e+1022"));
    cr_assert_not(json_number_write(slice_of(number, sizeof number), text, &len));
}

Test(json_number, the_longest_fraction_fits)
{
    static char number[JSON_MAX_NUMBER_BYTES];
    char text[JSON_NUMBER_TEXT_BYTES];
    size_t len;
    memset(number, '7', sizeof number);
    memcpy(number, "-0.000007", 9);
    memcpy(number + sizeof number - 11, "e-999999999", 11);
    cr_assert(json_number_write(slice_of(number, sizeof number), text, &len));
    cr_assert_leq(len, sizeof text);
}
