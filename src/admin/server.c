/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin listener's connections: one request after the other, everything on the main thread.
 * Slow clients are cut; there is no streaming, and bodies of requests are read and dropped, but for
 * the one that explain asks for.
 *
 *   bytes -> head -> (body, dropped) -> answer: a page at once, or an API call that ends later
 *              ^                                            | nothing is read meanwhile
 *              '--------------------------------------------'
 *
 * A connection that closes while its call is pending stays in memory until the call has ended.
 */
#include "api.h"

#include <stdlib.h>

#define ADMIN_ARENA_BYTES (64u * 1024)
#define ADMIN_BODY_BYTES                                                                           \
    (32u * 1024 * 1024)      /* ceiling of one answer: the metrics of thousands of routes, a body */
#define ADMIN_IDLE_MS 30000u /* between bytes, in either direction */
#define ADMIN_REQUEST_BYTES (64u * 1024) /* most of a request's body */

struct admin_conn {
    struct list link;
    struct admin *admin;
    struct stream stream;
    struct arena arena;
    struct http1_reader reader;
    struct deadline deadline;
    struct api_call call;
    struct buf unread;   /* bytes that came behind a request whose call is pending */
    uint64_t body_bytes; /* of the request at hand */
    size_t body_max;     /* of it, to be kept; 0: it is dropped */
    bool pending;        /* the call is with the archive, or the store */
    bool closing;        /* stream_close was called */
    bool closed;         /* and is done */
    bool finish_after;   /* close when the answer is out */
};

struct admin {
    struct admin_opts opts;
    struct http_limits limits;
    struct listener listener;
    struct list conns;
    size_t count;
    bool closed;
};

static void conn_close(struct admin_conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    deadline_clear(&conn->admin->opts.loop->deadlines, &conn->deadline);
    stream_close(&conn->stream);
}

static void on_deadline(struct deadline *deadline)
{
    conn_close(container_of(deadline, struct admin_conn, deadline));
}

static void touch(struct admin_conn *conn)
{
    struct loop *loop = conn->admin->opts.loop;
    deadline_set(&loop->deadlines, &conn->deadline, loop_now_ms(loop) + ADMIN_IDLE_MS);
}

/* ---- answers ---- */

static enum status write_optional_fields(struct buf *head, const struct page *page, bool close)
{
    enum status status = STATUS_OK;
    if (page->allow.len > 0)
        status = http1_write_field(head, SLICE("Allow"), page->allow);
    if (status == STATUS_OK && page->retry_after_s > 0)
        status = http1_write_field_u64(head, SLICE("Retry-After"), page->retry_after_s);
    if (status == STATUS_OK && page->challenge)
        status = buf_append(head, SLICE("WWW-Authenticate: Bearer\r\n"));
    if (status == STATUS_OK && page->attachment)
        status = buf_append(head, SLICE("Content-Disposition: attachment\r\n"));
    if (status == STATUS_OK && close)
        status = buf_append(head, SLICE("Connection: close\r\n"));
    return status;
}

