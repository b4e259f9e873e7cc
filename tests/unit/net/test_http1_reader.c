/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_reader: line ends, folding, empty lines, limits, several messages in one
 * input, messages cut short, memory running out. */
#include "http1_internal.h"
#include "http1_replay.h"

#define LINE "GET / HTTP/1.1\r\n"
#define HEAD LINE "Host: a\r\n"
#define END "\r\n\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct replay_case lines[] = {
    CASE("nothing", "", ""),
    CASE("unfinished line", "GET /", "..."),
    CASE("unfinished head", HEAD "X: y\r\n", "..."),
    CASE("unfinished end", HEAD "X: y\r\n\r", "..."),
    CASE("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", "!SYNTAX"),
    CASE("bare LF after the request line", "GET / HTTP/1.1\nHost: a" END, "!SYNTAX"),
    CASE("bare LF after a field", LINE "Host: a\nX: y" END, "!SYNTAX"),
    CASE("bare LF as the empty line (CVE-2022-32214)", HEAD "\n" SMUGGLED, "!SYNTAX"),
    CASE("bare LF first", "\nGET / HTTP/1.1\r\nHost: a" END, "!SYNTAX"),
    CASE("bare CR everywhere", "GET / HTTP/1.1\rHost: a\r\r", "!SYNTAX"),
    CASE("bare CR first", "\rGET / HTTP/1.1\r\nHost: a" END, "!SYNTAX"),
    CASE("two CR", LINE "Host: a\r\r\n" END, "!SYNTAX"),
    CASE("bare CR in a value", HEAD "X: a\rb" END, "!SYNTAX"),
    CASE("bare CR before a field (CVE-2023-30589)", HEAD "A:\rContent-Length: 3" END "abc",
         "!SYNTAX"),
    CASE("CR LF CR X (CVE-2025-23167)", HEAD "\rX" SMUGGLED, "!SYNTAX"),
    CASE("CR LF CR X, no more", HEAD "\rX", "!SYNTAX"),
    CASE("CR LF CR CR LF", HEAD "\r\r\n", "!SYNTAX"),
    CASE("unfinished bare CR in a value", HEAD "X: a\rb", "!SYNTAX"),
    CASE("folded (CVE-2022-32215)", HEAD "X: a\r\n b" END, "!SYNTAX"),
    CASE("folded by a tab", HEAD "X: a\r\n\tb" END, "!SYNTAX"),
    CASE("folded Host (CVE-2024-27982)", LINE "Host:\r\n a" END, "!SYNTAX"),
    CASE("folded framing", HEAD "Transfer-Encoding:\r\n chunked" END, "!SYNTAX"),
    CASE("folded blank line", HEAD "X: a\r\n \r\n\r\n", "!SYNTAX"),
    CASE("space before the first field", LINE " Host: a\r\nHost: a" END, "!SYNTAX"),
    CASE("nul in a value", HEAD "X: a\0b" END, "!SYNTAX"),
    CASE("control in a value",
         HEAD "X: a\x01"
              "b" END,
         "!SYNTAX"),
    CASE("escape in a value", HEAD "X: \x1b[0m" END, "!SYNTAX"),
    CASE("del in a value",
         HEAD "X: a\x7f"
              "b" END,
         "!SYNTAX"),
    CASE("nul in a name", HEAD "X\0: b" END, "!SYNTAX"),
    CASE("tab in a value", HEAD "X: a\tb" END, "GET / [a] keep none"),
    CASE("8-bit value", HEAD "X: \x80\xff" END, "GET / [a] keep none"),
    CASE("empty value", HEAD "X:" END, "GET / [a] keep none"),
    CASE("value of colons", HEAD "X::::" END, "GET / [a] keep none"),
    CASE("all name bytes", HEAD "!#$%&'*+-.^_`|~09azAZ: b" END, "GET / [a] keep none"),
    CASE("space before the colon (CVE-2021-22959)", HEAD "X : b" END, "!SYNTAX"),
    CASE("the same of framing", HEAD "Content-Length : 5" END "hello", "!SYNTAX"),
    CASE("the same of coding", HEAD "Transfer-Encoding : chunked" END "0" END, "!SYNTAX"),
    CASE("tab before the colon", HEAD "X\t: b" END, "!SYNTAX"),
    CASE("space in a name", HEAD "X y: b" END, "!SYNTAX"),
    CASE("no colon", HEAD "just text" END, "!SYNTAX"),
    CASE("no colon, one letter", HEAD "X" END, "!SYNTAX"),
    CASE("empty name", HEAD ": b" END, "!SYNTAX"),
    CASE("8-bit name", HEAD "X\xe9: b" END, "!SYNTAX"),
    CASE("parentheses in a name", HEAD "X(y): b" END, "!SYNTAX"),
    CASE("quote in a name", HEAD "\"X\": b" END, "!SYNTAX"),
    CASE("request line again", HEAD "GET / HTTP/1.1" END, "!SYNTAX"),
    CASE("one empty line", "\r\n" HEAD "\r\n", "GET / [a] keep none"),
    CASE("four empty lines", "\r\n\r\n\r\n\r\n" HEAD "\r\n", "GET / [a] keep none"),
    CASE("five empty lines", "\r\n\r\n\r\n\r\n\r\n" HEAD "\r\n", "!SYNTAX"),
    CASE("empty LF line", "\r\n\n" HEAD "\r\n", "!SYNTAX"),
    CASE("only empty lines", "\r\n\r\n", ""),
};

