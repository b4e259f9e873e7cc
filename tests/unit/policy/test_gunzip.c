/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/gunzip: whole bodies, ceilings, bombs, what is cut, broken or more than one.
 */
#include "gunzip.h"
#include "packed.h"
#include "samples.h"

#include <criterion/criterion.h>

/* Unpacks a copy with nothing behind it; the content is compared when it is good. */
static enum status unpack(struct slice packed, size_t ceiling, struct slice wanted)
{
    struct buf buf;
    buf_init(&buf, ceiling);
    char *copy = exact_copy(packed);
    enum status status = gunzip(slice_of(copy, packed.len), &buf);
    if (status == STATUS_OK)
        cr_assert(slice_eq(buf_slice(&buf), wanted));
    free(copy);
    buf_done(&buf);
    return status;
}

Test(gunzip, whole_bodies)
{
    static char zeros[1000000];
    const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 32768, 100000, sizeof zeros};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct packed packed = pack(slice_of(zeros, sizes[i]));
        cr_assert_eq(unpack(packed.bytes, sizeof zeros, slice_of(zeros, sizes[i])), STATUS_OK);
        free(packed.room);
    }
}

Test(gunzip, the_ceiling_is_exact)
{
    static char zeros[50000];
    const size_t sizes[] = {1, 16384, sizeof zeros};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct slice text = slice_of(zeros, sizes[i]);
        struct packed packed = pack(text);
        cr_assert_eq(unpack(packed.bytes, sizes[i], text), STATUS_OK, "%zu", sizes[i]);
        cr_assert_eq(unpack(packed.bytes, sizes[i] - 1, text), STATUS_FULL, "%zu", sizes[i]);
        free(packed.room);
    }
}

/* 64 MiB in 64 KiB: what is held stays under the ceiling. */
Test(gunzip, a_bomb_ends_at_the_ceiling)
{
    size_t size = (size_t)64 << 20;
    char *zeros = calloc(1, size);
    cr_assert_not_null(zeros);
    struct packed packed = pack(slice_of(zeros, size));
    free(zeros);
    cr_assert_lt(packed.bytes.len, 70000);
    struct buf buf;
    buf_init(&buf, 1u << 20);
    cr_assert_eq(gunzip(packed.bytes, &buf), STATUS_FULL);
    cr_assert_leq(buf.capacity, 1u << 20);
    buf_done(&buf);
    free(packed.room);
}

Test(gunzip, every_cut_is_refused)
{
    struct packed packed = pack(SLICE("{\"id\":1}"));
    for (size_t len = 0; len < packed.bytes.len; len++)
        cr_assert_eq(unpack(slice_of(packed.bytes.data, len), 1000, SLICE("")), STATUS_INVALID);
    free(packed.room);
}

Test(gunzip, what_is_broken_is_refused)
{
    struct packed packed = pack(SLICE("{\"id\":1}"));
    const size_t checked[] = {0, 1, 2, 10, packed.bytes.len - 8, packed.bytes.len - 1};
    for (size_t i = 0; i < COUNT_OF(checked); i++) {
        packed.room[checked[i]] ^= 0x55;
        cr_assert_eq(unpack(packed.bytes, 1000, SLICE("")), STATUS_INVALID, "%zu", checked[i]);
        packed.room[checked[i]] ^= 0x55;
    }
    free(packed.room);
    cr_assert_eq(unpack(SLICE("{\"id\":1}"), 1000, SLICE("")), STATUS_INVALID);
    cr_assert_eq(unpack(SLICE("\x78\x9c\x03\x00\x00\x00\x00\x01"), 1000, SLICE("")),
                 STATUS_INVALID); /* zlib's frame */
}

/* A second member is read by some programs and not by others. */
Test(gunzip, nothing_may_follow)
{
    struct packed packed = pack(SLICE("{\"id\":1}"));
    size_t len = packed.bytes.len;
    char *twice = malloc(2 * len);
    cr_assert_not_null(twice);
    memcpy(twice, packed.bytes.data, len);
    memcpy(twice + len, packed.bytes.data, len);
    cr_assert_eq(unpack(slice_of(twice, 2 * len), 1000, SLICE("")), STATUS_INVALID);
    cr_assert_eq(unpack(slice_of(twice, len + 1), 1000, SLICE("")), STATUS_INVALID);
    free(twice);
    free(packed.room);
}
