/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client connection's life:
 *
 *   accepted -> IDLE -bytes-> HEAD -head-> BODY -complete-> BUSY -answered-> IDLE …
 *        \     ^                \            \               \
 *      ARRIVING                  '------------'---------------'- last answer -> LINGER -> closed
 *
 * ARRIVING only where a PROXY header or TLS comes first; who the client is, is known after it.
 *
 * While BUSY, bytes of pipelined requests are kept (one read at most, then reading stops), so that
 * answers leave in the order of the requests. After an answer that ends the connection, what the
 * client still sends is read and thrown away for a moment (LINGER): closing with unread bytes would
 * reset the connection and may destroy the answer on its way (RFC 9112 9.6).
 */
#include "conn.h"
#include "exchange.h"
#include "fault_outcome.h"

#include <stdlib.h>

#define LINGER_MS 2000u /* how long a closing connection is read on */
/* And how much: a sender that writes its whole body before it reads has to find the answer, and
 * most bodies over a limit are not over it by far. */
#define LINGER_BYTES (16u * 1024 * 1024)
#define PIPELINE_BYTES                                                                             \
    (2 *                                                                                           \
     STREAM_READ_BYTES) /* ceiling of kept bytes: one read beyond the one that stopped reading */

enum conn_state {
    CONN_ARRIVING,
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_BUSY,
    CONN_LINGER,
    CONN_CLOSED
};

struct conn {
    struct client client;
    struct list link; /* gateway->conns */
    struct gateway *gateway;
    struct exchange *ex; /* from the first byte of a request to its answer */
    enum conn_state state;
    bool feeding;      /* inside conn_feed: an answer given meanwhile goes on there */
    bool peer_done;    /* FIN seen: no further request, answers may still be read */
    bool request_over; /* the present request was read to its end */
    uint32_t address_len;
    char address[ADDRESS_TEXT_SIZE];
    size_t lingered_bytes;
    struct deadline deadline;
    struct buf kept; /* pipelined bytes */
    struct http1_reader reader;
    struct stream stream;
};

static void conn_feed(struct conn *conn, struct slice input);

/* ---- ending ---- */

static void set_deadline(struct conn *conn, uint32_t in_ms)
{
    struct loop *loop = conn->gateway->loop;
    deadline_set(&loop->deadlines, &conn->deadline, loop_now_ms(loop) + in_ms);
}

static void leave_exchange(struct conn *conn)
{
    struct exchange *ex = conn->ex;
    conn->ex = NULL;
    if (ex)
        exchange_client_gone(ex);
}

static void leave(struct conn *conn, void (*end_stream)(struct stream *stream))
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    deadline_clear(&conn->gateway->loop->deadlines, &conn->deadline);
    leave_exchange(conn);
    end_stream(&conn->stream);
}

static void conn_close(struct conn *conn)
{
    leave(conn, stream_close);
}

static void conn_abort(struct conn *conn)
{
    leave(conn, stream_abort);
}

/* The last answer is out: nothing more is served. */
static void conn_linger(struct conn *conn)
{
    if (conn->peer_done) {
        conn_close(conn);
        return;
    }
    conn->state = CONN_LINGER;
    buf_done(&conn->kept);
    stream_finish(&conn->stream);
    stream_read_start(&conn->stream);
    set_deadline(conn, LINGER_MS);
}

/* Answers a request that can't be read further. The answer may have to wait for the socket, and
 * what comes meanwhile must not be read as a request: BUSY. */
static void refuse_request(struct conn *conn, enum outcome outcome)
{
    deadline_clear(&conn->gateway->loop->deadlines, &conn->deadline);
    conn->state = CONN_BUSY;
    conn->request_over = false;
    exchange_refuse(conn->ex, outcome);
}

static void on_deadline(struct deadline *deadline)
{
    struct conn *conn = container_of(deadline, struct conn, deadline);
    if (conn->state == CONN_HEAD && http1_in_message(&conn->reader))
        refuse_request(conn, OUTCOME_REJECTED_SLOW);
    else
        conn_close(conn);
}