Test(http1_reader, lines)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, lines);
}

static const struct replay_case pipelines[] = {
    CASE("three",
         "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3" END "one"
         "POST /2 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked" END "3\r\ntwo\r\n0" END
         "GET /3 HTTP/1.1\r\nHost: c" END,
         "POST /1 [a] keep sized 'one'; POST /2 [b] keep chunked 'two'; GET /3 [c] keep none"),
    CASE("empty lines between", HEAD END "\r\n" HEAD END HEAD "\r\n",
         "GET / [a] keep none; GET / [a] keep none; GET / [a] keep none"),
    CASE("garbage behind a good one", HEAD "\r\n\x16garbage", "GET / [a] keep none; !SYNTAX"),
    CASE("a body nobody announced", HEAD "\r\nX: y\r\n", "GET / [a] keep none; !SYNTAX"),
    CASE("bad behind good", HEAD "\r\nGET / HTTP/1.1" END, "GET / [a] keep none; !HOST"),
    CASE("an unfinished one behind", HEAD "\r\nGET", "GET / [a] keep none..."),
};

Test(http1_reader, pipelines)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, pipelines);
}

#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
#define FINAL "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const struct replay_case responses[] = {
    CASE("bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "!SYNTAX"),
    CASE("bare LF after a field", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi", "!SYNTAX"),
    CASE("bare CR", "HTTP/1.1 200 OK\r\nX: a\rb" END, "!SYNTAX"),
    CASE("folded", "HTTP/1.1 200 OK\r\nX: a\r\n b" END, "!SYNTAX"),
    CASE("space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2" END "hi", "!SYNTAX"),
    CASE("no colon", "HTTP/1.1 200 OK\r\nhello" END, "!SYNTAX"),
    CASE("control", "HTTP/1.1 200 OK\r\nX: \x01" END, "!SYNTAX"),
    CASE("interim", INTERIM FINAL, "200 keep sized 'hi'"),
    CASE("100", "HTTP/1.1 100 Continue" END FINAL, "200 keep sized 'hi'"),
    CASE("an unknown interim", "HTTP/1.1 199 x" END FINAL, "200 keep sized 'hi'"),
    CASE("eight interim", INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM FINAL,
         "200 keep sized 'hi'"),
    CASE("nine interim",
         INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM FINAL, "!SYNTAX"),
    CASE("only interim", INTERIM, "!SYNTAX"),
    CASE("a bad interim", "HTTP/1.1 100 x\r\nContent-Length: x" END FINAL, "!FRAMING"),
    CASE("two answers", FINAL FINAL, "200 keep sized 'hi'; 200 keep sized 'hi'"),
    CASE("octets behind the end", FINAL "!", "200 keep sized 'hi'; !SYNTAX"),
    CASE("octets behind a 304", "HTTP/1.1 304 x\r\nContent-Length: 2" END "hi",
         "304 keep none; !SYNTAX"),
    CASE("nothing", "", ""),
    CASE("cut in the status line", "HTTP/1.1 2", "!SYNTAX"),
    CASE("cut in the head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "!SYNTAX"),
};

Test(http1_reader, responses)
{
    struct replay_opts opts = REPLAY_RESPONSES;
    REPLAY_TABLE(&opts, responses);
}

Test(http1_reader, requests_cut_short)
{
    static const struct replay_case cases[] = {
        CASE("nothing", "", ""),
        CASE("empty lines", "\r\n\r\n", ""),
        CASE("between messages", HEAD "\r\n", "GET / [a] keep none"),
        CASE("in the head", "GET / HT", "!SYNTAX"),
        CASE("in the body", HEAD "Content-Length: 3" END "hi", "!FRAMING"),
        CASE("before the body", HEAD "Content-Length: 3" END, "!FRAMING"),
        CASE("in a chunk", HEAD "Transfer-Encoding: chunked" END "3\r\nhi", "!CHUNK"),
        CASE("after a fault", "GET / HTTP/2.0\r\n", "!VERSION"),
    };
    struct replay_opts opts = REPLAY_REQUESTS;
    opts.closed = true;
    REPLAY_TABLE(&opts, cases);
}

Test(http1_reader, field_limit)
{
    static const struct replay_case cases[] = {
        CASE("below", HEAD "A: b" END, "GET / [a] keep none"),
        CASE("at", HEAD "A: b\r\nC: d" END, "GET / [a] keep none"),
        CASE("above", HEAD "A: b\r\nC: d\r\nE: f" END, "!HEAD_TOO_LARGE"),
        CASE("above, unfinished", HEAD "A: b\r\nC: d\r\nE: f\r\n", "!HEAD_TOO_LARGE"),
    };
    struct replay_opts opts = REPLAY_REQUESTS;
    opts.limits.fields = 3;
    REPLAY_TABLE(&opts, cases);
}

/* A head of `size` bytes and as many of a body behind it. */
static size_t make_head(size_t size, char *ret_text)
{
    static const char begin[] = HEAD "Content-Length: 3\r\nX: ";
    memcpy(ret_text, begin, sizeof begin - 1);
    memset(ret_text + sizeof begin - 1, 'x', size - sizeof begin + 1);
    memcpy(ret_text + size - 4, END "abc", 7);
    return size + 3;
}

Test(http1_reader, head_limit)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    char text[5000];
    for (size_t size = 4095; size <= 4097; size++) {
        opts.limits.head_bytes = 4096;
        struct replay_case test = {
            .name = "head limit",
            .bytes = slice_of(text, make_head(size, text)),
            .told = size <= 4096 ? "GET / [a] keep sized 'abc'" : "!HEAD_TOO_LARGE",
        };
        replay_case(&opts, &test);
        test.bytes.len = 4097; /* told at the first byte above, without waiting for the end */
        test.told = size == 4095 ? "..." : size == 4096 ? "..." : "!HEAD_TOO_LARGE";
        replay_case(&opts, &test);
    }
}

Test(http1_reader, an_endless_line_is_refused_at_the_limit)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    opts.limits.head_bytes = 100;
    char text[101];
    memset(text, 'x', sizeof text);
    memcpy(text, HEAD, sizeof HEAD - 1);
    replay_expect(&opts, "at", slice_of(text, 100), "...", (struct cutting){.most = 1});
    replay_expect(&opts, "above", slice_of(text, 101), "!HEAD_TOO_LARGE",
                  (struct cutting){.most = 1});
}

