/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin listener's connections: one request after the other, small answers, everything on the
 * main thread. Slow clients are cut; there is no streaming and no body.
 */
#include "pages.h"

#include <stdlib.h>

#define ADMIN_ARENA_BYTES (64u * 1024)
#define ADMIN_BODY_BYTES                                                                           \
    (32u * 1024 * 1024)      /* ceiling of one answer: the metrics of thousands of routes */
#define ADMIN_IDLE_MS 30000u /* between bytes, in either direction */

struct admin_conn {
    struct list link;
    struct admin *admin;
    struct stream stream;
    struct arena arena;
    struct http1_reader reader;
    struct deadline deadline;
    bool closing;      /* stream_close was called */
    bool finish_after; /* close when the answer is out */
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
    if (status == STATUS_OK && page->challenge)
        status = buf_append(head, SLICE("WWW-Authenticate: Bearer\r\n"));
    if (status == STATUS_OK && close)
        status = buf_append(head, SLICE("Connection: close\r\n"));
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

static void answer(struct admin_conn *conn)
{
    const struct http_head *head = &conn->reader.head;
    struct buf body;
    buf_init(&body, ADMIN_BODY_BYTES);
    conn->finish_after = !head->keep_alive || head->body != HTTP_BODY_NONE || conn->admin->closed;
    struct page page = page_make(&conn->admin->opts, head, &body);
    send_page(conn, &page, &body, slice_eq(head->method, SLICE("HEAD")));
    buf_done(&body);
}

static void answer_fault(struct admin_conn *conn)
{
    struct buf body;
    buf_init(&body, 1024);
    struct page page = {.status = http_fault_status(conn->reader.fault),
                        .type = SLICE("text/plain")};
    conn->finish_after = true;
    if (buf_printf(&body, "%s\n", http_fault_text(conn->reader.fault)) == STATUS_OK)
        send_page(conn, &page, &body, false);
    buf_done(&body);
    conn_close(conn);
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    struct slice piece;
    touch(conn);
    while (!conn->closing && !conn->finish_after) {
        switch (http1_next(&conn->reader, &bytes, &piece)) {
        case HTTP1_NEED_MORE:
            return;
        case HTTP1_HEAD:
            answer(conn);
            break;
        case HTTP1_BODY:
            break;
        case HTTP1_DONE:
            arena_reset(&conn->arena);
            http1_reset(&conn->reader, &conn->arena, false);
            break;
        case HTTP1_FAULT:
            answer_fault(conn);
            return;
        }
    }
}

static void on_ended(struct stream *stream, enum stream_end end)
{
    (void)end;
    conn_close(container_of(stream, struct admin_conn, stream));
}

static void on_drained(struct stream *stream)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    if (conn->finish_after)
        conn_close(conn);
}

static void free_if_last(struct admin *admin)
{
    if (admin->closed && admin->count == 0)
        free(admin);
}

static void on_closed(struct stream *stream)
{
    struct admin_conn *conn = container_of(stream, struct admin_conn, stream);
    struct admin *admin = conn->admin;
    list_remove(&conn->link);
    admin->count--;
    arena_done(&conn->arena);
    free(conn);
    free_if_last(admin);
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
