/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of an upstream: connect, send one request, read its response, go back to the
 * pool. Drawn in upstream.c. A steady call costs here one send and one read, sets one deadline and
 * allocates nothing.
 *
 * A connection is kept only if nothing about it is in doubt: the request went out whole, the
 * response ended by its own framing and allowed it, and no byte came after it.
 */
#include "upstream_impl.h"

#include <assert.h>
#include <stdlib.h>

/* A response's head may be as large as a request's; responses have no target. */
static const struct http_limits response_limits = {
    .head_bytes = 32768, .fields = 100, .chunk_overhead_bytes = 16384};

static struct upstream_conn *conn_of(struct stream *stream)
{
    return container_of(stream, struct upstream_conn, stream);
}

static struct upstream_pool *pool_of(const struct upstream_conn *conn)
{
    return conn->endpoint->pool;
}

static bool anything_sent(const struct upstream_conn *conn)
{
    return conn->stream.sent_bytes != conn->sent_before_bytes;
}

struct upstream_call *conn_detach(struct upstream_conn *conn)
{
    struct upstream_call *call = conn->call;
    call->any_sent = anything_sent(conn);
    call->conn = NULL;
    conn->call = NULL;
    loop_undefer(&conn->resumed);
    return call;
}

static void leave_idle(struct upstream_conn *conn)
{
    if (list_is_empty(&conn->link))
        return;
    list_remove(&conn->link);
    pool_of(conn)->upstream.stats.idle--;
}

void conn_close(struct upstream_conn *conn)
{
    assert(!conn->call);
    leave_idle(conn);
    stream_close(&conn->stream);
}

static void on_closed(struct stream *stream)
{
    struct upstream_conn *conn = conn_of(stream);
    struct upstream_pool *pool = pool_of(conn);
    buf_done(&conn->held);
    free(conn);
    upstream_conn_gone(pool);
}

/* Closes the connection and ends its call. */
static void close_with(struct upstream_conn *conn, enum call_end end)
{
    struct upstream_call *call = conn_detach(conn);
    conn_close(conn);
    upstream_end(call, end);
}

/* Notes what TLS has against the peer, or the peer against us, if that is why. */
static void note_trouble(const struct upstream_conn *conn)
{
    struct upstream_stats *stats = &pool_of(conn)->upstream.stats;
    const char *trouble = stream_trouble(&conn->stream);
    if (trouble[0] == '\0')
        return;
    stats->tls_failures++;
    stats->tls_trouble = trouble;
}

void conn_connect_failed(struct upstream_conn *conn)
{
    struct endpoint *endpoint = conn->endpoint;
    note_trouble(conn);
    struct upstream_call *call = conn_detach(conn);
    resolver_avoid(&endpoint->resolver, &conn->address);
    conn_close(conn);
    endpoint->pool->upstream.stats.connect_failures++;
    upstream_try_elsewhere(call, endpoint);
}

/* The next piece of the request's body; empty when all was given. */
static struct slice next_piece(const struct upstream_conn *conn)
{
    struct slice rest = slice_skip(conn->call->body, conn->body_given);
    return slice_of(rest.data, rest.len < SEND_PIECE_BYTES ? rest.len : SEND_PIECE_BYTES);
}

/* Gives the body to the stream until that has a backlog. A connection that is lost now is left to
 * the reading side: an upstream that answers early (413) and closes has said so before. */
static enum send_status send_body(struct upstream_conn *conn)
{
    enum send_status status = SEND_DONE;
    struct slice piece;
    while (status == SEND_DONE && (piece = next_piece(conn)).len > 0) {
        status = stream_send(&conn->stream, &piece, 1);
        assert(status != SEND_FULL);
        conn->body_given += piece.len;
    }
    return status;
}

static enum send_status send_request(struct upstream_conn *conn)
{
    struct slice parts[] = {conn->call->head, buf_slice(&conn->endpoint->host_line),
                            next_piece(conn)};
    /* A handshake's last bytes may still wait. */
    conn->stream.backlog_ceiling = conn->stream.backlog_bytes + parts[0].len + parts[1].len +
                                   SEND_PIECE_BYTES;
    enum send_status status = stream_send(&conn->stream, parts, 3);
    assert(status != SEND_FULL);
    conn->body_given = parts[2].len;
    return status == SEND_DONE ? send_body(conn) : status;
}

/* Puts the call on the connection. False when the connection turned out to be lost before a byte
 * left; the two are then still together. */