/* Bytes behind a finished message belong to whoever comes next, also when they came in one piece
 * with a head that was being gathered. */
Test(http1_reader, leaves_the_rest_of_the_input)
{
    for (size_t cut = 0; cut <= 20; cut++) {
        struct replay run;
        struct replay_opts opts = REPLAY_REQUESTS;
        replay_init(&run, &opts);
        struct slice all = SLICE(HEAD "Content-Length: 2" END "hithe rest");
        struct slice first = slice_of(all.data, cut);
        struct slice input = slice_skip(all, cut);
        struct slice piece;
        cr_assert_eq(http1_next(&run.reader, &first, &piece), HTTP1_NEED_MORE);
        cr_assert_eq(http1_in_message(&run.reader), cut > 0);
        cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_HEAD);
        cr_expect(slice_eq(input, SLICE("hithe rest")));
        cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_BODY);
        cr_expect(slice_eq(piece, SLICE("hi")));
        cr_expect_eq(piece.data, all.data + all.len - 10, "handed on, not copied");
        cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_DONE);
        cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_DONE, "until it is reset");
        cr_expect(slice_eq(input, SLICE("the rest")));
        replay_done(&run);
    }
}

Test(http1_reader, stays_refused)
{
    struct replay run;
    struct replay_opts opts = REPLAY_REQUESTS;
    replay_init(&run, &opts);
    struct slice input = SLICE("\x16\x03");
    struct slice piece;
    cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_FAULT);
    cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_FAULT);
    cr_assert_eq(http1_end(&run.reader), HTTP1_FAULT);
    cr_expect(http1_in_message(&run.reader));
    http1_reset(&run.reader, &run.arena, false);
    input = SLICE(HEAD "\r\n");
    cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_HEAD);
    replay_done(&run);
}

