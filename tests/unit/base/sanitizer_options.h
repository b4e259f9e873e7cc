/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests that ask for more memory than there is: a sanitizer's allocator shall then return NULL
 * like the system's, not end the program. Included once per program, which is one test file.
 */
#ifndef POSTERN_TESTS_SANITIZER_OPTIONS_H
#define POSTERN_TESTS_SANITIZER_OPTIONS_H

/* Called by AddressSanitizer at start. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Called by ThreadSanitizer at start. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#endif
