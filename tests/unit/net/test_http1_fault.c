/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_fault: every fault has a status and a text. */
#include <postern/net/http1.h>

#include <criterion/criterion.h>

Test(http1_fault, every_row)
{
    for (int fault = HTTP_FAULT_SYNTAX; fault < HTTP_FAULTS; fault++) {
        uint16_t status = http_fault_status((enum http_fault)fault);
        cr_expect(status >= 400 && status <= 505, "fault %d", fault);
        cr_expect(!slice_eq(http_reason(status), SLICE("Unknown")), "%u has a reason", status);
        cr_assert_not_null(http_fault_text((enum http_fault)fault));
        cr_expect_gt(strlen(http_fault_text((enum http_fault)fault)), 10);
    }
}

Test(http1_fault, statuses_of_the_standard)
{
    cr_expect_eq(http_fault_status(HTTP_FAULT_SYNTAX), 400);
    cr_expect_eq(http_fault_status(HTTP_FAULT_HEAD_TOO_LARGE), 431);
    cr_expect_eq(http_fault_status(HTTP_FAULT_TARGET_TOO_LONG), 414);
    cr_expect_eq(http_fault_status(HTTP_FAULT_VERSION), 505);
    cr_expect_eq(http_fault_status(HTTP_FAULT_METHOD), 501);
    cr_expect_eq(http_fault_status(HTTP_FAULT_EXPECTATION), 417);
    cr_expect_eq(http_fault_status(HTTP_FAULT_NO_MEMORY), 503);
}
