/* SPDX-License-Identifier: Apache-2.0 */
/* Ops of the limiter for tests that say what time it is. */
#ifndef POSTERN_TESTS_LIMIT_CLOCK_H
#define POSTERN_TESTS_LIMIT_CLOCK_H

#include <postern/store/limiter.h>
#include <string.h>

/* Ids are digests: those of numbers in a row must not lie in a row. 0 stays 0 (the finalizer of
 * MurmurHash3). */
static inline uint64_t digest_of(uint64_t number)
{
    number = (number ^ number >> 33) * UINT64_C(0xff51afd7ed558ccd);
    number = (number ^ number >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return number ^ number >> 33;
}

/* An op for client `number`. */
static inline struct limit_op limit_op_of(uint64_t number, uint64_t interval_us, uint32_t burst,
                                          enum limit_verb verb)
{
    struct limit_op op = {
        .opts = {.interval_us = interval_us, .burst = burst},
        .verb = verb,
        .back_us = verb == LIMIT_GIVE_BACK ? interval_us : 0,
        /* outputs that no answer gives */
        .wait_us = UINT64_MAX,
        .remaining = UINT32_MAX,
        .recovered_us = UINT64_MAX,
    };
    uint64_t low = digest_of(number), high = digest_of(low);
    memcpy(op.id, &low, sizeof low);
    memcpy(op.id + sizeof low, &high, sizeof high);
    return op;
}

#endif