static bool start(struct upstream_conn *conn, struct upstream_call *call)
{
    conn->call = call;
    call->conn = conn;
    upstream_enter(call, CALL_STATE_SENT, &pool_of(conn)->begun, upstream_timeout_ms(call));
    http1_init_response(&call->reader, call->arena, &response_limits, call->is_head_request);
    conn->head_told = false;
    conn->body_given = 0;
    conn->sent_before_bytes = conn->stream.sent_bytes;
    return send_request(conn) != SEND_LOST || anything_sent(conn);
}

bool conn_reuse(struct endpoint *endpoint, struct upstream_call *call)
{
    struct upstream_stats *stats = &endpoint->pool->upstream.stats;
    while (!list_is_empty(&endpoint->idle)) {
        struct upstream_conn *conn = container_of(endpoint->idle.next, struct upstream_conn, link);
        leave_idle(conn);
        if (start(conn, call)) {
            stats->reuses++;
            return true;
        }
        stats->restarts++;
        conn_detach(conn);
        conn_close(conn);
    }
    return false;
}

static void on_connected(struct stream *stream, enum status status)
{
    struct upstream_conn *conn = conn_of(stream);
    if (status == STATUS_OK) {
        upstream_note_success(conn->endpoint);
        if (upstream_has_lapsed(conn->call)) {
            close_with(conn, CALL_LAPSED);
            return;
        }
        stream_read_start(stream);
        if (start(conn, conn->call))
            return;
    }
    conn_connect_failed(conn);
}

static void on_drained(struct stream *stream)
{
    struct upstream_conn *conn = conn_of(stream);
    /* Lost: the reading side tells. */
    if (conn->call)
        (void)!send_body(conn);
}

static bool may_be_kept(const struct upstream_conn *conn)
{
    const struct upstream_pool *pool = pool_of(conn);
    const struct http_head *head = &conn->call->reader.head;
    bool sent = conn->body_given == conn->call->body.len && conn->stream.backlog_bytes == 0 &&
                !conn->stream.lost;
    return sent && head->keep_alive && head->body != HTTP_BODY_TO_CLOSE && !pool->closing &&
           pool->upstream.stats.idle < pool->opts->idle_max;
}

static void enter_idle(struct upstream_conn *conn)
{
    struct upstream_pool *pool = pool_of(conn);
    conn->idle_since_ms = loop_now_ms(pool->loop);
    list_push_front(&conn->endpoint->idle, &conn->link);
    pool->upstream.stats.idle++;
    stream_read_start(&conn->stream); /* the call may have ended right after a pause */
    if (!deadline_is_set(&pool->idle_expiry))
        deadline_set(&pool->loop->deadlines, &pool->idle_expiry,
                     conn->idle_since_ms + pool->opts->idle_timeout_ms);
}

/* The response is complete; `surplus`: bytes follow that nobody asked for. */
static void finish(struct upstream_conn *conn, bool surplus)
{
    bool keep = !surplus && may_be_kept(conn);
    struct upstream_call *call = conn_detach(conn);
    if (keep)
        enter_idle(conn);
    else
        conn_close(conn);
    upstream_end(call, CALL_COMPLETE);
}

/* The response goes on: its next piece has its own time. The head has not, or an upstream could
 * send it byte by byte for ever. */
static void expect_more(struct upstream_conn *conn)
{
    struct loop *loop = pool_of(conn)->loop;
    if (conn->head_told)
        deadline_set(&loop->deadlines, &conn->call->deadline,
                     loop_now_ms(loop) + upstream_timeout_ms(conn->call));
}

/* Tells the call what `input` holds, until it pauses. Returns what wasn't told then. The call may
 * be cancelled, or end and be another's, in any callback. */
static struct slice deliver(struct upstream_conn *conn, struct slice input)
{
    struct upstream_call *call = conn->call;
    struct slice piece;
    while (conn->call == call && !call->paused) {
        switch (http1_next(&call->reader, &input, &piece)) {
        case HTTP1_NEED_MORE:
            expect_more(conn);
            return input;
        case HTTP1_HEAD:
            conn->head_told = true;
            call->on->head(call);
            break;
        case HTTP1_BODY:
            call->on->body(call, piece);
            break;
        case HTTP1_DONE:
            finish(conn, input.len > 0);
            return slice_of(NULL, 0);
        case HTTP1_FAULT:
            close_with(conn, call->reader.fault == HTTP_FAULT_NO_MEMORY ? CALL_NO_MEMORY
                                                                        : CALL_BAD_RESPONSE);
            return slice_of(NULL, 0);
        }
    }
    return input;
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct upstream_conn *conn = conn_of(stream);
    if (!conn->call) { /* idle, and nobody asked */
        conn_close(conn);
        return;
    }
    struct slice rest = deliver(conn, bytes);
    if (rest.len > 0 && conn->call && buf_append(&conn->held, rest) != STATUS_OK)
        close_with(conn, CALL_NO_MEMORY);
}