Test(http1_reader, an_unframed_response_ends_with_the_connection)
{
    struct replay run;
    struct replay_opts opts = REPLAY_RESPONSES;
    replay_init(&run, &opts);
    struct slice input = SLICE("HTTP/1.1 200 OK\r\n\r\nhello");
    struct slice piece;
    cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_HEAD);
    cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_BODY);
    cr_assert_eq(http1_next(&run.reader, &input, &piece), HTTP1_NEED_MORE);
    cr_expect(http1_in_message(&run.reader));
    cr_assert_eq(http1_end(&run.reader), HTTP1_DONE);
    cr_expect(!http1_in_message(&run.reader));
    replay_done(&run);
}

/* Every ceiling from nothing to enough: a fault or the head, never anything else. */
Test(http1_reader, memory_running_out)
{
    static const char text[] = "GET http://a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    for (size_t most = 0; most <= 1; most++) {
        bool enough = false;
        for (size_t ceiling = 0; ceiling <= 2048; ceiling += 16) {
            struct replay run;
            struct replay_opts opts = REPLAY_REQUESTS;
            replay_init(&run, &opts);
            run.arena.ceiling_bytes = ceiling;
            struct cutting cutting = {.most = most};
            struct slice bytes = slice_str(text);
            while (bytes.len > 0 && !run.over) {
                size_t len = replay_next_len(&cutting, bytes.len);
                replay_feed(&run, slice_of(bytes.data, len));
                bytes = slice_skip(bytes, len);
            }
            bool whole = slice_eq(buf_slice(&run.told), SLICE("GET /?b [a] keep none"));
            cr_expect(whole || slice_eq(buf_slice(&run.told), SLICE("!NO_MEMORY")));
            cr_expect(!enough || whole, "more memory never hurts");
            enough = whole;
            replay_done(&run);
        }
        cr_expect(enough);
    }
}

/* The arena's use shows that gathering is linear: doubling leaves at most twice the head behind. */
Test(http1_reader, gathering_is_linear)
{
    struct replay run;
    struct replay_opts opts = REPLAY_REQUESTS;
    static char text[30003];
    struct slice bytes = slice_of(text, make_head(30000, text));
    replay_run(&run, &opts, bytes, (struct cutting){.most = 1});
    cr_expect(slice_eq(buf_slice(&run.told), SLICE("GET / [a] keep sized 'abc'")));
    cr_expect_lt(run.arena.used_bytes, 4u * 30000);
    replay_done(&run);
}

/* Random bytes around valid ones: whatever comes, each way of cutting tells the same. */
Test(http1_reader, mutations_are_read_alike_in_any_pieces)
{
    static const char seed_text[] = "\r\nPOST /a?b HTTP/1.1\r\nHost: a:1\r\nContent-Length: "
                                    "5\r\nConnection: close, x\r\n\r\nhello"
                                    "POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                    "chunked\r\nExpect: 100-continue\r\n\r\n"
                                    "3;a=\"b\"\r\nabc\r\n0\r\nT: u\r\n\r\n";
    static const char odd[] = "\r\n\t :;,\0\x7f\x80/0x\"#";
    struct replay_opts opts = REPLAY_REQUESTS;
    uint32_t state = 1;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed_text];
        memcpy(text, seed_text, sizeof text);
        for (int i = 0; i < 1 + round % 2; i++) {
            state = state * 1664525u + 1013904223u;
            text[(state >> 8) % (sizeof text - 1)] = odd[(state >> 24) % (sizeof odd - 1)];
        }
        struct slice bytes = slice_of(text, sizeof text - 1);
        struct replay whole;
        struct replay cut;
        replay_run(&whole, &opts, bytes, (struct cutting){0});
        replay_run(&cut, &opts, bytes,
                   (struct cutting){.most = (size_t)(1 + round % 9), .seed = state});
        struct slice a = buf_slice(&whole.told);
        struct slice b = buf_slice(&cut.told);
        cr_assert(slice_eq(a, b), "round %d: %.*s | %.*s", round, (int)a.len, a.data, (int)b.len,
                  b.data);
        replay_done(&whole);
        replay_done(&cut);
    }
}
