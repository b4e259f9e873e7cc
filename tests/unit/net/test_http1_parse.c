/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_parse: the fields a head comes out with. */
#include "http1_internal.h"
#include "http1_replay.h"

#include <stdio.h>

/* The reader after the head in `text`, fed a byte at a time from one place that is overwritten. */
static void read_head(struct replay *run, struct slice text)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    replay_init(run, &opts);
    enum http1_event event = HTTP1_NEED_MORE;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        struct slice input = slice_of(&byte, 1);
        struct slice piece;
        cr_assert_eq(event, HTTP1_NEED_MORE);
        event = http1_next(&run->reader, &input, &piece);
    }
    cr_assert_eq(event, HTTP1_HEAD);
}

static void expect_field(const struct http_field *field, struct slice name, struct slice value,
                         enum http_field_id id)
{
    cr_expect(slice_eq(field->name, name), "%.*s", (int)field->name.len, field->name.data);
    cr_expect(slice_eq(field->value, value), "%.*s", (int)field->value.len, field->value.data);
    cr_expect_eq(field->id, id);
}

Test(http1_parse, fields)
{
    struct replay run;
    read_head(&run, SLICE("POST /a HTTP/1.1\r\nhOST: a\r\nX-Empty:\r\nX-Blank: \t \r\n"
                          "X-Inner:a b\tc, \"d\"\r\nConnection: \t keep-alive,x-empty \t\r\n"
                          "Content-Length: 3 \r\nX-8: \xff\xfe \r\nPostern-Attempt:1\r\n\r\n"));
    const struct http_head *head = &run.reader.head;
    cr_assert_eq(head->field_count, 8);
    expect_field(&head->fields[0], SLICE("hOST"), SLICE("a"), FIELD_HOST);
    expect_field(&head->fields[1], SLICE("X-Empty"), SLICE(""), FIELD_OTHER);
    expect_field(&head->fields[2], SLICE("X-Blank"), SLICE(""), FIELD_OTHER);
    expect_field(&head->fields[3], SLICE("X-Inner"), SLICE("a b\tc, \"d\""), FIELD_OTHER);
    expect_field(&head->fields[4], SLICE("Connection"), SLICE("keep-alive,x-empty"),
                 FIELD_CONNECTION);
    expect_field(&head->fields[5], SLICE("Content-Length"), SLICE("3"), FIELD_CONTENT_LENGTH);
    expect_field(&head->fields[6], SLICE("X-8"), SLICE("\xff\xfe"), FIELD_OTHER);
    expect_field(&head->fields[7], SLICE("Postern-Attempt"), SLICE("1"), FIELD_POSTERN);
    cr_expect(head->fields[1].hop_by_hop && !head->fields[2].hop_by_hop);
    cr_expect_eq(head->content_length, 3);
    cr_expect_eq(head->minor, 1);
    cr_expect_eq(head->status, 0);
    replay_done(&run);
}

/* Whatever way llhttp hands them over: the fields whose values it reads itself, in every spelling
 * that passes, each come as one name and one value. */
Test(http1_parse, fields_that_llhttp_reads_itself)
{
    const struct slice values[] = {
        SLICE("Connection: close"),
        SLICE("Connection: keep-alive, Upgrade ,foo"),
        SLICE("Connection:,,close,"),
        SLICE("Connection: c\r\nConnection: close-not, keep-alive-x"),
        SLICE("Connection: upgrade\r\nUpgrade: h2c, websocket/13"),
        SLICE("Proxy-Connection: keep-alive"),
        SLICE("Content-Length: 0"),
        SLICE("Content-Length:000"),
        SLICE("Transfer-Encoding: chunked"),
        SLICE("Content-Lengthy: x\r\nTransfer-Encodings: y\r\nConnections: close\r\nUpgrades: z"),
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[300];
        int len = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%.*s\r\n\r\n",
                           (int)values[i].len, values[i].data);
        struct replay run;
        read_head(&run, slice_of(text, (size_t)len));
        size_t colons = 0;
        for (size_t at = 0; at < values[i].len; at++)
            colons += values[i].data[at] == ':';
        cr_expect_eq(run.reader.head.field_count, colons + 1, "row %zu", i);
        replay_done(&run);
    }
}

Test(http1_parse, no_fields_at_all)
{
    struct replay run;
    read_head(&run, SLICE("GET / HTTP/1.0\r\n\r\n"));
    cr_expect_eq(run.reader.head.field_count, 0);
    cr_expect_eq(run.reader.head.host.len, 0);
    replay_done(&run);
}

/* A field line that the scan counted and llhttp doesn't tell must be a fault; the scan lets none
 * through that llhttp would skip, so the count is forged. */
Test(http1_parse, two_readers_have_to_agree)
{
    static char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t lines = 0; lines <= 2; lines++) {
        struct replay run;
        struct replay_opts opts = REPLAY_REQUESTS;
        replay_init(&run, &opts);
        run.reader.gathered = text;
        run.reader.gathered_bytes = sizeof text - 1;
        run.reader.field_lines = lines;
        cr_expect_eq(http1_parse_head(&run.reader),
                     lines == 1 ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX);
        replay_done(&run);
    }
}