void conn_pause(struct upstream_conn *conn)
{
    stream_read_stop(&conn->stream);
}

void conn_resume(struct upstream_conn *conn)
{
    loop_defer(pool_of(conn)->loop, &conn->resumed);
}

static void on_resumed(struct loop_hook *hook)
{
    struct upstream_conn *conn = container_of(hook, struct upstream_conn, resumed);
    struct upstream_call *call = conn->call;
    struct slice held = buf_slice(&conn->held);
    struct slice rest = deliver(conn, held);
    buf_consume(&conn->held, held.len - rest.len);
    if (buf_len(&conn->held) == 0)
        buf_done(&conn->held);
    if (conn->call == call && !call->paused)
        stream_read_start(&conn->stream);
}

static void on_ended(struct stream *stream, enum stream_end end)
{
    struct upstream_conn *conn = conn_of(stream);
    struct upstream_call *call = conn->call;
    if (!call)
        conn_close(conn);
    else if (end == STREAM_END_EOF && http1_end(&call->reader) == HTTP1_DONE)
        close_with(conn, CALL_COMPLETE);
    else if (anything_sent(conn)) {
        note_trouble(conn);
        close_with(conn, CALL_BROKEN);
    } else {
        pool_of(conn)->upstream.stats.restarts++;
        conn_connect_failed(conn);
    }
}

static const struct stream_handlers conn_handlers = {
    .connected = on_connected,
    .bytes = on_bytes,
    .ended = on_ended,
    .drained = on_drained,
    .closed = on_closed,
};

static enum status connect_stream(struct upstream_conn *conn)
{
    struct endpoint *endpoint = conn->endpoint;
    enum status status = STATUS_OK;
    conn->address = *resolver_next(&endpoint->resolver);
    if (endpoint->opts->secure)
        status =
            stream_secure(&conn->stream, pool_of(conn)->opts->tls_context, endpoint->opts->host);
    if (status == STATUS_OK)
        status = stream_connect(&conn->stream, &conn->address);
    return status;
}

enum status conn_open(struct endpoint *endpoint, struct upstream_call *call)
{
    struct upstream_pool *pool = endpoint->pool;
    struct upstream_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return STATUS_NO_MEMORY;
    conn->endpoint = endpoint;
    conn->resumed.run = on_resumed;
    buf_init(&conn->held, STREAM_READ_BYTES);
    enum status status = stream_init(&conn->stream, pool->loop, &conn_handlers, 0);
    if (status != STATUS_OK) {
        free(conn);
        return status;
    }
    pool->conn_count++;
    status = connect_stream(conn);
    if (status != STATUS_OK) {
        conn_close(conn);
        return status;
    }
    pool->upstream.stats.connects++;
    conn->call = call;
    call->conn = conn;
    upstream_enter(call, CALL_STATE_CONNECTING, &pool->begun, pool->opts->connect_timeout_ms);
    return STATUS_OK;
}

/* Closes what of this endpoint has been idle until now; the longest idle is last. Returns when the
 * next one is due. */
static uint64_t expire_endpoint(struct endpoint *endpoint)
{
    const struct upstream_pool *pool = endpoint->pool;
    while (!list_is_empty(&endpoint->idle)) {
        struct upstream_conn *oldest =
            container_of(endpoint->idle.prev, struct upstream_conn, link);
        uint64_t due_ms = oldest->idle_since_ms + pool->opts->idle_timeout_ms;
        if (due_ms > loop_now_ms(pool->loop))
            return due_ms;
        conn_close(oldest);
    }
    return UINT64_MAX;
}

void conn_expire_idle(struct deadline *deadline)
{
    struct upstream_pool *pool = container_of(deadline, struct upstream_pool, idle_expiry);
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < pool->opts->endpoint_count; i++) {
        uint64_t due_ms = expire_endpoint(&pool->endpoints[i]);
        if (due_ms < next_ms)
            next_ms = due_ms;
    }
    if (next_ms != UINT64_MAX)
        deadline_set(&pool->loop->deadlines, deadline, next_ms);
}