static enum status write_head(struct buf *head, const struct page *page, size_t length, bool close)
{
    enum status status = http1_write_status_line(head, page->status);
    if (status == STATUS_OK)
        status = http1_write_field(head, SLICE("Content-Type"), page->type);
    if (status == STATUS_OK)
        status = http1_write_field_u64(head, SLICE("Content-Length"), length);
    if (status == STATUS_OK)
        status = buf_append(
            head, SLICE("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
    if (status == STATUS_OK)
        status = write_optional_fields(head, page, close);
    return status == STATUS_OK ? http1_write_head_end(head) : status;
}

static void send_page(struct admin_conn *conn, const struct page *page, struct buf *body,
                      bool is_head)
{
    struct buf head;
    buf_init(&head, 4096);
    struct slice parts[2] = {{0}, is_head ? SLICE("") : buf_slice(body)};
    enum send_status sent = SEND_LOST;
    if (write_head(&head, page, buf_len(body), conn->finish_after) == STATUS_OK) {
        parts[0] = buf_slice(&head);
        sent = stream_send(&conn->stream, parts, 2);
    }
    buf_done(&head);
    if (sent == SEND_LOST || sent == SEND_FULL || (sent == SEND_DONE && conn->finish_after))
        conn_close(conn);
}

/* Sends what the call made, and frees it. */
static void send_call(struct admin_conn *conn)
{
    send_page(conn, &conn->call.page, &conn->call.body,
              slice_eq(conn->reader.head.method, SLICE("HEAD")));
    buf_done(&conn->call.body);
}

static void end_request(struct admin_conn *conn)
{
    conn->body_bytes = 0;
    buf_done(&conn->call.request_body);
    arena_reset(&conn->arena);
    http1_reset(&conn->reader, &conn->arena, false);
}

/* Nothing more is read until the call is answered, which takes as long as archive or store bound
 * it. */
static void await_call(struct admin_conn *conn)
{
    conn->pending = true;
    deadline_clear(&conn->admin->opts.loop->deadlines, &conn->deadline);
    stream_read_stop(&conn->stream);
}

static void answer(struct admin_conn *conn)
{
    const struct http_head *head = &conn->reader.head;
    struct api_call *call = &conn->call;
    if (!head->keep_alive || conn->admin->closed)
        conn->finish_after = true;
    buf_init(&call->body, ADMIN_BODY_BYTES);
    if (!api_is_path(head->path)) {
        call->page = page_make(&conn->admin->opts, head, &call->body);
    } else if (api_begin(call) == OP_PENDING) {
        await_call(conn);
        return;
    }
    send_call(conn);
    end_request(conn);
}

/* The answer to what is refused as a request; the connection ends with it. */
static void refuse(struct admin_conn *conn, uint16_t status, const char *text)
{
    struct buf body;
    buf_init(&body, 1024);
    struct page page = {.status = status, .type = SLICE("text/plain")};
    conn->finish_after = true;
    if (buf_printf(&body, "%s\n", text) == STATUS_OK)
        send_page(conn, &page, &body, false);
    buf_done(&body);
    conn_close(conn);
}

/* ---- requests ---- */

static size_t body_limit(const struct admin_conn *conn)
{
    return conn->body_max > 0 ? conn->body_max : ADMIN_REQUEST_BYTES;
}

static void ask_for_body(struct admin_conn *conn)
{
    struct slice interim = SLICE("HTTP/1.1 100 Continue\r\n\r\n");
    enum send_status sent = stream_send(&conn->stream, &interim, 1);
    if (sent == SEND_LOST || sent == SEND_FULL)
        conn_close(conn);
}

/* A body that is announced too long, or that the sender holds back until it is asked for although
 * nobody wants it, is not waited for. */
static void check_body(struct admin_conn *conn)
{
    const struct http_head *head = &conn->reader.head;
    conn->body_max = api_body_max(&conn->call);
    conn->call.request_body.ceiling = conn->body_max;
    if (head->body == HTTP_BODY_SIZED && head->content_length > body_limit(conn))
        refuse(conn, 413, "no request here needs a body that long");
    else if (head->expect_continue && conn->body_max == 0)
        refuse(conn, 417, "no request here needs a body: send none");
    else if (head->expect_continue)
        ask_for_body(conn);
}

static void take_body(struct admin_conn *conn, struct slice piece)
{
    conn->body_bytes += piece.len;
    if (conn->body_bytes > body_limit(conn))
        refuse(conn, 413, "no request here needs a body that long");
    else if (conn->body_max > 0 && buf_append(&conn->call.request_body, piece) != STATUS_OK)
        refuse(conn, 503, "out of memory");
}

/* Takes requests from `*bytes` until they are used up, or a call is pending. */
static void take_requests(struct admin_conn *conn, struct slice *bytes)
{
    struct slice piece;
    while (!conn->closing && !conn->finish_after && !conn->pending) {
        switch (http1_next(&conn->reader, bytes, &piece)) {
        case HTTP1_NEED_MORE:
            return;
        case HTTP1_HEAD:
            check_body(conn);
            break;
        case HTTP1_BODY:
            take_body(conn, piece);
            break;
        case HTTP1_DONE:
            answer(conn);
            break;
        case HTTP1_FAULT:
            refuse(conn, http_fault_status(conn->reader.fault),
                   http_fault_text(conn->reader.fault));
            return;
        }
    }
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    touch(conn);
    take_requests(conn, &bytes);
    if (conn->pending && buf_append(&conn->unread, bytes) != STATUS_OK)
        conn_close(conn);
}

/* ---- connections ---- */

static void free_if_last(struct admin *admin)
{
    if (admin->closed && admin->count == 0)
        free(admin);
}

static void conn_free_if_over(struct admin_conn *conn)
{
    struct admin *admin = conn->admin;
    if (!conn->closed || conn->pending)
        return;
    list_remove(&conn->link);
    admin->count--;
    buf_done(&conn->call.body);
    buf_done(&conn->call.request_body);
    buf_done(&conn->unread);
    arena_done(&conn->arena);
    free(conn);
    free_if_last(admin);
}

/* Goes on with what came while the call was pending, then with the socket. */
static void resume(struct admin_conn *conn)
{
    struct slice bytes = buf_slice(&conn->unread);
    size_t len = bytes.len;
    touch(conn);
    take_requests(conn, &bytes);
    buf_consume(&conn->unread, len - bytes.len);
    if (!conn->pending && !conn->closing)
        stream_read_start(&conn->stream);
}

static void on_answered(struct api_call *call)
{
    struct admin_conn *conn = container_of(call, struct admin_conn, call);
    conn->pending = false;
    if (conn->closing) {
        conn_free_if_over(conn);
        return;
    }
    send_call(conn);
    end_request(conn);
    if (!conn->closing)
        resume(conn);
}

/* A client that has said all still gets the answer that is on its way. */
static void on_ended(struct stream *stream, enum stream_end end)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    if (end == STREAM_END_EOF && stream->backlog_bytes > 0)
        conn->finish_after = true;
    else
        conn_close(conn);
}

static void on_drained(struct stream *stream)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    if (conn->finish_after)
        conn_close(conn);
}

