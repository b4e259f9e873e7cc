/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDv7 with a 12-bit counter in rand_a (RFC 9562 6.2, method 1): the counter begins at a random
 * value below half its range in each millisecond, counts up within it, and borrows the next
 * millisecond when it is used up. rand_b is random in every id, so that ids of different sources
 * differ and nobody can guess the owner token of a claim.
 */
#include <postern/base/uuid.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define COUNTER_MAX 0xfffu
#define COUNTER_SEED_MASK 0x7ffu /* leaves at least 2048 ids a millisecond before borrowing */
#define TIME_MASK 0xffffffffffffu

void uuid_source_init(struct uuid_source *source)
{
    memset(source, 0, sizeof(*source));
}

/* Fills `bytes` from the kernel. getrandom may be interrupted or give less than asked. */
static void fill_random(uint8_t *bytes, size_t size)
{
    size_t filled = 0;
    while (filled < size) {
        ssize_t n = getrandom(bytes + filled, size - filled, 0);
        if (n > 0)
            filled += (size_t)n;
        else if (n == 0 || errno != EINTR)
            abort(); /* no entropy, no safe id: two events could share one. Linux has it since 3.17.
                      */
    }
}

static void take_random(struct uuid_source *source, uint8_t *bytes, size_t size)
{
    if (source->pool_left < size) {
        fill_random(source->pool, sizeof(source->pool));
        source->pool_left = sizeof(source->pool);
    }
    memcpy(bytes, source->pool + sizeof(source->pool) - source->pool_left, size);
    source->pool_left -= size;
}

/* Moves time and counter of the source on, so that the pair is greater than the one before. */
static void step(struct uuid_source *source, uint64_t wall_ms, unsigned seed)
{
    if (wall_ms > source->last_ms) {
        source->last_ms = wall_ms;
        source->counter = (uint16_t)(seed & COUNTER_SEED_MASK);
    } else if (source->counter < COUNTER_MAX) {
        source->counter++;
    } else {
        source->last_ms++;
        source->counter = (uint16_t)(seed & COUNTER_SEED_MASK);
    }
}

struct uuid uuid_v7(struct uuid_source *source, uint64_t wall_ms)
{
    uint8_t random[10];
    take_random(source, random, sizeof(random));
    step(source, wall_ms & TIME_MASK, (unsigned)random[0] << 8 | random[1]);
    struct uuid id;
    for (unsigned i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(source->last_ms >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70u | source->counter >> 8);
    id.bytes[7] = (uint8_t)source->counter;
    memcpy(id.bytes + 8, random + 2, 8);
    id.bytes[8] = (uint8_t)(0x80u | (id.bytes[8] & 0x3fu));
    return id;
}

uint64_t uuid_source_random(struct uuid_source *source)
{
    uint64_t bits;
    take_random(source, (uint8_t *)&bits, sizeof(bits));
    return bits;
}

uint64_t uuid_time_ms(const struct uuid *id)
{
    uint64_t ms = 0;
    for (unsigned i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

void hex_format(struct slice bytes, char *ret_text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        ret_text[2 * i] = hex[byte >> 4];
        ret_text[2 * i + 1] = hex[byte & 0xf];
    }
}

/* The five groups of the canonical text, in bytes of the id. */
static const uint8_t group_bytes[] = {4, 2, 2, 2, 6};
#define GROUPS (sizeof(group_bytes) / sizeof(group_bytes[0]))

void uuid_format(const struct uuid *id, char *ret_text)
{
    const uint8_t *from = id->bytes;
    char *to = ret_text;
    for (size_t group = 0; group < GROUPS; group++) {
        if (group > 0)
            *to++ = '-';
        hex_format(slice_of(from, group_bytes[group]), to);
        from += group_bytes[group];
        to += 2 * group_bytes[group];
    }
}

/* The value of a hex digit, or -1. */
static int hex_value(char c)
{
    c = ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_byte(const char *text, uint8_t *ret_byte)
{
    int high = hex_value(text[0]);
    int low = hex_value(text[1]);
    if (high < 0 || low < 0)
        return false;
    *ret_byte = (uint8_t)(high << 4 | low);
    return true;
}

bool uuid_parse(struct slice text, struct uuid *ret_id)
{
    if (text.len != UUID_TEXT_LEN)
        return false;
    struct uuid id;
    const char *from = text.data;
    uint8_t *to = id.bytes;
    for (size_t group = 0; group < GROUPS; group++) {
        if (group > 0 && *from++ != '-')
            return false;
        for (unsigned i = 0; i < group_bytes[group]; i++, from += 2)
            if (!parse_byte(from, to++))
                return false;
    }
    *ret_id = id;
    return true;
}

bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
