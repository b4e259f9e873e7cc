/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs bytes through an http1_reader and writes down what it told, one text per run, so that a
 * test is a row: bytes and expected text. Each row runs whole, byte by byte and in seeded random
 * pieces, every piece in a block of its own that is overwritten and freed after use; heads are
 * written down only at the end of their message, when the blocks they came in are gone.
 *
 *   POST /a?b [h] keep sized 'hello'      a message; fields are not shown
 *   200 close to-close 'x' end            a response ended by the close
 *   ; separates messages · !HOST is a fault and the end · ... bytes of an unfinished message
 */
#ifndef POSTERN_TESTS_HTTP1_REPLAY_H
#define POSTERN_TESTS_HTTP1_REPLAY_H

#include <postern/net/http1.h>

#include <criterion/criterion.h>
#include <stdlib.h>

struct replay_case {
    const char *name;
    struct slice bytes;
    const char *told;
};

#define CASE(title, input, output)                                                                 \
    {                                                                                              \
        .name = (title), .bytes = {.data = (input), .len = sizeof(input) - 1}, .told = (output)    \
    }

struct replay_opts {
    struct http_limits limits;
    bool is_response, is_head_request;
    bool closed; /* the peer closes after the last byte */
};

#define REPLAY_REQUESTS ((struct replay_opts){.limits = HTTP_LIMITS_DEFAULT})
#define REPLAY_RESPONSES                                                                           \
    ((struct replay_opts){.limits = HTTP_LIMITS_DEFAULT, .is_response = true, .closed = true})

/* How a run's bytes are cut: pieces of 1 … `most` bytes; 0: one piece. */
struct cutting {
    size_t most;
    uint32_t seed;
};

struct replay {
    struct http1_reader reader;
    struct arena arena;
    struct buf body;
    struct buf told;
    bool headed; /* the message at hand has told its head */
    bool over;   /* a fault came */
};

static const char *const replay_fault_names[HTTP_FAULTS] = {
    "NONE",           "SYNTAX",          "HOST",    "TARGET", "FRAMING", "CHUNK",
    "HEAD_TOO_LARGE", "TARGET_TOO_LONG", "VERSION", "METHOD", "CODING",  "EXPECTATION",
    "NO_MEMORY",
};

static void replay_tell_head(struct replay *run)
{
    static const char *const bodies[] = {"none", "sized", "chunked", "to-close"};
    const struct http_head *head = &run->reader.head;
    enum status status;
    if (run->reader.is_response)
        status = buf_printf(&run->told, "%u", head->status);
    else
        status = buf_printf(&run->told, "%.*s %.*s [%.*s]", (int)head->method.len,
                            head->method.data, (int)head->target.len, head->target.data,
                            (int)head->host.len, head->host.len > 0 ? head->host.data : "");
    cr_assert_eq(status, STATUS_OK);
    status = buf_printf(&run->told, " %s %s%s", head->keep_alive ? "keep" : "close",
                        bodies[head->body], head->expect_continue ? " expect" : "");
    cr_assert_eq(status, STATUS_OK);
}

static void replay_tell(struct replay *run, const char *text)
{
    cr_assert_eq(buf_append(&run->told, slice_str(text)), STATUS_OK);
}

static void replay_separate(struct replay *run)
{
    if (buf_len(&run->told) > 0)
        replay_tell(run, "; ");
}

/* The head and the body so far of the message at hand. */
static void replay_tell_message(struct replay *run)
{
    replay_separate(run);
    replay_tell_head(run);
    struct slice body = buf_slice(&run->body);
    if (body.len > 0)
        cr_assert_eq(buf_printf(&run->told, " '%.*s'", (int)body.len, body.data), STATUS_OK);
    buf_clear(&run->body);
    run->headed = false;
}

static void replay_event(struct replay *run, enum http1_event event, struct slice piece)
{
    switch (event) {
    case HTTP1_HEAD:
        cr_assert(!run->headed, "one head per message");
        run->headed = true;
        break;
    case HTTP1_BODY:
        cr_assert(run->headed && piece.len > 0);
        cr_assert_eq(buf_append(&run->body, piece), STATUS_OK);
        break;
    case HTTP1_DONE:
        cr_assert(run->headed);
        cr_assert(!http1_in_message(&run->reader));
        replay_tell_message(run);
        /* The arena is not emptied, as in a server that answers a pipeline later. */
        http1_reset(&run->reader, &run->arena, run->reader.no_body_expected);
        break;
    case HTTP1_FAULT:
        replay_separate(run);
        cr_assert_neq(run->reader.fault, HTTP_FAULT_NONE);
        replay_tell(run, "!");
        replay_tell(run, replay_fault_names[run->reader.fault]);
        run->over = true;
        break;
    case HTTP1_NEED_MORE:
        break;
    }
}

