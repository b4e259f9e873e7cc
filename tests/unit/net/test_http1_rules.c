/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_rules: Host, absolute targets, message framing, Expect, keep-alive. Where
 * a row is a known attack, its reference stands in the name. */
#include "http1_internal.h"
#include "http1_replay.h"

#include <stdio.h>

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define OLD "POST / HTTP/1.0\r\n"
#define END "\r\n\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct replay_case hosts[] = {
    CASE("name", GET "Host: hooks.example.com" END, "GET / [hooks.example.com] keep none"),
    CASE("case, white space", GET "hOST:\t Hooks-1_x.example.com. \t" END,
         "GET / [Hooks-1_x.example.com.] keep none"),
    CASE("port", GET "Host: a:8080" END, "GET / [a:8080] keep none"),
    CASE("highest port", GET "Host: a:65535" END, "GET / [a:65535] keep none"),
    CASE("v4", GET "Host: 127.0.0.1:1" END, "GET / [127.0.0.1:1] keep none"),
    CASE("v6", GET "Host: [::1]" END, "GET / [[::1]] keep none"),
    CASE("v6 and port", GET "Host: [2001:db8::1]:80" END, "GET / [[2001:db8::1]:80] keep none"),
    CASE("v6 of v4", GET "Host: [::ffff:1.2.3.4]" END, "GET / [[::ffff:1.2.3.4]] keep none"),
    CASE("none in 1.0", "GET / HTTP/1.0" END, "GET / [] close none"),
    CASE("one in 1.0", "GET / HTTP/1.0\r\nHost: a" END, "GET / [a] close none"),
    CASE("two in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a" END, "!HOST"),
    CASE("bad in 1.0", "GET / HTTP/1.0\r\nHost: a/b" END, "!HOST"),
    CASE("none", GET "X: y" END, "!HOST"),
    CASE("no field at all", "GET / HTTP/1.1" END, "!HOST"),
    CASE("two", GET "Host: a\r\nhost: b" END, "!HOST"),
    CASE("two, far apart", GET "Host: a\r\nX: y\r\nZ: z\r\nHOST: a" END, "!HOST"),
    CASE("empty", GET "Host:" END, "!HOST"),
    CASE("blank", GET "Host: \t " END, "!HOST"),
    CASE("path", GET "Host: a/b" END, "!HOST"),
    CASE("query", GET "Host: a?b" END, "!HOST"),
    CASE("fragment", GET "Host: a#b" END, "!HOST"),
    CASE("userinfo", GET "Host: u@a" END, "!HOST"),
    CASE("userinfo with password", GET "Host: u:p@a" END, "!HOST"),
    CASE("list", GET "Host: a, b" END, "!HOST"),
    CASE("comma", GET "Host: a,b" END, "!HOST"),
    CASE("space", GET "Host: a b" END, "!HOST"),
    CASE("scheme", GET "Host: http://a" END, "!HOST"),
    CASE("8-bit", GET "Host: \xe4" END, "!HOST"),
    CASE("escape", GET "Host: a%41" END, "!HOST"),
    CASE("backslash", GET "Host: a\\b" END, "!HOST"),
    CASE("quote", GET "Host: \"a\"" END, "!HOST"),
    CASE("only a port", GET "Host: :80" END, "!HOST"),
    CASE("empty port", GET "Host: a:" END, "!HOST"),
    CASE("port too high", GET "Host: a:65536" END, "!HOST"),
    CASE("port overflowing", GET "Host: a:18446744073709551696" END, "!HOST"),
    CASE("port of letters", GET "Host: a:80x" END, "!HOST"),
    CASE("port signed", GET "Host: a:+80" END, "!HOST"),
    CASE("two ports", GET "Host: a:80:80" END, "!HOST"),
    CASE("v6 without brackets", GET "Host: ::1" END, "!HOST"),
    CASE("v6 unclosed", GET "Host: [::1" END, "!HOST"),
    CASE("v6 with a zone", GET "Host: [fe80::1%25eth0]" END, "!HOST"),
    CASE("v6 with more", GET "Host: [::1]a" END, "!HOST"),
    CASE("v6 malformed", GET "Host: [1:2]" END, "!HOST"),
    CASE("v6 empty", GET "Host: []" END, "!HOST"),
    CASE("v6 too long", GET "Host: [0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]" END,
         "!HOST"),
    CASE("name in brackets", GET "Host: [a]" END, "!HOST"),
};

