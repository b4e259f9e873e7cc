/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_start_line: lines, methods, versions and targets, and how early each
 * fault is told. */
#include "http1_internal.h"
#include "http1_replay.h"

#define END "\r\nHost: a\r\n\r\n"

static const struct replay_case request_lines[] = {
    CASE("get", "GET / HTTP/1.1" END, "GET / [a] keep none"),
    CASE("head", "HEAD / HTTP/1.1" END, "HEAD / [a] keep none"),
    CASE("post", "POST / HTTP/1.1" END, "POST / [a] keep none"),
    CASE("put", "PUT / HTTP/1.1" END, "PUT / [a] keep none"),
    CASE("patch", "PATCH / HTTP/1.1" END, "PATCH / [a] keep none"),
    CASE("delete", "DELETE / HTTP/1.1" END, "DELETE / [a] keep none"),
    CASE("options", "OPTIONS / HTTP/1.1" END, "OPTIONS / [a] keep none"),
    CASE("search", "M-SEARCH / HTTP/1.1" END, "M-SEARCH / [a] keep none"),
    CASE("longest method", "UNSUBSCRIBE / HTTP/1.1" END, "UNSUBSCRIBE / [a] keep none"),
    CASE("1.0", "GET / HTTP/1.0" END, "GET / [a] close none"),
    CASE("connect", "CONNECT a:443 HTTP/1.1" END, "!METHOD"),
    CASE("trace", "TRACE / HTTP/1.1" END, "!METHOD"),
    CASE("h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!METHOD"),
    CASE("rtsp method", "SETUP / HTTP/1.1" END, "!METHOD"),
    CASE("ice method", "SOURCE / HTTP/1.1" END, "!METHOD"),
    CASE("a method of newer llhttp", "QUERY / HTTP/1.1" END, "!METHOD"),
    CASE("unknown method", "BREW / HTTP/1.1" END, "!METHOD"),
    CASE("lower case", "get / HTTP/1.1" END, "!METHOD"),
    CASE("method with more", "GETS / HTTP/1.1" END, "!METHOD"),
    CASE("method with less", "GE / HTTP/1.1" END, "!METHOD"),
    CASE("endless method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "!METHOD"),
    CASE("endless garbage", "A@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "!SYNTAX"),
    CASE("bad byte in method", "G@T / HTTP/1.1" END, "!SYNTAX"),
    CASE("8-bit method", "G\xc9T / HTTP/1.1" END, "!SYNTAX"),
    CASE("tls hello", "\x16\x03\x01\x02", "!SYNTAX"),
    CASE("json", "{\"a\": 1}", "!SYNTAX"),
    CASE("space first", " GET / HTTP/1.1" END, "!SYNTAX"),
    CASE("tab first", "\tGET / HTTP/1.1" END, "!SYNTAX"),
    CASE("tabs between", "GET\t/\tHTTP/1.1" END, "!SYNTAX"),
    CASE("two spaces before the target", "GET  / HTTP/1.1" END, "!SYNTAX"),
    CASE("two spaces behind the target", "GET /  HTTP/1.1" END, "!SYNTAX"),
    CASE("space at the end", "GET / HTTP/1.1 " END, "!SYNTAX"),
    CASE("tab at the end", "GET / HTTP/1.1\t" END, "!SYNTAX"),
    CASE("fourth word", "GET / HTTP/1.1 x" END, "!SYNTAX"),
    CASE("one word", "garbage\r\n\r\n", "!SYNTAX"),
    CASE("no target", "GET HTTP/1.1" END, "!SYNTAX"),
    CASE("0.9", "GET /\r\n\r\n", "!SYNTAX"),
    CASE("0.9 with a space", "GET / \r\n\r\n", "!SYNTAX"),
    CASE("version 0.9", "GET / HTTP/0.9" END, "!VERSION"),
    CASE("version 1.2", "GET / HTTP/1.2" END, "!VERSION"),
    CASE("version 2.0", "GET / HTTP/2.0" END, "!VERSION"),
    CASE("version 2.1", "GET / HTTP/2.1" END, "!VERSION"),
    CASE("version 3", "GET / HTTP/3" END, "!SYNTAX"),
    CASE("version 1.10", "GET / HTTP/1.10" END, "!SYNTAX"),
    CASE("version 1.", "GET / HTTP/1." END, "!SYNTAX"),
    CASE("version 01.1", "GET / HTTP/01.1" END, "!SYNTAX"),
    CASE("version 1,1", "GET / HTTP/1,1" END, "!SYNTAX"),
    CASE("version x.y", "GET / HTTP/x.y" END, "!SYNTAX"),
    CASE("version 1.x", "GET / HTTP/1.x" END, "!SYNTAX"),
    CASE("lower-case version", "GET / http/1.1" END, "!SYNTAX"),
    CASE("rtsp", "OPTIONS / RTSP/1.0" END, "!SYNTAX"),
    CASE("version told before the head is complete", "GET / HTTP/2.0\r\n", "!VERSION"),
    CASE("method told before the head is complete", "TRACE / HTTP/1.1\r\n", "!METHOD"),
    CASE("target told before the head is complete", "OPTIONS /# HTTP/1.1\r\n", "!TARGET"),
    CASE("path", "GET /a/b/../c//d HTTP/1.1" END, "GET /a/b/../c//d [a] keep none"),
    CASE("two slashes", "GET //b/c HTTP/1.1" END, "GET //b/c [a] keep none"),
    CASE("query", "GET /?a=b&c?d/e HTTP/1.1" END, "GET /?a=b&c?d/e [a] keep none"),
    CASE("printable bytes", "GET /!\"$%&'()*+,-.:;<=>@[]^_`{|}~ HTTP/1.1" END,
         "GET /!\"$%&'()*+,-.:;<=>@[]^_`{|}~ [a] keep none"),
    CASE("escapes", "GET /%00%zz%2f HTTP/1.1" END, "GET /%00%zz%2f [a] keep none"),
    CASE("fragment", "GET /a#b HTTP/1.1" END, "!TARGET"),
    CASE("fragment in the query", "GET /?a#b HTTP/1.1" END, "!TARGET"),
    CASE("backslash", "GET /a\\b HTTP/1.1" END, "!TARGET"),
    CASE("8-bit", "GET /\xc3\xa4 HTTP/1.1" END, "!TARGET"),
    CASE("tab in the target", "GET /a\tb HTTP/1.1" END, "!TARGET"),
    CASE("nul in the target", "GET /a\0b HTTP/1.1" END, "!SYNTAX"),
    CASE("control in the target",
         "GET /a\x01"
         "b HTTP/1.1" END,
         "!SYNTAX"),
    CASE("del in the target",
         "GET /a\x7f"
         "b HTTP/1.1" END,
         "!SYNTAX"),
};

Test(http1_start_line, requests)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, request_lines);
}

