/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of policy/: texts in static tables (NUL included), and copies with nothing behind
 * them, so that AddressSanitizer sees a byte read beyond the end. */
#ifndef POSTERN_TESTS_POLICY_SAMPLES_H
#define POSTERN_TESTS_POLICY_SAMPLES_H

#include <postern/base/slice.h>

#include <criterion/criterion.h>
#include <stdlib.h>

/* The initialiser of a slice in a static table, where SLICE is no constant. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = ("" literal ""), .len = sizeof(literal) - 1                                        \
    }

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A copy of exactly text.len bytes; the caller frees it. */
static inline char *exact_copy(struct slice text)
{
    char *copy = malloc(text.len > 0 ? text.len : 1);
    cr_assert_not_null(copy);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    return copy;
}

#endif