/* ---- the exchange's side ---- */

static enum send_status client_send(struct client *client, const struct slice *parts, size_t count)
{
    struct conn *conn = container_of(client, struct conn, client);
    return stream_send(&conn->stream, parts, count);
}

static void idle(struct conn *conn)
{
    conn->state = CONN_IDLE;
    conn->request_over = false;
    set_deadline(conn, conn->gateway->config->timeouts.idle_ms);
}

/* The bytes kept while busy are fed before the socket is read again. */
static void feed_kept(struct conn *conn)
{
    struct buf kept = conn->kept;
    buf_init(&conn->kept, PIPELINE_BYTES);
    conn_feed(conn, buf_slice(&kept));
    buf_done(&kept);
    if (conn->state != CONN_CLOSED && buf_len(&conn->kept) == 0)
        stream_read_start(&conn->stream);
}

static void client_answered(struct client *client)
{
    struct conn *conn = container_of(client, struct conn, client);
    conn->ex = NULL;
    if (client->close_after || !conn->request_over || conn->gateway->draining) {
        conn_linger(conn);
        return;
    }
    idle(conn);
    if (conn->feeding)
        return; /* conn_feed goes on with the rest of its input */
    if (buf_len(&conn->kept) > 0)
        feed_kept(conn);
    if (conn->state == CONN_IDLE && conn->peer_done)
        conn_close(conn);
}

static void client_broken(struct client *client)
{
    struct conn *conn = container_of(client, struct conn, client);
    conn->ex = NULL;
    conn_abort(conn);
}

static const struct client_ops client_ops = {
    .send = client_send,
    .answered = client_answered,
    .broken = client_broken,
};

/* ---- bytes to requests ---- */

static bool start_request(struct conn *conn)
{
    conn->ex = exchange_new(conn->gateway, &conn->client);
    if (!conn->ex) {
        conn_close(conn);
        return false;
    }
    /* The idle time is over; conn_feed sets the head's when this input has no whole head. */
    deadline_clear(&conn->gateway->loop->deadlines, &conn->deadline);
    conn->client.close_after = false;
    conn->request_over = false;
    conn->state = CONN_HEAD;
    http1_reset(&conn->reader, &conn->ex->arena, false);
    return true;
}

static void on_head(struct conn *conn)
{
    const struct http_head *head = &conn->reader.head;
    conn->client.close_after = !head->keep_alive || conn->gateway->draining;
    conn->client.http10 = head->minor == 0;
    conn->state = CONN_BODY;
    deadline_clear(&conn->gateway->loop->deadlines, &conn->deadline);
    struct slice go_on = SLICE("HTTP/1.1 100 Continue\r\n\r\n");
    if (exchange_begin(conn->ex, head) && stream_send(&conn->stream, &go_on, 1) == SEND_LOST)
        conn_close(conn);
}

static void on_complete(struct conn *conn)
{
    conn->state = CONN_BUSY;
    conn->request_over = true;
    exchange_body_end(conn->ex);
}

/* One event of the reader; false when this connection takes no more input now. */
static bool feed_step(struct conn *conn, struct slice *input)
{
    struct slice piece;
    switch (http1_next(&conn->reader, input, &piece)) {
    case HTTP1_NEED_MORE:
        return false;
    case HTTP1_HEAD:
        on_head(conn);
        break;
    case HTTP1_BODY:
        exchange_body(conn->ex, piece);
        break;
    case HTTP1_DONE:
        on_complete(conn);
        break;
    case HTTP1_FAULT:
        refuse_request(conn, fault_outcome(conn->reader.fault));
        break;
    }
    return true;
}

static bool is_reading(const struct conn *conn)
{
    return conn->state == CONN_IDLE ||
           ((conn->state == CONN_HEAD || conn->state == CONN_BODY) && conn->ex);
}

