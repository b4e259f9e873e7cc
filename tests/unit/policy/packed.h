/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of policy/: gzip bodies, made by zlib itself. */
#ifndef POSTERN_TESTS_POLICY_PACKED_H
#define POSTERN_TESTS_POLICY_PACKED_H

#include <postern/base/slice.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

/* The caller frees `room`. */
struct packed {
    struct slice bytes;
    char *room;
};

static inline struct packed pack(struct slice text)
{
    z_stream stream = {.next_in = (const Bytef *)text.data, .avail_in = (uInt)text.len};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t most = deflateBound(&stream, (uLong)text.len);
    char *room = malloc(most);
    cr_assert_not_null(room);
    stream.next_out = (Bytef *)room;
    stream.avail_out = (uInt)most;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    cr_assert_eq(deflateEnd(&stream), Z_OK);
    return (struct packed){.bytes = slice_of(room, most - stream.avail_out), .room = room};
}

#endif
