/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/values: every unit, every fault, the edge of 64 bits, writing back. */
#include "values.h"

#include <criterion/criterion.h>

static uint64_t duration(const char *text)
{
    uint64_t ms = 77;
    cr_assert_eq(value_duration(slice_str(text), &ms), VALUE_OK, "%s", text);
    return ms;
}

static uint64_t size(const char *text)
{
    uint64_t bytes = 77;
    cr_assert_eq(value_size(slice_str(text), &bytes), VALUE_OK, "%s", text);
    return bytes;
}

static void refuse_duration(const char *text, enum value_fault fault)
{
    uint64_t ms = 77;
    cr_assert_eq(value_duration(slice_str(text), &ms), fault, "%s", text);
    cr_assert_eq(ms, 77);
}

Test(values, durations)
{
    cr_assert_eq(duration("250ms"), 250);
    cr_assert_eq(duration("30s"), 30000);
    cr_assert_eq(duration("5m"), 300000);
    cr_assert_eq(duration("24h"), 86400000);
    cr_assert_eq(duration("30d"), UINT64_C(2592000000));
    cr_assert_eq(duration("0s"), 0);
}

Test(values, sizes)
{
    cr_assert_eq(size("1B"), 1);
    cr_assert_eq(size("1kB"), 1000);
    cr_assert_eq(size("1KiB"), 1024);
    cr_assert_eq(size("1MB"), 1000000);
    cr_assert_eq(size("1MiB"), 1048576);
    cr_assert_eq(size("1GB"), 1000000000);
    cr_assert_eq(size("4GiB"), UINT64_C(4294967296));
}

Test(values, a_number_needs_its_unit)
{
    refuse_duration("30", VALUE_NO_UNIT);
    refuse_duration("0", VALUE_NO_UNIT);
}

Test(values, units_are_exact)
{
    const char *const wrong[] = {"30S", "30 s", "30sec", "1.5s", "30s ", "5min", "1h30m", "1KiB"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse_duration(wrong[i], VALUE_BAD_UNIT);
    uint64_t bytes;
    cr_assert_eq(value_size(SLICE("1KB"), &bytes), VALUE_BAD_UNIT);
    cr_assert_eq(value_size(SLICE("1s"), &bytes), VALUE_BAD_UNIT);
}

Test(values, only_plain_decimal_digits_are_numbers)
{
    const char *const wrong[] = {"", "s", "-1s", "+1s", ".5s", "010s", "0x10s", "\xd9\xa3s", " 1s"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t ms = 77;
        enum value_fault fault = value_duration(slice_str(wrong[i]), &ms);
        cr_assert(fault == VALUE_NOT_A_NUMBER || fault == VALUE_BAD_UNIT, "%s", wrong[i]);
        cr_assert_eq(ms, 77);
    }
}

Test(values, the_edge_of_64_bits)
{
    cr_assert_eq(duration("18446744073709551615ms"), UINT64_MAX);
    refuse_duration("18446744073709551616ms", VALUE_TOO_LARGE);
    refuse_duration("18446744073709551615s", VALUE_TOO_LARGE);
    refuse_duration("99999999999999999999999999d", VALUE_TOO_LARGE);
}

Test(values, counts)
{
    uint64_t count = 77;
    cr_assert_eq(value_count(SLICE("20000"), &count), VALUE_OK);
    cr_assert_eq(count, 20000);
    cr_assert_eq(value_count(SLICE("0"), &count), VALUE_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(value_count(SLICE("20k"), &count), VALUE_NOT_A_NUMBER);
    cr_assert_eq(value_count(SLICE("1_000"), &count), VALUE_NOT_A_NUMBER);
    cr_assert_eq(value_count(SLICE("1e3"), &count), VALUE_NOT_A_NUMBER);
    cr_assert_eq(value_count(SLICE("007"), &count), VALUE_NOT_A_NUMBER);
    cr_assert_eq(value_count(slice_of(NULL, 0), &count), VALUE_NOT_A_NUMBER);
}

Test(values, rates)
{
    uint64_t count = 77, period_us = 77;
    cr_assert_eq(value_rate(SLICE("100/s"), &count, &period_us), VALUE_OK);
    cr_assert(count == 100 && period_us == 1000000);
    cr_assert_eq(value_rate(SLICE("30/m"), &count, &period_us), VALUE_OK);
    cr_assert(count == 30 && period_us == 60000000);
    cr_assert_eq(value_rate(SLICE("18446744073709551615/h"), &count, &period_us), VALUE_OK);
    cr_assert(count == UINT64_MAX && period_us == UINT64_C(3600000000));
    count = period_us = 77;
    cr_assert_eq(value_rate(SLICE("18446744073709551616/h"), &count, &period_us), VALUE_TOO_LARGE);
    cr_assert_eq(value_rate(SLICE("100"), &count, &period_us), VALUE_NO_UNIT);
    const char *const wrong[] = {"100s", "100/S", "100/min", "100 /s", "100/s ", "1.5/s", "100/"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(value_rate(slice_str(wrong[i]), &count, &period_us), VALUE_BAD_UNIT, "%s",
                     wrong[i]);
    cr_assert_eq(value_rate(SLICE("/s"), &count, &period_us), VALUE_NOT_A_NUMBER);
    cr_assert(count == 77 && period_us == 77);
}

Test(values, are_written_with_the_largest_whole_unit)
{
    char text[VALUE_TEXT_SIZE];
    const struct {
        uint64_t number;
        const char *duration, *size;
    } cases[] = {
        {0, "0s", "0B"},
        {1, "1ms", "1B"},
        {1000, "1s", "1000B"},
        {1024, "1024ms", "1KiB"},
        {90000, "90s", "90000B"},
        {60000, "1m", "60000B"},
        {86400000, "24h", "84375KiB"},
        {172800000, "2d", "168750KiB"},
        {UINT64_C(1) << 30, "1073741824ms", "1GiB"},
        {UINT64_MAX, "18446744073709551615ms", "18446744073709551615B"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        value_format_duration(cases[i].number, text);
        cr_assert_str_eq(text, cases[i].duration);
        value_format_size(cases[i].number, text);
        cr_assert_str_eq(text, cases[i].size);
    }
}
