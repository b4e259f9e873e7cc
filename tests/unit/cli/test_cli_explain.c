/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of cli/cli_explain: the running gateway's answer as lines. What is printed without one
 * is test_cli_key.c's.
 */
#include "cli_explain.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;
static char *printed;
static size_t printed_bytes;
static struct slice key;

static void set_up(void)
{
    arena_init(&arena, 4096, 1u << 16);
}

static void tear_down(void)
{
    free(printed);
    arena_done(&arena);
}

TestSuite(cli_explain, .init = set_up, .fini = tear_down);

static bool print(const char *answer)
{
    free(printed);
    FILE *out = open_memstream(&printed, &printed_bytes);
    bool is_fine = print_verdict(out, slice_str(answer), &arena, &key);
    fclose(out);
    return is_fine;
}

Test(cli_explain, a_duplicate)
{
    cr_assert(print("{\"key\":\"ab\",\"store\":{\"verdict\":\"duplicate\",\"event_id\":\"i\","
                    "\"status\":200,\"accepted_at\":\"t\",\"age_ms\":12,\"differs\":false},"
                    "\"would\":\"answer\",\"outcome\":\"duplicate\",\"status\":208}"));
    cr_assert_str_eq(printed, "store   duplicate: i, answered 200, accepted t, 12 ms ago\n"
                              "would   answer 208 (duplicate)\n");
    cr_assert(slice_eq(key, SLICE("ab")));
}

Test(cli_explain, one_in_flight_with_another_body)
{
    cr_assert(print("{\"store\":{\"verdict\":\"in_flight\",\"event_id\":\"i\",\"status\":null,"
                    "\"accepted_at\":null,\"age_ms\":0,\"differs\":true},\"would\":\"wait\","
                    "\"outcome\":\"in_flight\",\"status\":409}"));
    cr_assert_str_eq(printed, "store   in_flight: i, 0 ms ago, with another body\n"
                              "would   wait, then answer 409 (in_flight)\n");
    cr_assert_eq(key.len, 0);
}

Test(cli_explain, a_first_one_and_none_asked)
{
    cr_assert(print("{\"store\":{\"verdict\":\"first\"},\"would\":\"forward\",\"outcome\":null,"
                    "\"status\":null}"));
    cr_assert_str_eq(printed, "store   first\nwould   forward\n");
    cr_assert(print("{\"store\":null,\"would\":null}"));
    cr_assert_str_eq(printed, "");
}

Test(cli_explain, what_a_terminal_must_not_get)
{
    cr_assert(print("{\"store\":{\"verdict\":\"\\u001b[2J\"}}"));
    cr_assert_str_eq(printed, "store   \\x1b[2J\n");
}

Test(cli_explain, what_is_no_answer)
{
    cr_assert(!print("nonsense"));
    cr_assert_str_eq(printed, "");
}