static void keep(struct conn *conn, struct slice input)
{
    if (buf_append(&conn->kept, input) != STATUS_OK)
        conn_close(conn);
    else
        stream_read_stop(&conn->stream);
}

static void conn_feed(struct conn *conn, struct slice input)
{
    conn->feeding = true;
    while (is_reading(conn) && (input.len > 0 || conn->state != CONN_IDLE)) {
        if (conn->state == CONN_IDLE && !start_request(conn))
            break;
        if (!feed_step(conn, &input))
            break;
    }
    conn->feeding = false;
    if (conn->state == CONN_BUSY && input.len > 0)
        keep(conn, input);
    else if (conn->state == CONN_HEAD && !deadline_is_set(&conn->deadline))
        set_deadline(conn, conn->gateway->config->timeouts.header_ms);
}

static void discard(struct conn *conn, size_t count)
{
    conn->lingered_bytes += count;
    if (conn->lingered_bytes > LINGER_BYTES)
        conn_close(conn);
}

/* ---- the stream's side ---- */

static void remember_address(struct conn *conn)
{
    struct address peer;
    if (stream_peer(&conn->stream, &peer) == STATUS_OK)
        address_format_host(&peer, conn->address);
    conn->client.address = slice_str(conn->address);
}

/* A fresh connection has to begin a request soon. */
static void begin(struct conn *conn)
{
    conn->state = CONN_IDLE;
    set_deadline(conn, conn->gateway->config->timeouts.header_ms);
    stream_read_start(&conn->stream);
}

/* It has arrived, or has not and never will. */
static void on_connected(struct stream *stream, enum status status)
{
    struct conn *conn = container_of(stream, struct conn, stream);
    if (status != STATUS_OK) {
        log_line(conn->gateway->log, LOG_DEBUG, "a connection did not arrive",
                 LOG_STR("reason", stream_trouble(stream)), LOG_TEXT("peer", conn->client.address));
        conn_close(conn);
        return;
    }
    remember_address(conn);
    begin(conn);
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct conn *conn = container_of(stream, struct conn, stream);
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
        conn_feed(conn, bytes);
        break;
    case CONN_BUSY:
        keep(conn, bytes);
        break;
    case CONN_LINGER:
        discard(conn, bytes.len);
        break;
    case CONN_ARRIVING:
    case CONN_CLOSED:
        break;
    }
}

/* A FIN while a request is at work may be a half-close: the answer is still sent. In the middle of
 * a request it is the end. */
static void on_ended(struct stream *stream, enum stream_end end)
{
    struct conn *conn = container_of(stream, struct conn, stream);
    conn->peer_done = true;
    if (end == STREAM_END_EOF && conn->state == CONN_BUSY)
        return;
    conn_close(conn);
}

static void on_drained(struct stream *stream)
{
    struct conn *conn = container_of(stream, struct conn, stream);
    if (conn->ex)
        exchange_client_drained(conn->ex);
}

static void emptied_if_last(struct gateway *gateway)
{
    if (gateway->draining)
        loop_defer(gateway->loop, &gateway->reap);
}

static void on_closed(struct stream *stream)
{
    struct conn *conn = container_of(stream, struct conn, stream);
    struct gateway *gateway = conn->gateway;
    list_remove(&conn->link);
    atomic_fetch_sub(&gateway->shared->connections, 1);
    metric_set(gateway->account->cells, gateway->account->books->connections,
               --gateway->connections);
    buf_done(&conn->kept);
    free(conn);
    emptied_if_last(gateway);
}

static const struct stream_handlers stream_handlers = {
    .connected = on_connected,
    .bytes = on_bytes,
    .ended = on_ended,
    .drained = on_drained,
    .closed = on_closed,
};

/* ---- accepting ---- */