static const struct replay_case status_lines[] = {
    CASE("ok", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 keep sized"),
    CASE("no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 keep sized"),
    CASE("no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 keep sized"),
    CASE("8-bit reason", "HTTP/1.1 404 Ge\xdf\tb x\r\nContent-Length: 0\r\n\r\n", "404 keep sized"),
    CASE("1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 close sized"),
    CASE("lowest", "HTTP/1.1 200 OK\r\n\r\n", "200 close to-close"),
    CASE("highest", "HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n", "599 keep sized"),
    CASE("above", "HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n", "!SYNTAX"),
    CASE("below", "HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n", "!SYNTAX"),
    CASE("101", "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "!SYNTAX"),
    CASE("two digits", "HTTP/1.1 20 OK\r\n\r\n", "!SYNTAX"),
    CASE("four digits", "HTTP/1.1 2000 OK\r\n\r\n", "!SYNTAX"),
    CASE("letters", "HTTP/1.1 2x0 OK\r\n\r\n", "!SYNTAX"),
    CASE("sign", "HTTP/1.1 +20 OK\r\n\r\n", "!SYNTAX"),
    CASE("two spaces", "HTTP/1.1  200 OK\r\n\r\n", "!SYNTAX"),
    CASE("no status", "HTTP/1.1\r\n\r\n", "!SYNTAX"),
    CASE("control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n", "!SYNTAX"),
    CASE("version 2.0", "HTTP/2.0 200 OK\r\n\r\n", "!VERSION"),
    CASE("version 2", "HTTP/2 200 OK\r\n\r\n", "!SYNTAX"),
    CASE("icy", "ICY 200 OK\r\n\r\n", "!SYNTAX"),
    CASE("0.9", "<html>hello</html>", "!SYNTAX"),
    CASE("empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "!SYNTAX"),
    CASE("another protocol", "SSH-2.0-OpenSSH_9.2\r\n", "!SYNTAX"),
};

Test(http1_start_line, responses)
{
    struct replay_opts opts = REPLAY_RESPONSES;
    REPLAY_TABLE(&opts, status_lines);
}

Test(http1_start_line, garbage_is_refused_at_its_first_byte)
{
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    cr_expect_eq(http1_check_request_prefix(SLICE("\x16"), &limits), HTTP_FAULT_SYNTAX);
    cr_expect_eq(http1_check_request_prefix(SLICE("P"), &limits), HTTP_FAULT_NONE);
    cr_expect_eq(http1_check_request_prefix(SLICE("\r"), &limits), HTTP_FAULT_NONE);
    cr_expect_eq(http1_check_status_prefix(SLICE("HTTx")), HTTP_FAULT_SYNTAX);
    cr_expect_eq(http1_check_status_prefix(SLICE("HTT")), HTTP_FAULT_NONE);
    cr_expect_eq(http1_check_status_prefix(SLICE("HTTP/9")), HTTP_FAULT_NONE);
}

Test(http1_start_line, target_limit)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    opts.limits.target_bytes = 5;
    static const struct replay_case cases[] = {
        CASE("below", "GET /abc HTTP/1.1" END, "GET /abc [a] keep none"),
        CASE("at", "GET /abcd HTTP/1.1" END, "GET /abcd [a] keep none"),
        CASE("above", "GET /abcde HTTP/1.1" END, "!TARGET_TOO_LONG"),
        CASE("far above, unfinished", "GET /abcdeabcdeabcde", "!TARGET_TOO_LONG"),
        CASE("at, unfinished", "GET /abcd HTTP/1.1", "..."),
    };
    REPLAY_TABLE(&opts, cases);
}

/* Every byte at every place of every length around a machine word, between neighbours that could
 * hide it in word-wise arithmetic. */
Test(http1_start_line, control_bytes)
{
    static const char neighbours[] = {'a', ' ', '\t', (char)0x80, (char)0xff, '!'};
    char text[18];
    for (size_t n = 0; n < sizeof neighbours; n++) {
        memset(text, neighbours[n], sizeof text);
        for (size_t len = 1; len <= sizeof text; len++) {
            for (size_t at = 0; at < len * 256; at++) {
                int byte = (int)(at % 256);
                text[at / 256] = (char)byte;
                bool expected = (byte < 0x20 && byte != '\t') || byte == 0x7f;
                cr_assert_eq(http1_has_control(slice_of(text, len)), expected,
                             "byte %d at %zu of %zu", byte, at / 256, len);
                text[at / 256] = neighbours[n];
            }
        }
    }
    cr_expect(!http1_has_control(slice_of("", 0)));
}

Test(http1_start_line, token_bytes)
{
    const char *others = "\"(),/:;<=>?@[\\]{} \t\x7f";
    for (int byte = 0; byte < 256; byte++) {
        bool expected = byte > 0x20 && byte < 0x7f && !strchr(others, byte);
        cr_expect_eq(ascii_is_token((char)byte), expected, "byte %d", byte);
    }
}
