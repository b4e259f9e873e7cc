/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of keys and values in Redis: what is written reads back, and nothing else does.
 */
#include "redis_value.h"

#include <criterion/criterion.h>

#define ID "00112233445566778899aabbccddeeff"

static const struct uuid id = {.bytes = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
                                         0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};

Test(redis_value, pending_reads_back)
{
    char text[VALUE_PENDING_LEN];
    redis_value_pending(&id, text);
    cr_assert(slice_eq(slice_of(text, sizeof text), SLICE("p:" ID)));
    struct redis_value value = redis_value_parse(slice_of(text, sizeof text));
    cr_assert_eq(value.kind, VALUE_PENDING);
    cr_assert(uuid_eq(&value.first.event_id, &id));
}

static void check_done(uint16_t status, uint64_t accepted_at_ms, uint64_t window_ms)
{
    char text[VALUE_DONE_MAX];
    struct dedup_first first = {.event_id = id, .status = status, .accepted_at_ms = accepted_at_ms};
    size_t len = redis_value_done(&first, window_ms, text);
    cr_assert_leq(len, sizeof text);
    struct redis_value value = redis_value_parse(slice_of(text, len));
    cr_assert_eq(value.kind, VALUE_DONE);
    cr_assert(uuid_eq(&value.first.event_id, &id));
    cr_assert_eq(value.first.status, status);
    cr_assert_eq(value.first.accepted_at_ms, accepted_at_ms);
    cr_assert_eq(value.window_ms, window_ms);
}

Test(redis_value, done_reads_back_at_the_limits)
{
    check_done(0, 0, 0);
    check_done(200, 1790000000000u, 86400000);
    check_done(999, UINT64_MAX, UINT64_MAX);
}

Test(redis_value, anything_else_is_unknown)
{
    static const char *const texts[] = {
        "",
        "p",
        "p:",
        "d",
        "d:",
        "x:" ID,
        "P:" ID,
        "p:" ID "0",
        "p:0" ID,
        "p:" ID ":",
        "p:" ID ";",
        "p:;" ID,
        ";p:" ID,
        ";",
        "p:0011223344556677_899aabbccddeeff",
        "p:0011223344556677889 aabbccddeeff",
        "d:" ID,
        "d:" ID ":",
        "d:" ID ":200",
        "d:" ID ":200:1",
        "d:" ID ":200:1:",
        "d:" ID ":200:1:1:",
        "d:" ID ":200:1:1;",
        "d:" ID ":200:1;1",
        "d:" ID ";200:1:1",
        "d:" ID ":200:1:;1",
        "d:" ID ":200:1:1 ",
        "d:" ID ":200:1:1:1",
        "d:" ID "::1:1",
        "d:" ID ":0200:1:1",
        "d:" ID ":200:01:1",
        "d:" ID ":200:1:00",
        "d:" ID ":-1:1:1",
        "d:" ID ":1000:1:1",
        "d:" ID ":200:18446744073709551616:1",
        "d:" ID ":200:1:99999999999999999999",
        "d:" ID ":2x0:1:1",
        "d:00112233:200:1:1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_eq(redis_value_parse(slice_str(texts[i])).kind, VALUE_UNKNOWN, "%s", texts[i]);
}

static void check_note(struct slice text, enum value_kind kind, struct slice note)
{
    struct redis_value value = redis_value_parse(text);
    cr_expect_eq(value.kind, kind, "%.*s", (int)text.len, text.data);
    cr_expect(slice_eq(value.note, note), "%.*s", (int)text.len, text.data);
}

Test(redis_value, all_behind_the_mark_is_the_note)
{
    check_note(SLICE("p:" ID), VALUE_PENDING, SLICE(""));
    check_note(SLICE("p:" ID ";x"), VALUE_PENDING, SLICE("x"));
    check_note(SLICE("p:" ID ";;"), VALUE_PENDING, SLICE(";"));
    check_note(SLICE("p:" ID ";\0;\r\n"), VALUE_PENDING, SLICE("\0;\r\n"));
    check_note(SLICE("d:" ID ":200:1:1"), VALUE_DONE, SLICE(""));
    check_note(SLICE("d:" ID ":200:1:1;\0"), VALUE_DONE, SLICE("\0"));
    check_note(SLICE("d:" ID ":200:1:1;p:" ID ";x"), VALUE_DONE, SLICE("p:" ID ";x"));
}

Test(redis_value, what_is_unknown_tells_nothing)
{
    struct redis_value value = redis_value_parse(SLICE("d:" ID ":200:1:x;note"));
    cr_assert_eq(value.kind, VALUE_UNKNOWN);
    cr_assert_eq(value.note.len, 0);
    cr_assert_eq(value.first.status, 0);
    cr_assert_eq(value.first.event_id.bytes[1], 0);
}

Test(redis_value, key)
{
    char text[64];
    struct event_key key = {.digest = {0xfe, 0xdc, 0xba}};
    const char *end = redis_value_key(text, SLICE("postern"), SLICE("github"), &key);
    struct slice expected = SLICE("postern:{github}:fedcba00000000000000000000000000");
    cr_assert(slice_eq(slice_of(text, (size_t)(end - text)), expected));
    cr_assert_eq(expected.len, 7 + 6 + VALUE_KEY_EXTRA);
}