static struct conn *conn_new(struct gateway *gateway)
{
    struct conn *conn = calloc(1, sizeof *conn);
    size_t backlog = gateway->config->response_buffer_bytes + 2 * STREAM_READ_BYTES +
                     EXCHANGE_TEXT_BYTES + 2 * gateway->config->http.head_bytes;
    if (!conn ||
        stream_init(&conn->stream, gateway->loop, &stream_handlers, backlog) != STATUS_OK) {
        free(conn);
        return NULL;
    }
    conn->gateway = gateway;
    conn->client.ops = &client_ops;
    conn->deadline.expired = on_deadline;
    buf_init(&conn->kept, PIPELINE_BYTES);
    http1_init_request(&conn->reader, NULL, &gateway->config->http);
    list_push_back(&gateway->conns, &conn->link);
    atomic_fetch_add(&gateway->shared->connections, 1);
    metric_set(gateway->account->cells, gateway->account->books->connections,
               ++gateway->connections);
    metric_add(gateway->account->cells, gateway->account->books->connections_total, 1);
    return conn;
}

/* Only a trusted proxy's word counts for who the client is: whoever else connects there is not
 * served at all. */
static bool may_send_header(const struct conn *conn)
{
    const struct config *config = conn->gateway->config;
    struct ip ip;
    return ip_parse(conn->client.address, &ip) == STATUS_OK &&
           networks_hold(config->trusted_proxies, config->trusted_proxy_count, &ip);
}

static void shut_out(struct conn *conn)
{
    log_line(conn->gateway->log, LOG_DEBUG, "only trusted_proxies may connect here",
             LOG_TEXT("peer", conn->client.address));
    stream_count_untrusted(&conn->stream);
    conn_close(conn);
}

/* Over the limit: told so, then closed. The text is whole here because there is no exchange to
 * write one. */
static void refuse(struct conn *conn)
{
    struct slice answer =
        SLICE("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
              "Retry-After: 5\r\nConnection: close\r\nContent-Length: 147\r\n\r\n"
              "{\"type\":\"urn:postern:problem:too-many-connections\","
              "\"title\":\"Too many connections\",\"status\":503,"
              "\"detail\":\"limits.connections is reached; try again\"}");
    if (stream_send(&conn->stream, &answer, 1) == SEND_LOST)
        conn_close(conn);
    else
        conn_linger(conn);
}

/* A client that has yet to shake hands would have to be kept, over the limit, to be told anything:
 * it is not. */
static void turn_away(struct conn *conn)
{
    metric_add(conn->gateway->account->cells, conn->gateway->account->books->connections_refused,
               1);
    if (stream_is_arriving(&conn->stream)) {
        conn_close(conn);
        return;
    }
    stream_read_start(&conn->stream);
    refuse(conn);
}

void conn_accept(struct gateway *gateway, struct listener *listener)
{
    struct conn *conn = conn_new(gateway);
    if (!conn)
        return; /* out of memory: the kernel keeps it waiting */
    if (stream_accept(listener, &conn->stream) != STATUS_OK) {
        conn_close(conn);
        return;
    }
    remember_address(conn);
    conn->client.secure = listener->tls;
    if (atomic_load(&gateway->shared->connections) > gateway->config->connections)
        turn_away(conn);
    else if (listener->proxy_header && !may_send_header(conn))
        shut_out(conn);
    else if (!stream_is_arriving(&conn->stream))
        begin(conn);
}

/* ---- draining ---- */

void conn_drain_all(struct gateway *gateway)
{
    struct list *link = gateway->conns.next;
    while (link != &gateway->conns) {
        struct conn *conn = container_of(link, struct conn, link);
        link = link->next;
        if (conn->state == CONN_IDLE)
            conn_linger(conn);
        else if (conn->state == CONN_ARRIVING)
            conn_close(conn);
        else
            conn->client.close_after = true; /* said in the answer, unless that has begun */
    }
}

void conn_cut_all(struct gateway *gateway)
{
    struct list *link = gateway->conns.next;
    while (link != &gateway->conns) {
        struct conn *conn = container_of(link, struct conn, link);
        link = link->next;
        conn_abort(conn);
    }
}
