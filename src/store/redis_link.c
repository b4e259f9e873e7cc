/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a link to Redis. hiredis is only its codec: redisReader takes the bytes of our own
 * stream apart, without an allocation per reply.
 *
 *   WAITING --time--> RESOLVING --address--> CONNECTING --connected--> SETTING_UP --ready--> UP
 *      ^                  |                       |                        |                 |
 *      |<-----------------+                       +--------- drop ---------+-----------------+
 *      |                                                      v
 *      +------------------- closed ----------------------- CLOSING
 *
 * The fence: commands that lie unread in a frozen server's socket are run when it thaws, although
 * the connection is gone for us, possibly after what the next connection sends. Therefore the first
 * command of a new connection ends the one before it on the same server process (CLIENT KILL ID);
 * after that, nothing of it can run. Where an ACL forbids that, the leases of claims bound the
 * harm.
 */
#include "redis_link.h"

#include "resp.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <string.h>

/* ---- replies ---- */

/* hiredis moves its bytes on before it hands a reply over. Without memory the text is cut. */
static struct slice keep_text(struct redis_link *link, struct slice text)
{
    buf_clear(&link->long_text);
    if (text.len > sizeof link->text && buf_append(&link->long_text, text) == STATUS_OK)
        return buf_slice(&link->long_text);
    size_t len = text.len < sizeof link->text ? text.len : sizeof link->text;
    if (len > 0)
        memcpy(link->text, text.data, len);
    return slice_of(link->text, len);
}

/* hiredis makes "objects": ours is always the link's one reply. Elements of an array don't touch
 * it, so that an array stays REDIS_OTHER whatever it holds. */
static void *make_reply(const redisReadTask *task, enum redis_reply_type type, struct slice text,
                        int64_t integer)
{
    struct redis_link *link = task->privdata;
    if (task->parent)
        return &link->reply;
    link->reply =
        (struct redis_reply){.type = type, .integer = integer, .text = keep_text(link, text)};
    link->reply.cut = link->reply.text.len < text.len;
    return &link->reply;
}

static void *make_string(const redisReadTask *task, char *data, size_t len)
{
    enum redis_reply_type type = REDIS_OTHER;
    if (task->type == REDIS_REPLY_STRING)
        type = REDIS_STRING;
    else if (task->type == REDIS_REPLY_STATUS)
        type = REDIS_STATUS;
    else if (task->type == REDIS_REPLY_ERROR)
        type = REDIS_ERROR;
    return make_reply(task, type, slice_of(data, len), 0);
}

#if HIREDIS_MAJOR >= 1
static void *make_array(const redisReadTask *task, size_t elements)
#else
static void *make_array(const redisReadTask *task, int elements)
#endif
{
    (void)elements;
    return make_reply(task, REDIS_OTHER, SLICE(""), 0);
}

static void *make_integer(const redisReadTask *task, long long number)
{
    return make_reply(task, REDIS_INTEGER, SLICE(""), number);
}

/* "$-1" only: the null array of a broken proxy must not read as "no such key". */
static void *make_nil(const redisReadTask *task)
{
    enum redis_reply_type type = task->type == REDIS_REPLY_STRING ? REDIS_NIL : REDIS_OTHER;
    return make_reply(task, type, SLICE(""), 0);
}

static void free_nothing(void *object)
{
    (void)object;
}

/* What is not set here (RESP3 types) leaves a non-object behind, which next_reply notices. */
static redisReplyObjectFunctions reply_functions = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
    .freeObject = free_nothing,
};

static bool reader_open(struct redis_link *link)
{
    redisReader *reader = redisReaderCreateWithFunctions(&reply_functions);
    if (!reader)
        return false;
    reader->privdata = link;
    reader->maxbuf = 2 * STREAM_READ_BYTES; /* or each full read would allocate anew */
    link->reader = reader;
    return true;
}

static void reader_close(struct redis_link *link)
{
    if (link->reader)
        redisReaderFree(link->reader);
    link->reader = NULL;
}

enum next { NEXT_REPLY, NEXT_NONE, NEXT_BROKEN };

/* Takes the next whole reply into link->reply. */
static enum next next_reply(struct redis_link *link)
{
    void *object = NULL;
    redisReader *reader = link->reader;
    if (redisReaderGetReply(reader, &object) != REDIS_OK)
        return NEXT_BROKEN;
    if (!object)
        return reader->len - reader->pos > REDIS_REPLY_MAX ? NEXT_BROKEN : NEXT_NONE;
    return object == &link->reply ? NEXT_REPLY : NEXT_BROKEN;
}

/* ---- writing ---- */