static const struct replay_case targets[] = {
    CASE("absolute", "GET http://a/b?c HTTP/1.1\r\nHost: a" END, "GET /b?c [a] keep none"),
    CASE("absolute, https, port", "GET HTTPS://A:1/ HTTP/1.1\r\nHost: a:1" END,
         "GET / [A:1] keep none"),
    CASE("absolute, no path", "GET http://a HTTP/1.1\r\nHost: a" END, "GET / [a] keep none"),
    CASE("absolute, only a query", "GET http://a?b=/c HTTP/1.1\r\nHost: a" END,
         "GET /?b=/c [a] keep none"),
    CASE("absolute, v6", "GET http://[::1]:8/x HTTP/1.1\r\nHost: [::1]:8" END,
         "GET /x [[::1]:8] keep none"),
    CASE("absolute, 1.0 without Host", "GET http://a:8/x HTTP/1.0" END, "GET /x [a:8] close none"),
    CASE("absolute, no Host", "GET http://a/ HTTP/1.1" END, "!HOST"),
    CASE("absolute, other Host", "GET http://a/ HTTP/1.1\r\nHost: b" END, "!HOST"),
    CASE("absolute, other port", "GET http://a:80/ HTTP/1.1\r\nHost: a" END, "!HOST"),
    CASE("absolute, userinfo", "GET http://a@b/ HTTP/1.1\r\nHost: b" END, "!TARGET"),
    CASE("absolute, no authority", "GET http:///a HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("absolute, nothing", "GET http:// HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("absolute, bad port", "GET http://a:x/ HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("h2 scheme", "GET httpx://a/ HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("one slash", "GET http:/a/ HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("authority", "GET a:443 HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("relative", "GET a/b HTTP/1.1\r\nHost: a" END, "!TARGET"),
    CASE("only a query", "GET ?a HTTP/1.1\r\nHost: a" END, "!TARGET"),
};

static const struct replay_case framings[] = {
    CASE("none", POST "X: y" END, "POST / [a] keep none"),
    CASE("zero", POST "Content-Length: 0" END, "POST / [a] keep sized"),
    CASE("five", POST "Content-Length: 5" END "hello", "POST / [a] keep sized 'hello'"),
    CASE("leading zeros", POST "Content-Length: 005" END "hello", "POST / [a] keep sized 'hello'"),
    CASE("white space", POST "Content-Length: \t5  " END "hello", "POST / [a] keep sized 'hello'"),
    CASE("get with a body (CL.0)", GET "Host: a\r\nContent-Length: 5" END "helloGET",
         "GET / [a] keep sized 'hello'..."),
    CASE("incomplete", POST "Content-Length: 5" END "hell", "..."),
    CASE("nothing but the head", POST "Content-Length: 9223372036854775807" END, "..."),
    CASE("2^63", POST "Content-Length: 9223372036854775808" END, "!FRAMING"),
    CASE("2^64-1", POST "Content-Length: 18446744073709551615" END, "!FRAMING"),
    CASE("2^64+5", POST "Content-Length: 18446744073709551621" END "hello", "!FRAMING"),
    CASE("thirty digits", POST "Content-Length: 999999999999999999999999999999" END, "!FRAMING"),
    CASE("two equal", POST "Content-Length: 5\r\nContent-Length: 5" END "hello", "!FRAMING"),
    CASE("two different", POST "Content-Length: 5\r\nX: y\r\ncontent-length: 0" END, "!FRAMING"),
    CASE("list", POST "Content-Length: 5, 5" END "hello", "!FRAMING"),
    CASE("list without space", POST "Content-Length: 5,5" END "hello", "!FRAMING"),
    CASE("signed", POST "Content-Length: +5" END "hello", "!FRAMING"),
    CASE("negative", POST "Content-Length: -5" END "hello", "!FRAMING"),
    CASE("hexadecimal", POST "Content-Length: 0x5" END "hello", "!FRAMING"),
    CASE("underscore", POST "Content-Length: 1_0" END "hellohello", "!FRAMING"),
    CASE("inner space", POST "Content-Length: 1 0" END "hellohello", "!FRAMING"),
    CASE("fraction", POST "Content-Length: 5.0" END "hello", "!FRAMING"),
    CASE("letters", POST "Content-Length: five" END "hello", "!FRAMING"),
    CASE("empty length", POST "Content-Length:" END, "!FRAMING"),
    CASE("blank length", POST "Content-Length:  " END, "!FRAMING"),
    CASE("chunked", POST "Transfer-Encoding: chunked" END "0" END, "POST / [a] keep chunked"),
    CASE("chunked in any case", POST "tRaNsFeR-eNcOdInG:\tChUnKeD " END "0" END,
         "POST / [a] keep chunked"),
    CASE("CL.TE", POST "Content-Length: 6\r\nTransfer-Encoding: chunked" END "0" END SMUGGLED,
         "!FRAMING"),
    CASE("TE.CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 6" END "0" END SMUGGLED,
         "!FRAMING"),
    CASE("TE.TE", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x" END "0" END,
         "!FRAMING"),
    CASE("TE.TE, other order",
         POST "Transfer-Encoding: x\r\nTransfer-Encoding: chunked" END "0" END, "!FRAMING"),
    CASE("chunked twice",
         POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END "0" END, "!FRAMING"),
    CASE("chunked twice in a list", POST "Transfer-Encoding: chunked, chunked" END "0" END,
         "!FRAMING"),
    CASE("chunked not last", POST "Transfer-Encoding: chunked, gzip" END "0" END, "!FRAMING"),
    CASE("length and gzip", POST "Content-Length: 5\r\nTransfer-Encoding: gzip" END "hello",
         "!FRAMING"),
    CASE("length and empty coding", POST "Content-Length: 5\r\nTransfer-Encoding:" END "hello",
         "!FRAMING"),
    CASE("empty coding", POST "Transfer-Encoding:" END "0" END, "!FRAMING"),
    CASE("gzip", POST "Transfer-Encoding: gzip" END, "!CODING"),
    CASE("gzip, chunked", POST "Transfer-Encoding: gzip, chunked" END "0" END, "!CODING"),
    CASE("identity", POST "Transfer-Encoding: identity" END, "!CODING"),
    CASE("xchunked", POST "Transfer-Encoding: xchunked" END "0" END, "!CODING"),
    CASE("chunkedx", POST "Transfer-Encoding: chunkedx" END "0" END, "!CODING"),
    CASE("quoted", POST "Transfer-Encoding: \"chunked\"" END "0" END, "!CODING"),
    CASE("parameter", POST "Transfer-Encoding: chunked;q=1" END "0" END, "!CODING"),
    CASE("comma before", POST "Transfer-Encoding: ,chunked" END "0" END, "!CODING"),
    CASE("vertical tab",
         POST "Transfer-Encoding: \x0b"
              "chunked" END "0" END,
         "!SYNTAX"),
    CASE("8-bit space",
         POST "Transfer-Encoding: \xa0"
              "chunked" END "0" END,
         "!CODING"),
    CASE("1.0, chunked", OLD "Transfer-Encoding: chunked" END "0" END, "!FRAMING"),
    CASE("1.0, chunked, keep-alive", OLD "Connection: keep-alive\r\nTransfer-Encoding: chunked" END,
         "!FRAMING"),
    CASE("1.0, sized", OLD "Content-Length: 2" END "hi", "POST / [] close sized 'hi'"),
};

static const struct replay_case expectations[] = {
    CASE("100", POST "Expect: 100-continue\r\nContent-Length: 2" END "hi",
         "POST / [a] keep sized expect 'hi'"),
    CASE("any case", POST "expect: 100-Continue\r\nContent-Length: 2" END "hi",
         "POST / [a] keep sized expect 'hi'"),
    CASE("chunked", POST "Expect: 100-continue\r\nTransfer-Encoding: chunked" END "0" END,
         "POST / [a] keep chunked expect"),
    CASE("no body", POST "Expect: 100-continue" END, "POST / [a] keep none"),
    CASE("empty body", POST "Expect: 100-continue\r\nContent-Length: 0" END,
         "POST / [a] keep sized"),
    CASE("other", POST "Expect: 200-ok" END, "!EXPECTATION"),
    CASE("list", POST "Expect: 100-continue, x" END, "!EXPECTATION"),
    CASE("two", POST "Expect: 100-continue\r\nExpect: x" END, "!EXPECTATION"),
    CASE("empty", POST "Expect:" END, "!EXPECTATION"),
    CASE("1.0", OLD "Expect: x\r\nContent-Length: 2" END "hi", "POST / [] close sized 'hi'"),
};

static const struct replay_case connections[] = {
    CASE("close", POST "Connection: close" END, "POST / [a] close none"),
    CASE("CLOSE in a list", POST "Connection: x, CLOSE ,y" END, "POST / [a] close none"),
    CASE("close in a second field", POST "Connection: x\r\nConnection: close" END,
         "POST / [a] close none"),
    CASE("keep-alive", POST "Connection: keep-alive" END, "POST / [a] keep none"),
    CASE("both", POST "Connection: keep-alive, close" END, "POST / [a] close none"),
    CASE("closed", POST "Connection: closed" END, "POST / [a] keep none"),
    CASE("1.0", OLD "Connection: x" END, "POST / [] close none"),
    CASE("1.0, keep-alive", OLD "Connection: Keep-Alive" END, "POST / [] keep none"),
    CASE("1.0, both", OLD "Connection: Keep-Alive, close" END, "POST / [] close none"),
    CASE("proxy-connection", POST "Proxy-Connection: close" END, "POST / [a] keep none"),
    CASE("upgrade is ignored", POST "Connection: upgrade\r\nUpgrade: websocket" END SMUGGLED,
         "POST / [a] keep none; GET /smuggled [a] keep none"),
    CASE("h2c with a body",
         POST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2" END
              "hi" SMUGGLED,
         "POST / [a] keep sized 'hi'; GET /smuggled [a] keep none"),
    CASE("close, then more", POST "Connection: close\r\nContent-Length: 2" END "hi" SMUGGLED,
         "POST / [a] close sized 'hi'; GET /smuggled [a] keep none"),
};

Test(http1_rules, hosts)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, hosts);
}

