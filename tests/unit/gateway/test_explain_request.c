/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of gateway/explain_request: what is read as a request, and what is not. */
#include "explaining.h"

#define LIMIT 8u

static struct http_limits limits;
static uint16_t refused;

static void set_up(void)
{
    limits = HTTP_LIMITS_DEFAULT;
    arena_init(&arena, 4096, 1u << 18);
}

static void tear_down(void)
{
    explain_request_done(&request);
    arena_done(&arena);
}

TestSuite(explain_request, .init = set_up, .fini = tear_down);

static const char *read_text(const char *text)
{
    explain_request_done(&request);
    return explain_read(&request, slice_str(text), &limits, LIMIT, &arena, &refused);
}

static void expect_body(const char *text)
{
    cr_assert(slice_eq(buf_slice(&request.body), slice_str(text)), "%.*s",
              (int)buf_len(&request.body), buf_slice(&request.body).data);
}

Test(explain_request, as_a_sender_sends_it)
{
    cr_assert_null(read_text("PUT /a/b?c=d HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2\r\n"
                             "Content-Length: 3\r\n\r\nxyz"));
    cr_assert(slice_eq(request.head.method, SLICE("PUT")));
    cr_assert(slice_eq(request.head.host, SLICE("h")));
    cr_assert(slice_eq(request.head.target, SLICE("/a/b?c=d")));
    cr_assert_eq(request.head.field_count, 4);
    cr_assert(!request.guessed_body && request.unread_bytes == 0);
    expect_body("xyz");
}

Test(explain_request, as_people_type_it)
{
    cr_assert_null(read_text("POST / HTTP/1.1\r\nHost: h\nA: 1\r\n\n"));
    cr_assert_eq(request.head.field_count, 2);
    cr_assert_null(read_text("POST / HTTP/1.1\nHost: h\n\nab\ncd"));
    cr_assert(request.guessed_body);
    expect_body("ab\ncd");
}

Test(explain_request, chunks)
{
    cr_assert_null(read_text("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n"
                             "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\nmore"));
    expect_body("abcd");
    cr_assert_eq(request.unread_bytes, 4);
}

Test(explain_request, what_follows_is_not_part_of_it)
{
    cr_assert_null(read_text("POST / HTTP/1.1\nHost: h\nContent-Length: 1\n\nab\n"));
    expect_body("a");
    cr_assert_eq(request.unread_bytes, 2);
    cr_assert_null(read_text("POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\nab"));
    cr_assert(!request.guessed_body);
    expect_body("");
    cr_assert_eq(request.unread_bytes, 2);
}

Test(explain_request, bodies_at_and_above_the_limit)
{
    cr_assert_null(read_text("POST / HTTP/1.1\nHost: h\n\n12345678"));
    cr_assert_str_eq(read_text("POST / HTTP/1.1\nHost: h\n\n123456789"),
                     "its body is larger than may be");
    cr_assert_null(read_text("POST / HTTP/1.1\nHost: h\nContent-Length: 8\n\n12345678"));
    cr_assert_str_eq(read_text("POST / HTTP/1.1\nHost: h\nContent-Length: 9\n\n123456789"),
                     "its body is larger than may be");
    cr_assert_eq(refused, 0);
}

Test(explain_request, what_ends_too_early)
{
    cr_assert_str_eq(read_text(""), "there is nothing");
    cr_assert_str_eq(read_text("POST / HTTP/1.1\r\nHost: h\r\n"), "it ends before its body does");
    cr_assert_str_eq(read_text("POST / HTTP/1.1\nHost: h\nContent-Length: 3\n\nab"),
                     "it ends before its body does");
    cr_assert_eq(refused, 0);
}

Test(explain_request, what_the_gateway_would_refuse)
{
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        {"nonsense\n\n", 400},
        {"\n\n\n\n\n\nx", 400},
        {"POST / HTTP/1.1\n\n", 400},
        {"POST / HTTP/1.1\nHost: a\nHost: b\n\n", 400},
        {"POST / HTTP/1.1\nHost: a\nA: 1\n 2\n\n", 400},
        {"POST / HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", 400},
        {"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\nzz", 400},
        {"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip\n\n", 501},
        {"CONNECT a:1 HTTP/1.1\nHost: a\n\n", 501},
        {"POST / HTTP/2.0\nHost: a\n\n", 505},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_not_null(read_text(cases[i].text), "%s", cases[i].text);
        cr_assert_eq(refused, cases[i].status, "%s: %u", cases[i].text, refused);
    }
}

Test(explain_request, heads_at_and_above_their_limit)
{
    char text[128];
    limits.head_bytes = 64;
    int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nA: ");
    memset(text + len, 'a', 128 - (size_t)len);
    memcpy(text + 60, "\r\n\r\n", 5);
    cr_assert_null(read_text(text));
    text[60] = 'a';
    memcpy(text + 61, "\r\n\r\n", 5);
    cr_assert_not_null(read_text(text));
    cr_assert_eq(refused, 431);
}

Test(explain_request, no_memory_for_its_head)
{
    arena_done(&arena);
    arena_init(&arena, 16, 16);
    cr_assert_not_null(read_text("POST / HTTP/1.1\nHost: h\n\n"));
    cr_assert_eq(refused, 503);
}

Test(explain_request, the_most_octets_there_can_be)
{
    struct http_limits some = {.head_bytes = 100, .chunk_overhead_bytes = 10};
    cr_assert_eq(explain_wire_max(&some, 1000), 2110);
}