/* Sends what gathered; what does not fit the stream's backlog goes when it has drained. */
static void flush(struct redis_link *link)
{
    struct slice bytes = buf_slice(&link->out);
    if (bytes.len == 0)
        return;
    switch (stream_send(&link->stream, &bytes, 1)) {
    case SEND_DONE:
    case SEND_BACKLOG:
        buf_clear(&link->out);
        buf_trim(&link->out, REDIS_OUT_KEEP);
        break;
    case SEND_FULL:
        break;
    case SEND_LOST:
        redis_link_drop(link, REDIS_FINDING_NONE, SLICE("connection lost while sending"));
        break;
    }
}

static void run_flush(struct loop_hook *hook)
{
    flush(container_of(hook, struct redis_link, flush));
}

char *redis_link_reserve(struct redis_link *link, size_t size)
{
    return redis_link_is_up(link) ? buf_reserve(&link->out, size) : NULL;
}

void redis_link_commit(struct redis_link *link, size_t size)
{
    buf_commit(&link->out, size);
    loop_defer(link->loop, &link->flush);
}

/* ---- up ---- */

/* Ends the connection that was up before, if it was to this very server process. */
static void send_fence(struct redis_link *link)
{
    static const char head[] = "*4\r\n$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n";
    link->fence_unanswered = false;
    if (link->fenced_client_id <= 0 ||
        memcmp(link->fenced_run_id, link->setup.run_id, sizeof link->fenced_run_id) != 0)
        return;
    char *start = redis_link_reserve(link, sizeof head + resp_bulk_max(RESP_NUMBER_MAX));
    if (!start)
        return;
    char *at = resp_raw(start, slice_of(head, sizeof head - 1));
    at = resp_number(at, (uint64_t)link->fenced_client_id);
    redis_link_commit(link, (size_t)(at - start));
    link->fence_unanswered = true;
}

static void come_up(struct redis_link *link)
{
    link->state = LINK_UP;
    link->up_since_ms = loop_now_ms(link->loop);
    link->ups++;
    deadline_clear(&link->loop->deadlines, &link->deadline);
    send_fence(link);
    memcpy(link->fenced_run_id, link->setup.run_id, sizeof link->fenced_run_id);
    link->fenced_client_id = link->setup.client_id;
    link->on->up(link, link->setup.finding, slice_str(link->setup.detail));
}

static void take_setup_reply(struct redis_link *link)
{
    switch (redis_setup_take(&link->setup, &link->reply)) {
    case SETUP_MORE:
        break;
    case SETUP_READY:
        come_up(link);
        break;
    case SETUP_FAILED:
        redis_link_drop(link, link->setup.finding, slice_str(link->setup.detail));
        break;
    }
}

static void take_reply(struct redis_link *link)
{
    if (link->state == LINK_SETTING_UP)
        take_setup_reply(link);
    else if (link->fence_unanswered)
        link->fence_unanswered = false; /* a refusal (ACL, no such client) is as good as an OK */
    else
        link->on->replied(link, &link->reply);
}

static bool is_reading(const struct redis_link *link)
{
    return link->state == LINK_SETTING_UP || link->state == LINK_UP;
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct redis_link *link = container_of(stream, struct redis_link, stream);
    enum next next = NEXT_REPLY;
    if (!is_reading(link))
        return;
    if (redisReaderFeed(link->reader, bytes.data, bytes.len) != REDIS_OK)
        next = NEXT_BROKEN;
    /* Whoever takes a reply may drop or close the link. */
    while (next == NEXT_REPLY && is_reading(link)) {
        next = next_reply(link);
        if (next == NEXT_REPLY)
            take_reply(link);
    }
    buf_trim(&link->long_text, REDIS_TEXT_MAX);
    if (next == NEXT_BROKEN)
        redis_link_drop(link, REDIS_FINDING_NONE, SLICE("protocol error"));
}

/* ---- connecting ---- */

static void set_deadline(struct redis_link *link, uint64_t span_ms)
{
    deadline_set(&link->loop->deadlines, &link->deadline, loop_now_ms(link->loop) + span_ms);
}

static void fail(struct redis_link *link, const char *reason)
{
    redis_link_drop(link, REDIS_FINDING_NONE, slice_str(reason));
}

/* TLS knows better why than we do. */
static const char *trouble_or(const struct stream *stream, const char *reason)
{
    const char *trouble = stream_trouble(stream);
    return trouble[0] ? trouble : reason;
}

static void on_connected(struct stream *stream, enum status status)
{
    struct redis_link *link = container_of(stream, struct redis_link, stream);
    if (status != STATUS_OK) {
        fail(link, trouble_or(stream, "connect failed"));
        return;
    }
    set_deadline(link, link->opts->timeout_ms);
    link->state = LINK_SETTING_UP;
    if (!reader_open(link) || redis_setup_begin(&link->setup, link->opts, link->scripts,
                                                link->script_count, &link->out) != STATUS_OK) {
        fail(link, "out of memory");
        return;
    }
    loop_defer(link->loop, &link->flush);
    stream_read_start(stream);
}

