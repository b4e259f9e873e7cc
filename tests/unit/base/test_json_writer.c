/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/json_writer: commas, escapes, nulls, and failures that stick. */
#include <postern/base/json_writer.h>

#include <criterion/criterion.h>

static struct buf buf;
static struct json_writer writer;

static void set_up(void)
{
    buf_init(&buf, 1024);
    writer = (struct json_writer){.buf = &buf};
}

static void tear_down(void)
{
    buf_done(&buf);
}

static void expect(const char *text)
{
    struct slice got = buf_slice(&buf);
    cr_expect_eq(writer.status, STATUS_OK);
    cr_expect(slice_eq(got, slice_str(text)), "%.*s", (int)got.len, got.data);
}

TestSuite(json_writer, .init = set_up, .fini = tear_down);

Test(json_writer, commas)
{
    json_open(&writer, '{');
    json_name(&writer, "a");
    json_open(&writer, '[');
    json_text(&writer, SLICE("x"));
    json_text(&writer, SLICE("y"));
    json_open(&writer, '{');
    json_close(&writer, '}');
    json_open(&writer, '{');
    json_member_bool(&writer, "t", true);
    json_member_bool(&writer, "f", false);
    json_close(&writer, '}');
    json_close(&writer, ']');
    json_member_number(&writer, "n", UINT64_MAX);
    json_close(&writer, '}');
    expect("{\"a\":[\"x\",\"y\",{},{\"t\":true,\"f\":false}],\"n\":18446744073709551615}");
}

Test(json_writer, text_of_any_bytes)
{
    json_open(&writer, '{');
    json_member_text(&writer, "a", SLICE("\"\\\n\0\xff"));
    json_member_text(&writer, "b", SLICE(""));
    json_member_optional(&writer, "c", SLICE(""));
    json_member_optional(&writer, "d", SLICE("x"));
    json_close(&writer, '}');
    expect("{\"a\":\"\\\"\\\\\\n\\u0000\xef\xbf\xbd\",\"b\":\"\",\"c\":null,\"d\":\"x\"}");
}

Test(json_writer, names_are_escaped_too)
{
    json_open(&writer, '{');
    json_member_bool(&writer, "a\"\n", true);
    json_close(&writer, '}');
    expect("{\"a\\\"\\n\":true}");
}

Test(json_writer, times_ids_and_keys)
{
    static const struct event_key key = {{0xab}};
    struct uuid id = {{0x01}};
    json_open(&writer, '{');
    json_member_time(&writer, "t", 1795219200123);
    json_member_time(&writer, "u", 0);
    json_member_id(&writer, "i", &id);
    json_member_id(&writer, "j", NULL);
    json_member_key(&writer, "k", &key);
    json_member_key(&writer, "l", NULL);
    json_close(&writer, '}');
    expect("{\"t\":\"2026-11-21T00:00:00.123Z\",\"u\":null,"
           "\"i\":\"01000000-0000-0000-0000-000000000000\",\"j\":null,"
           "\"k\":\"ab000000000000000000000000000000\",\"l\":null}");
}

Test(json_writer, the_first_failure_sticks)
{
    buf_init(&buf, 8);
    json_open(&writer, '{');
    json_member_text(&writer, "name", SLICE("too long"));
    cr_expect_eq(writer.status, STATUS_FULL);
    json_close(&writer, '}');
    cr_expect_eq(writer.status, STATUS_FULL);
    cr_expect_leq(buf_len(&buf), 8);
}