static void on_closed(struct stream *stream)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    conn->closed = true;
    conn_free_if_over(conn);
}

static const struct stream_handlers handlers = {
    .bytes = on_bytes,
    .ended = on_ended,
    .drained = on_drained,
    .closed = on_closed,
};

static struct admin_conn *conn_new(struct admin *admin)
{
    struct admin_conn *conn = calloc(1, sizeof *conn);
    size_t backlog = ADMIN_BODY_BYTES + ADMIN_ARENA_BYTES;
    if (!conn || stream_init(&conn->stream, admin->opts.loop, &handlers, backlog) != STATUS_OK) {
        free(conn);
        return NULL;
    }
    conn->admin = admin;
    conn->deadline.expired = on_deadline;
    arena_init(&conn->arena, 4096, ADMIN_ARENA_BYTES);
    buf_init(&conn->unread, STREAM_READ_BYTES);
    buf_init(&conn->call.request_body, 0);
    conn->call.opts = &admin->opts;
    conn->call.head = &conn->reader.head;
    conn->call.arena = &conn->arena;
    conn->call.answered = on_answered;
    http1_init_request(&conn->reader, &conn->arena, &admin->limits);
    list_push_back(&admin->conns, &conn->link);
    admin->count++;
    return conn;
}

static void on_pending(struct listener *listener)
{
    struct admin *admin = container_of(listener, struct admin, listener);
    struct admin_conn *conn = conn_new(admin);
    if (!conn)
        return;
    if (stream_accept(listener, &conn->stream) != STATUS_OK ||
        admin->count > ADMIN_MAX_CONNECTIONS) {
        conn_close(conn);
        return;
    }
    stream_read_start(&conn->stream);
    touch(conn);
}

enum status admin_open(const struct admin_opts *opts, struct admin **ret_admin)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return STATUS_NO_MEMORY;
    admin->opts = *opts;
    admin->limits = HTTP_LIMITS_DEFAULT;
    admin->listener.pending = on_pending;
    list_init(&admin->conns);
    enum status status = listener_open(&admin->listener, opts->loop, &opts->config->admin, 64);
    if (status != STATUS_OK) {
        free(admin);
        return status;
    }
    *ret_admin = admin;
    return STATUS_OK;
}

void admin_close(struct admin *admin)
{
    if (!admin)
        return;
    listener_close(&admin->listener);
    admin->closed = true;
    struct list *link = admin->conns.next;
    while (link != &admin->conns) {
        struct admin_conn *conn = container_of(link, struct admin_conn, link);
        link = link->next;
        conn_close(conn);
    }
    free_if_last(admin);
}
