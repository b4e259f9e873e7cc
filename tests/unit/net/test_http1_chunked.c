/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_chunked: sizes, extensions, trailers, the overhead limit. */
#include "http1_internal.h"
#include "http1_replay.h"

#define POST "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define TOLD "POST / [a] keep chunked"
#define LAST "0\r\n\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct replay_case sizes[] = {
    CASE("empty body", POST LAST, TOLD),
    CASE("one chunk", POST "5\r\nhello\r\n" LAST, TOLD " 'hello'"),
    CASE("two chunks", POST "5\r\nhello\r\n1\r\n!\r\n" LAST, TOLD " 'hello!'"),
    CASE("hex digits", POST "a\r\n0123456789\r\nB\r\n0123456789a\r\n" LAST,
         TOLD " '01234567890123456789a'"),
    CASE("data like framing", POST "7\r\n\r\n0\r\n\r\n\r\n" LAST, TOLD " '\r\n0\r\n\r\n'"),
    CASE("sixteen digits", POST "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
         TOLD " 'hello'"),
    CASE("next message", POST "1\r\nx\r\n" LAST SMUGGLED, TOLD " 'x'; GET /smuggled [a] keep none"),
    CASE("unfinished data", POST "5\r\nhell", "..."),
    CASE("unfinished end", POST "0\r\n\r", "..."),
    CASE("largest", POST "7fffffffffffffff\r\nhello", "..."),
    CASE("2^63", POST "8000000000000000\r\nhello", "!CHUNK"),
    CASE("2^64-1", POST "ffffffffffffffff\r\nhello", "!CHUNK"),
    CASE("2^64+5", POST "10000000000000005\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("seventeen digits", POST "00000000000000005\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("seventeen zeros", POST "00000000000000000\r\n\r\n", "!CHUNK"),
    CASE("empty size", POST "\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("only an extension", POST ";a\r\n\r\n", "!CHUNK"),
    CASE("0x", POST "0x5\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("plus", POST "+5\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("minus", POST "-5\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("space before", POST " 5\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("space behind", POST "5 \r\nhello\r\n" LAST, "!CHUNK"),
    CASE("tab behind", POST "5\t\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("underscore", POST "1_0\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("not hexadecimal", POST "g\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("nul", POST "5\0\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("8-bit", POST "\xb5\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("LF behind the size", POST "5\nhello\r\n" LAST, "!CHUNK"),
    CASE("CR behind the size", POST "5\rhello\r\n" LAST, "!CHUNK"),
    CASE("two CR behind the size", POST "5\r\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("LF behind the data", POST "5\r\nhello\n" LAST, "!CHUNK"),
    CASE("CR behind the data", POST "5\r\nhello\r0\r\n\r\n", "!CHUNK"),
    CASE("nothing behind the data", POST "5\r\nhello" LAST, "!CHUNK"),
    CASE("more data than said", POST "5\r\nhello!\r\n" LAST, "!CHUNK"),
    CASE("less data than said", POST "6\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("LF at the very end", POST "0\r\n\n", "!CHUNK"),
    CASE("CR at the very end", POST "0\r\n\rX", "!CHUNK"),
    CASE("LF behind the last size", POST "0\n\r\n", "!CHUNK"),
};

static const struct replay_case extensions[] = {
    CASE("name", POST "5;a\r\nhello\r\n" LAST, TOLD " 'hello'"),
    CASE("name and value", POST "5;a=b\r\nhello\r\n" LAST, TOLD " 'hello'"),
    CASE("quoted", POST "5;a=\"b; c\\\"\t\xe4=\"\r\nhello\r\n" LAST, TOLD " 'hello'"),
    CASE("empty quoted", POST "5;a=\"\"\r\nhello\r\n" LAST, TOLD " 'hello'"),
    CASE("several", POST "5;a;b=c;d=\"e\";f\r\nhello\r\n0;g=h\r\n\r\n", TOLD " 'hello'"),
    CASE("empty name", POST "5;\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("no name", POST "5;=a\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("no value", POST "5;a=\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("two values", POST "5;a=b=c\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("behind a quoted string", POST "5;a=\"b\"c\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("quote in a value", POST "5;a=b\"c\"\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("open quote", POST "5;a=\"b\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("line end in a quote", POST "5;a=\"b\r\n\"\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("escaped line end", POST "5;a=\"b\\\r\n\"\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("white space before", POST "5 ;a\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("white space behind", POST "5; a\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("white space around =", POST "5;a = b\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("LF (TERM.EXT)", POST "5;a\nhello\r\n" LAST, "!CHUNK"),
    CASE("LF in a value (EXT.TERM)", POST "5;a=b\nc\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("CR", POST "5;a\rb\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("nul", POST "5;a\0\r\nhello\r\n" LAST, "!CHUNK"),
    CASE("control in a quote", POST "5;a=\"\x01\"\r\nhello\r\n" LAST, "!CHUNK"),
};

static const struct replay_case trailers[] = {
    CASE("one", POST "0\r\nA: b\r\n\r\n", TOLD),
    CASE("two", POST "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n" SMUGGLED,
         TOLD " 'x'; GET /smuggled [a] keep none"),
    CASE("key field is no field", POST "0\r\nX-Event-Id: 1\r\n\r\n", TOLD),
    CASE("8-bit, tab", POST "0\r\nA: \xe4\tb\r\n\r\n", TOLD),
    CASE("name of the longest length", POST "0\r\ntransfer-encodinX: b\r\n\r\n", TOLD),
    CASE("longer name", POST "0\r\ntransfer-encoding-b: c\r\n\r\n", TOLD),
    CASE("much longer name", POST "0\r\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA: c\r\n\r\n",
         TOLD),
    CASE("short behind long", POST "0\r\ntransfer-encoding-b: c\r\nA: b\r\n\r\n", TOLD),
    CASE("length", POST "0\r\nContent-Length: 5\r\n\r\nhello", "!CHUNK"),
    CASE("coding", POST "0\r\nA: b\r\ntransfer-ENCODING: chunked\r\n\r\n" LAST, "!CHUNK"),
    CASE("host", POST "0\r\nhost: b\r\n\r\n", "!CHUNK"),
    CASE("no colon", POST "0\r\nnonsense\r\n\r\n", "!CHUNK"),
    CASE("empty name", POST "0\r\n: b\r\n\r\n", "!CHUNK"),
    CASE("space before the colon", POST "0\r\nA : b\r\n\r\n", "!CHUNK"),
    CASE("folded", POST "0\r\nA: b\r\n c\r\n\r\n", "!CHUNK"),
    CASE("LF", POST "0\r\nA: b\n\r\n", "!CHUNK"),
    CASE("CR", POST "0\r\nA: b\rc\r\n\r\n", "!CHUNK"),
    CASE("nul", POST "0\r\nA: \0\r\n\r\n", "!CHUNK"),
    CASE("8-bit name", POST "0\r\n\xe4: b\r\n\r\n", "!CHUNK"),
    CASE("a request in its place", POST "0\r\n" SMUGGLED, "!CHUNK"),
};

Test(http1_chunked, sizes)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, sizes);
}

Test(http1_chunked, extensions)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, extensions);
}

Test(http1_chunked, trailers)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    REPLAY_TABLE(&opts, trailers);
}

Test(http1_chunked, overhead_limit)
{
    struct replay_opts opts = REPLAY_REQUESTS;
    opts.limits.chunk_overhead_bytes = 10;
    static const struct replay_case cases[] = {
        CASE("at, trailer", POST "0\r\nA:b\r\n\r\n", TOLD),
        CASE("below, trailer", POST "0\r\nA:\r\n\r\n", TOLD),
        CASE("above, trailer", POST "0\r\nA: b\r\n\r\n", "!CHUNK"),
        CASE("at, extension", POST "1;abcdef\r\nx", "..."),
        CASE("above, extension", POST "1;abcdefg\r\nx", "!CHUNK"),
        CASE("above, unfinished", POST "1;abcdefghi", "!CHUNK"),
        CASE("data earns it back", POST "c;abcdef\r\nhello, world\r\n1;abcd\r\nx", "..."),
        CASE("a run of tiny chunks", POST "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n" LAST, "!CHUNK"),
        CASE("larger chunks", POST "5\r\nhello\r\n5\r\nhello\r\n5\r\nhello\r\n5\r\nhello\r\n" LAST,
             TOLD " 'hellohellohellohello'"),
    };
    REPLAY_TABLE(&opts, cases);
}

/* Writes `data` as chunks of random sizes with an extension here and there. */
static void write_chunks(struct buf *buf, struct slice data, uint32_t seed)
{
    struct cutting cutting = {.most = 300, .seed = seed};
    while (data.len > 0) {
        size_t len = replay_next_len(&cutting, data.len);
        cr_assert_eq(http1_write_chunk_head(buf, len), STATUS_OK);
        cr_assert_eq(buf_append(buf, slice_of(data.data, len)), STATUS_OK);
        cr_assert_eq(buf_append(buf, HTTP1_CHUNK_TAIL), STATUS_OK);
        data = slice_skip(data, len);
    }
    cr_assert_eq(buf_append(buf, HTTP1_LAST_CHUNK), STATUS_OK);
}

Test(http1_chunked, random_chunks_in_random_pieces_are_the_original)
{
    static char data[50000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * i % 251);
    struct replay_opts opts = REPLAY_REQUESTS;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        cr_assert_eq(buf_append(&text, SLICE(POST)), STATUS_OK);
        write_chunks(&text, slice_of(data, sizeof data), seed);
        struct replay run;
        replay_init(&run, &opts);
        struct cutting cutting = {.most = 1 + 97 * (seed - 1), .seed = seed};
        struct slice bytes = buf_slice(&text);
        while (bytes.len > 1) { /* the last byte is kept back, so that the body isn't told yet */
            size_t len = replay_next_len(&cutting, bytes.len - 1);
            replay_feed(&run, slice_of(bytes.data, len));
            bytes = slice_skip(bytes, len);
        }
        cr_expect(slice_eq(buf_slice(&run.body), slice_of(data, sizeof data)), "seed %u", seed);
        replay_feed(&run, bytes);
        cr_expect(!run.headed && !run.over);
        replay_done(&run);
        buf_done(&text);
    }
}
