/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fault of the reader comes to an outcome, and only want of memory to "busy".
 */
#include "fault_outcome.h"

#include <criterion/criterion.h>

Test(fault_outcome, every_fault_is_rejected)
{
    for (enum http_fault fault = HTTP_FAULT_SYNTAX; fault < HTTP_FAULTS; fault++) {
        enum outcome outcome = fault_outcome(fault);
        cr_assert_neq(outcome, OUTCOME_NONE, "%s", http_fault_text(fault));
        cr_assert(fault == HTTP_FAULT_NO_MEMORY || outcome != OUTCOME_REJECTED_BUSY, "%s",
                  http_fault_text(fault));
    }
}

Test(fault_outcome, some)
{
    cr_assert_eq(fault_outcome(HTTP_FAULT_HOST), OUTCOME_REJECTED_HOST);
    cr_assert_eq(fault_outcome(HTTP_FAULT_FRAMING), OUTCOME_REJECTED_FRAMING);
    cr_assert_eq(fault_outcome(HTTP_FAULT_NO_MEMORY), OUTCOME_REJECTED_BUSY);
}
