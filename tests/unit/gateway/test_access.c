/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many access lines of a kind a second may have.
 */
#include "access.h"

#include <criterion/criterion.h>

#define START_MS UINT64_C(50000)

static struct line_window window;

/* Asks `times` at now_ms; returns how many may be written, and what was told of the second before.
 */
static unsigned allowed(unsigned times, uint64_t now_ms, uint32_t *ret_told)
{
    unsigned lines = 0;
    *ret_told = 0;
    for (unsigned i = 0; i < times; i++) {
        uint32_t suppressed;
        lines += access_allows(&window, now_ms, &suppressed);
        *ret_told += suppressed;
    }
    return lines;
}

Test(access, below_at_and_above_the_limit)
{
    uint32_t told;
    cr_assert_eq(allowed(ACCESS_LINES_PER_SECOND - 1, START_MS, &told),
                 ACCESS_LINES_PER_SECOND - 1);
    cr_assert_eq(allowed(1, START_MS + 999, &told), 1, "at it");
    cr_assert_eq(allowed(3, START_MS + 999, &told), 0);
    cr_assert_eq(window.suppressed, 3);
    cr_assert_eq(told, 0, "not before the second is over");
}

Test(access, the_next_second_tells_what_this_one_left_out)
{
    uint32_t told;
    allowed(ACCESS_LINES_PER_SECOND + 5, START_MS, &told);
    cr_assert_eq(allowed(ACCESS_LINES_PER_SECOND + 1, START_MS + 1000, &told),
                 ACCESS_LINES_PER_SECOND);
    cr_assert_eq(told, 5);
    cr_assert_eq(allowed(1, START_MS + 5000, &told), 1);
    cr_assert_eq(told, 1);
    allowed(1, START_MS + 9000, &told);
    cr_assert_eq(told, 0, "nothing was left out");
}