Test(http1_rules, targets)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, targets);
}

Test(http1_rules, framings)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, framings);
}

Test(http1_rules, expectations)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, expectations);
}

Test(http1_rules, connections)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, connections);
}

static const struct replay_case responses[] = {
    CASE("sized", "HTTP/1.1 200 OK\r\nContent-Length: 2" END "hi", "200 keep sized 'hi'"),
    CASE("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "2\r\nhi\r\n0" END,
         "200 keep chunked 'hi'"),
    CASE("to close", "HTTP/1.1 200 OK" END "hi", "200 close to-close 'hi'"),
    CASE("to close, empty", "HTTP/1.1 200 OK" END, "200 close to-close"),
    CASE("to close, keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive" END "hi",
         "200 close to-close 'hi'"),
    CASE("1.0, keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0" END,
         "200 keep sized"),
    CASE("close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0" END,
         "200 close sized"),
    CASE("204", "HTTP/1.1 204 No Content" END, "204 keep none"),
    CASE("204, zero length", "HTTP/1.1 204 x\r\nContent-Length: 0" END, "204 keep none"),
    CASE("204 with a body", "HTTP/1.1 204 x\r\nContent-Length: 2" END, "204 close none"),
    CASE("204, chunked", "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked" END, "204 close none"),
    CASE("304 with a length", "HTTP/1.1 304 x\r\nContent-Length: 100" END, "304 keep none"),
    CASE("304 without", "HTTP/1.1 304 x" END, "304 keep none"),
    CASE("205 is framed", "HTTP/1.1 205 x\r\nContent-Length: 0" END, "205 keep sized"),
    CASE("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2" END "hi",
         "!FRAMING"),
    CASE("length list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2" END "hi", "!FRAMING"),
    CASE("length too large", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808" END "hi",
         "!FRAMING"),
    CASE("both", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked" END "hi",
         "!FRAMING"),
    CASE("two codings",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked" END,
         "!FRAMING"),
    CASE("coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip" END "hi", "!CODING"),
    CASE("coding, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked" END "0" END,
         "!CODING"),
    CASE("coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END "0" END, "!FRAMING"),
    CASE("cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 3" END "hi", "!FRAMING"),
    CASE("cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "3\r\nhi", "!CHUNK"),
    CASE("cut before the last chunk",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "2\r\nhi\r\n", "!CHUNK"),
    CASE("no Host is no fault", "HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\nContent-Length: 0" END,
         "200 keep sized"),
    CASE("Expect is no fault", "HTTP/1.1 200 OK\r\nExpect: x\r\nContent-Length: 0" END,
         "200 keep sized"),
};

Test(http1_rules, responses)
{
    struct replay_opts opts = REPLAY_RESPONSES;
    REPLAY_TABLE(&opts, responses);
}

Test(http1_rules, responses_to_head)
{
    struct replay_opts opts = REPLAY_RESPONSES;
    opts.is_head_request = true;
    static const struct replay_case cases[] = {
        CASE("sized", "HTTP/1.1 200 OK\r\nContent-Length: 100" END, "200 keep none"),
        CASE("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END, "200 keep none"),
        CASE("unframed", "HTTP/1.1 200 OK" END, "200 keep none"),
    };
    REPLAY_TABLE(&opts, cases);
}

Test(http1_rules, path_and_query)
{
    const struct {
        struct slice line;
        struct slice target, path, query;
    } rows[] = {
        {SLICE("GET /a/b?c=d"), SLICE("/a/b?c=d"), SLICE("/a/b"), SLICE("c=d")},
        {SLICE("GET /a?"), SLICE("/a?"), SLICE("/a"), SLICE("")},
        {SLICE("GET /a"), SLICE("/a"), SLICE("/a"), SLICE("")},
        {SLICE("GET /?b?c"), SLICE("/?b?c"), SLICE("/"), SLICE("b?c")},
        {SLICE("GET http://h?q"), SLICE("/?q"), SLICE("/"), SLICE("q")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct replay run;
        struct replay_opts opts = REPLAY_REQUESTS;
        replay_init(&run, &opts);
        char text[100];
        int len = snprintf(text, sizeof text, "%.*s HTTP/1.1\r\nHost: h\r\n\r\n",
                           (int)rows[i].line.len, rows[i].line.data);
        struct slice input = slice_of(text, (size_t)len);
        struct slice piece;
        cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_HEAD);
        cr_expect(slice_eq(run.reader.head.target, rows[i].target));
        cr_expect(slice_eq(run.reader.head.path, rows[i].path));
        cr_expect(slice_eq(run.reader.head.query, rows[i].query));
        replay_done(&run);
    }
}
