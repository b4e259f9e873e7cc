/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/status: every status has a word of its own. */
#include <postern/base/status.h>

#include <criterion/criterion.h>
#include <string.h>

Test(status, every_word_differs)
{
    for (int a = STATUS_OK; a <= STATUS_CLOSING; a++) {
        cr_assert_gt(strlen(status_text((enum status)a)), 0);
        for (int b = STATUS_OK; b < a; b++)
            cr_assert_str_neq(status_text((enum status)a), status_text((enum status)b));
    }
}

Test(status, a_number_out_of_range_has_a_word_too)
{
    cr_assert_str_eq(status_text((enum status)(STATUS_CLOSING + 1)), "unknown status");
}