static void on_ended(struct stream *stream, enum stream_end end)
{
    fail(container_of(stream, struct redis_link, stream),
         trouble_or(stream, end == STREAM_END_EOF ? "closed by the server" : "connection reset"));
}

static void on_drained(struct stream *stream)
{
    flush(container_of(stream, struct redis_link, stream));
}

static void finish_close(struct redis_link *link)
{
    reader_close(link);
    buf_done(&link->out);
    buf_done(&link->long_text);
    link->on->closed(link);
}

static void wait_for_retry(struct redis_link *link)
{
    link->state = LINK_WAITING;
    set_deadline(link, backoff_next_ms(&link->backoff));
}

static void on_closed(struct stream *stream)
{
    struct redis_link *link = container_of(stream, struct redis_link, stream);
    reader_close(link);
    if (link->closing)
        finish_close(link);
    else
        wait_for_retry(link);
}

static const struct stream_handlers stream_handlers = {
    .connected = on_connected,
    .bytes = on_bytes,
    .ended = on_ended,
    .drained = on_drained,
    .closed = on_closed,
};

static enum status open_stream(struct redis_link *link)
{
    const struct redis_opts *opts = link->opts;
    enum status status =
        stream_init(&link->stream, link->loop, &stream_handlers, REDIS_OUT_CEILING);
    if (status == STATUS_OK && opts->tls_context)
        status = stream_secure(&link->stream, opts->tls_context, opts->host);
    if (status == STATUS_OK)
        status = stream_connect(&link->stream, resolver_next(&link->resolver));
    return status;
}

/* There is an address. */
static void begin_connect(struct redis_link *link)
{
    link->state = LINK_CONNECTING;
    if (open_stream(link) != STATUS_OK)
        fail(link, "no socket");
}

static void begin_attempt(struct redis_link *link)
{
    link->state = LINK_RESOLVING;
    set_deadline(link, link->opts->timeout_ms);
    if (resolver_refresh(&link->resolver))
        begin_connect(link);
}

static void on_resolved(struct resolver *resolver)
{
    struct redis_link *link = container_of(resolver, struct redis_link, resolver);
    if (link->state != LINK_RESOLVING)
        return; /* only freshened */
    if (resolver->count > 0)
        begin_connect(link);
    else
        fail(link, "host name not found");
}

static void on_deadline(struct deadline *deadline)
{
    struct redis_link *link = container_of(deadline, struct redis_link, deadline);
    if (link->state == LINK_WAITING)
        begin_attempt(link);
    else
        fail(link, link->state == LINK_SETTING_UP ? "set-up timed out" : "connect timed out");
}

/* ---- the ends ---- */

/* Leaves the current state; afterwards no more is read, written or timed. */
static void detach(struct redis_link *link)
{
    deadline_clear(&link->loop->deadlines, &link->deadline);
    loop_undefer(&link->flush);
    buf_clear(&link->out);
    if (link->stream.open) {
        link->state = LINK_CLOSING;
        stream_close(&link->stream);
    }
}

void redis_link_drop(struct redis_link *link, enum redis_finding finding, struct slice reason)
{
    assert(link->state != LINK_CLOSING && link->state != LINK_WAITING);
    if (link->state == LINK_UP && loop_now_ms(link->loop) - link->up_since_ms >= REDIS_STEADY_MS)
        backoff_reset(&link->backoff);
    detach(link);
    if (link->state != LINK_CLOSING)
        wait_for_retry(link);
    link->on->down(link, finding, reason);
}

static void run_finish_close(struct loop_hook *hook)
{
    finish_close(container_of(hook, struct redis_link, flush));
}

void redis_link_close(struct redis_link *link)
{
    link->closing = true;
    resolver_done(&link->resolver);
    detach(link);
    if (link->state == LINK_CLOSING)
        return;
    link->state = LINK_CLOSING;
    link->flush.run = run_finish_close;
    loop_defer(link->loop, &link->flush);
}

enum status redis_link_open(struct redis_link *link, struct loop *loop,
                            const struct redis_opts *opts, struct redis_script *scripts,
                            size_t script_count, const struct redis_link_handlers *on)
{
    *link = (struct redis_link){
        .on = on,
        .loop = loop,
        .opts = opts,
        .scripts = scripts,
        .script_count = script_count,
        .flush = {.run = run_flush},
        .deadline = {.expired = on_deadline},
    };
    enum status status = resolver_init(&link->resolver, loop, opts->host, opts->port, on_resolved);
    if (status != STATUS_OK)
        return status;
    buf_init(&link->out, REDIS_OUT_CEILING);
    buf_init(&link->long_text, REDIS_REPLY_MAX);
    link->state = LINK_WAITING;
    set_deadline(link, 0);
    return STATUS_OK;
}
