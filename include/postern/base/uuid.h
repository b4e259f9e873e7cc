/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDv7 (RFC 9562 5.7): the id of an event, and the owner token of its claim. The first 48 bits
 * are wall-clock milliseconds, so that ids sort by arrival and a journal row's day can be read off
 * its id.
 */
#ifndef POSTERN_BASE_UUID_H
#define POSTERN_BASE_UUID_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36 /* "018f…-….", without a NUL */

struct uuid {
    uint8_t bytes[16];
};

/* Makes ids; one per thread. Random bits come from getrandom in batches. */
struct uuid_source {
    uint64_t last_ms;
    uint16_t
        counter; /* rand_a, counts up within one millisecond so that ids of one source increase */
    uint8_t pool[512];
    size_t pool_left; /* unused bytes at the end of pool */
};

/* Prepares a source. */
void uuid_source_init(struct uuid_source *source);

/* The next id, greater than the one before from this source, even if the wall clock steps back. */
struct uuid uuid_v7(struct uuid_source *source, uint64_t wall_ms);

/* 64 uniform bits of the same source, for jitter and the like. */
uint64_t uuid_source_random(struct uuid_source *source);

/* The wall-clock milliseconds inside a v7 id. */
uint64_t uuid_time_ms(const struct uuid *id);

/* Writes the canonical lower-case text, UUID_TEXT_LEN bytes, no NUL. */
void uuid_format(const struct uuid *id, char *ret_text);

/* Reads canonical text (either case). False, and *ret_id untouched, for anything else. */
bool uuid_parse(struct slice text, struct uuid *ret_id);

/* True when equal. */
bool uuid_eq(const struct uuid *a, const struct uuid *b);

/* Writes 2 * bytes.len lower-case hex digits, no NUL. */
void hex_format(struct slice bytes, char *ret_text);

#endif
