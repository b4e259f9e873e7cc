/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MALLOC_REFUSES: 1 when malloc answers a request for more than there can be with NULL. The
 * allocators of the sanitizers end the program instead, or report each such request; tests of
 * running out of memory are disabled there and run in every other build.
 */
#ifndef POSTERN_TESTS_MALLOC_REFUSES_H
#define POSTERN_TESTS_MALLOC_REFUSES_H

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_REFUSES 0
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_REFUSES 0
#endif

#ifndef MALLOC_REFUSES
#define MALLOC_REFUSES 1
#endif

#endif
