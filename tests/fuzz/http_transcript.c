/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See http_transcript.h. Each piece lies in a block of its own that is overwritten after use, as a
 * connection's read buffer is; heads are written down at the end of their message, when the blocks
 * they came in are gone.
 */
#include "http_transcript.h"

#define ARENA_CEILING ((size_t)1 << 20)
#define TOLD_CEILING ((size_t)1 << 26)

struct run {
    const struct transcript_opts *opts;
    struct http1_reader reader;
    struct arena arena;
    struct buf body, *told;
    bool headed; /* the message at hand has told its head */
    bool over;   /* a fault came */
};

static void tell(struct run *run, struct slice bytes)
{
    FUZZ_CHECK(buf_append(run->told, bytes) == STATUS_OK);
}

static void tell_number(struct run *run, const char *name, uint64_t number)
{
    FUZZ_CHECK(buf_printf(run->told, "%s%llu", name, (unsigned long long)number) == STATUS_OK);
}

static void tell_part(struct run *run, const char *name, struct slice part)
{
    tell_number(run, name, part.len);
    tell(run, SLICE(":"));
    tell(run, part);
}

static void tell_head(struct run *run)
{
    const struct http_head *head = &run->reader.head;
    if (run->reader.is_response) {
        tell_number(run, "\nstatus ", head->status);
    } else {
        tell_part(run, "\nmethod ", head->method);
        tell_part(run, " target ", head->target);
        tell_part(run, " path ", head->path);
        tell_part(run, " query ", head->query);
        tell_part(run, " host ", head->host);
    }
    tell_number(run, " minor ", head->minor);
    tell_number(run, " keep ", head->keep_alive);
    tell_number(run, " expect ", head->expect_continue);
    tell_number(run, " body ", head->body);
    tell_number(run, " length ", head->content_length);
    for (size_t i = 0; i < head->field_count; i++) {
        tell_part(run, "\n", head->fields[i].name);
        tell_part(run, " ", head->fields[i].value);
        tell_number(run, " id ", head->fields[i].id);
        tell_number(run, " hop ", head->fields[i].hop_by_hop);
    }
}

/* What holds of every head that was accepted. */
static void check_head(const struct run *run)
{
    const struct http_head *head = &run->reader.head;
    FUZZ_CHECK(head->minor <= 1 && head->field_count <= run->opts->limits.fields);
    FUZZ_CHECK((head->body == HTTP_BODY_SIZED) || head->content_length == 0 ||
               run->reader.is_response);
    FUZZ_CHECK(head->content_length <= INT64_MAX);
    if (!run->reader.is_response)
        FUZZ_CHECK(head->body != HTTP_BODY_TO_CLOSE && head->target.len > 0 &&
                   head->target.data[0] == '/' &&
                   head->target.len <= run->opts->limits.target_bytes + 1);
    else
        FUZZ_CHECK(head->status >= 200 && head->status <= 599);
}

static void finish_message(struct run *run)
{
    tell_head(run);
    tell_part(run, "\nbody ", buf_slice(&run->body));
    if (run->opts->message)
        run->opts->message(&run->reader.head, buf_slice(&run->body));
    buf_clear(&run->body);
    run->headed = false;
}

/* A head that breaks several rules is refused for the one that is seen first, and that depends on
 * how much of it is there: a bare CR in a target that is too long. */
static void tell_fault(struct run *run)
{
    if (run->headed)
        tell_number(run, "\nfault ", run->reader.fault);
    else
        tell(run, SLICE("\nhead refused"));
}

static void take_event(struct run *run, enum http1_event event, struct slice piece)
{
    switch (event) {
    case HTTP1_HEAD:
        FUZZ_CHECK(!run->headed);
        run->headed = true;
        check_head(run);
        break;
    case HTTP1_BODY:
        FUZZ_CHECK(run->headed && piece.len > 0);
        FUZZ_CHECK(buf_append(&run->body, piece) == STATUS_OK);
        break;
    case HTTP1_DONE:
        FUZZ_CHECK(run->headed && !http1_in_message(&run->reader));
        finish_message(run);
        http1_reset(&run->reader, &run->arena, run->reader.no_body_expected);
        break;
    case HTTP1_FAULT:
        FUZZ_CHECK(run->reader.fault > HTTP_FAULT_NONE && run->reader.fault < HTTP_FAULTS);
        FUZZ_CHECK(http_fault_status(run->reader.fault) >= 400);
        tell_fault(run);
        run->over = true;
        break;
    case HTTP1_NEED_MORE:
        break;
    }
}

static void feed(struct run *run, struct slice bytes)
{
    char *block = fuzz_block(bytes);
    struct slice input = slice_of(block, bytes.len);
    enum http1_event event = HTTP1_HEAD;
    while (!run->over && event != HTTP1_NEED_MORE) {
        struct slice piece = {0};
        event = http1_next(&run->reader, &input, &piece);
        take_event(run, event, piece);
    }
    FUZZ_CHECK(run->over || input.len == 0);
    memset(block, 'Z', bytes.len);
    free(block);
}

static void close_peer(struct run *run)
{
    bool in_message = http1_in_message(&run->reader);
    enum http1_event event = http1_end(&run->reader);
    FUZZ_CHECK((event == HTTP1_NEED_MORE) == !in_message);
    if (event == HTTP1_DONE)
        finish_message(run);
    else
        take_event(run, event, (struct slice){0});
}

static void begin(struct run *run)
{
    const struct transcript_opts *opts = run->opts;
    arena_init(&run->arena, 4096, ARENA_CEILING);
    buf_init(&run->body, TOLD_CEILING);
    if (opts->is_response)
        http1_init_response(&run->reader, &run->arena, &opts->limits, opts->is_head_request);
    else
        http1_init_request(&run->reader, &run->arena, &opts->limits);
}

void transcript_write(const struct transcript_opts *opts, struct slice bytes, struct buf *told)
{
    struct run run = {.opts = opts, .told = told};
    struct fuzz_cutting cutting = opts->cutting;
    begin(&run);
    while (bytes.len > 0 && !run.over) {
        size_t len = fuzz_piece_len(&cutting, bytes.len);
        feed(&run, slice_of(bytes.data, len));
        bytes = slice_skip(bytes, len);
    }
    if (!run.over)
        close_peer(&run);
    /* A body that a fault cut short: what was handed on of it is part of the story. */
    tell_part(&run, "\nleft ", buf_slice(&run.body));
    buf_done(&run.body);
    arena_done(&run.arena);
}

void transcript_compare(const struct transcript_opts *opts, struct slice bytes, uint32_t seed)
{
    const struct fuzz_cutting cuttings[] = {
        {.most = 1}, {.most = 7, .seed = seed}, {.most = 97, .seed = ~seed}};
    struct transcript_opts cut = *opts;
    struct buf whole;
    struct buf pieces;
    cut.message = NULL;
    buf_init(&whole, TOLD_CEILING);
    buf_init(&pieces, TOLD_CEILING);
    transcript_write(opts, bytes, &whole);
    for (size_t i = 0; i < sizeof cuttings / sizeof cuttings[0]; i++) {
        cut.cutting = cuttings[i];
        buf_clear(&pieces);
        transcript_write(&cut, bytes, &pieces);
        FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    }
    buf_done(&whole);
    buf_done(&pieces);
}

struct http_limits transcript_limits(bool small)
{
    if (small)
        return (struct http_limits){
            .head_bytes = 160, .target_bytes = 24, .fields = 6, .chunk_overhead_bytes = 48};
    return HTTP_LIMITS_DEFAULT;
}
