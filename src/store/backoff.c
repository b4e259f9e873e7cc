/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait before a store is tried again. The random number comes from the kernel: this runs a few
 * times a second at most, and only while a store is away.
 */
#include "backoff.h"

#include <sys/random.h>

static uint32_t random_below(uint32_t limit)
{
    uint32_t number = 0;
    /* Without random bytes (early boot) the wait is the whole span: correct, only not spread. */
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        return limit - 1;
    return number % limit;
}

uint32_t backoff_next_ms(struct backoff *backoff)
{
    uint32_t span = backoff->span_ms ? 2 * backoff->span_ms : BACKOFF_FIRST_MS;
    backoff->span_ms = span < BACKOFF_LAST_MS ? span : BACKOFF_LAST_MS;
    return 1 + random_below(backoff->span_ms);
}