/* Feeds one piece, from a block of exactly its size. */
static void replay_feed(struct replay *run, struct slice bytes)
{
    char *block = malloc(bytes.len > 0 ? bytes.len : 1);
    cr_assert_not_null(block);
    if (bytes.len > 0)
        memcpy(block, bytes.data, bytes.len);
    struct slice input = slice_of(block, bytes.len);
    enum http1_event event = HTTP1_HEAD;
    while (!run->over && event != HTTP1_NEED_MORE) {
        struct slice piece = {0};
        event = http1_next(&run->reader, &input, &piece);
        replay_event(run, event, piece);
    }
    cr_assert(run->over || input.len == 0, "everything is consumed before more is asked for");
    memset(block, 'Z', bytes.len);
    free(block);
}

static void replay_close(struct replay *run)
{
    bool in_message = http1_in_message(&run->reader);
    enum http1_event event = http1_end(&run->reader);
    cr_assert(event != HTTP1_HEAD && event != HTTP1_BODY);
    cr_assert_eq(event == HTTP1_NEED_MORE, !in_message);
    if (event == HTTP1_DONE)
        replay_tell_message(run);
    else
        replay_event(run, event, (struct slice){0});
}

/* A fixed sequence per seed (the numbers of a linear congruence, upper bits). */
static size_t replay_next_len(struct cutting *cutting, size_t left)
{
    cutting->seed = cutting->seed * 1664525u + 1013904223u;
    size_t len = cutting->most == 0 ? left : 1 + (cutting->seed >> 8) % cutting->most;
    return len < left ? len : left;
}

static void replay_init(struct replay *run, const struct replay_opts *opts)
{
    *run = (struct replay){0};
    arena_init(&run->arena, 4096, 1 << 22);
    buf_init(&run->body, 1 << 24);
    buf_init(&run->told, 1 << 24);
    if (opts->is_response)
        http1_init_response(&run->reader, &run->arena, &opts->limits, opts->is_head_request);
    else
        http1_init_request(&run->reader, &run->arena, &opts->limits);
}

static void replay_done(struct replay *run)
{
    arena_done(&run->arena);
    buf_done(&run->body);
    buf_done(&run->told);
}

/* Runs `bytes` cut as `cutting` says; run->told has the text afterwards. */
static void replay_run(struct replay *run, const struct replay_opts *opts, struct slice bytes,
                       struct cutting cutting)
{
    replay_init(run, opts);
    while (bytes.len > 0 && !run->over) {
        size_t len = replay_next_len(&cutting, bytes.len);
        replay_feed(run, slice_of(bytes.data, len));
        bytes = slice_skip(bytes, len);
    }
    if (!run->over && opts->closed)
        replay_close(run);
    else if (!run->over && http1_in_message(&run->reader))
        replay_tell(run, "...");
}

static void replay_expect(const struct replay_opts *opts, const char *name, struct slice bytes,
                          const char *told, struct cutting cutting)
{
    struct replay run;
    replay_run(&run, opts, bytes, cutting);
    struct slice text = buf_slice(&run.told);
    cr_expect(slice_eq(text, slice_str(told)), "%s, pieces up to %zu, seed %u: %.*s, expected %s",
              name, cutting.most, cutting.seed, (int)text.len, text.data, told);
    replay_done(&run);
}

/* One case in every way of cutting. */
static inline void replay_case(const struct replay_opts *opts, const struct replay_case *test)
{
    replay_expect(opts, test->name, test->bytes, test->told, (struct cutting){0});
    replay_expect(opts, test->name, test->bytes, test->told, (struct cutting){.most = 1});
    for (uint32_t seed = 1; seed <= 10; seed++)
        replay_expect(opts, test->name, test->bytes, test->told,
                      (struct cutting){.most = 2 + 5 * seed, .seed = seed});
}

#define REPLAY_TABLE(opts, table)                                                                  \
    for (size_t row = 0; row < sizeof(table) / sizeof((table)[0]); row++)                          \
    replay_case((opts), &(table)[row])

#endif
