/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client connection's limits and ends: time, size, number, draining, cutting, and an answer that
 * the socket doesn't take at once. tests/sim/CMakeLists.txt puts __wrap_stream_send in the place of
 * stream_send.
 */
#include "door.h"

enum send_status __real_stream_send(struct stream *stream, const struct slice *parts, size_t count);
enum send_status __wrap_stream_send(struct stream *stream, const struct slice *parts, size_t count);

/* ---- a socket that takes nothing for a while ---- */

static bool holding;
static struct stream *held_stream;
static char held_bytes[8192];
static size_t held_len;

enum send_status __wrap_stream_send(struct stream *stream, const struct slice *parts, size_t count)
{
    if (!holding)
        return __real_stream_send(stream, parts, count);
    held_stream = stream;
    for (size_t i = 0; i < count; i++) {
        cr_assert_leq(held_len + parts[i].len, sizeof held_bytes);
        if (parts[i].len > 0)
            memcpy(held_bytes + held_len, parts[i].data, parts[i].len);
        held_len += parts[i].len;
    }
    return SEND_BACKLOG;
}

static bool something_held(void)
{
    return held_len > 0;
}

static void let_go(void)
{
    struct slice all = slice_of(held_bytes, held_len);
    holding = false;
    cr_assert_eq(__real_stream_send(held_stream, &all, 1), SEND_DONE);
    held_stream->on->drained(held_stream);
}

struct refusal {
    const char *first, *then; /* what the peer sends, before and after the answer is held */
    unsigned status;
};

static void assert_refused_once(const struct refusal *refusal)
{
    held_len = 0;
    holding = true;
    struct peer *peer = peer_new();
    peer_send(peer, refusal->first);
    run_until(something_held);
    peer_send(peer, refusal->then);
    turn_some();
    let_go();
    await_end(peer);
    cr_assert_eq(peer_status(peer), refusal->status);
    cr_assert_eq(peer_count(peer, "HTTP/1.1 "), 1, "%s", peer->got);
    peer_free(peer);
    run_until(no_connections);
}

/* What comes after a refusal is no request, no body, and no second refusal, however long the answer
 * waits for the socket. */
Test(conn_limits, a_refusal_that_waits_for_the_socket_is_given_once)
{
    const struct refusal refusals[] = {
        {"BROKEN\r\n\r\n", "BROKEN\r\n\r\n", 400},
        {"BROKEN\r\n\r\n", POST("event", "5"), 400},
        {"POST /h", "ook HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 408},
        {"POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", "x", 413},
        {"POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "b\r\n0123456789a\r\n",
         "broken\r\n", 413},
        {"POST /hook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "b\r\n0123456789a\r\n",
         "0\r\n\r\n" POST("event", "5"), 413},
    };
    open_door("    limits: {body: 10B}\n", "timeouts: {header: 100ms}\n");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_refused_once(&refusals[i]);
    cr_assert_eq(sim->upstream.call_count, 0);
    close_door();
}

Test(conn_limits, an_answer_nobody_takes_is_given_up)
{
    open_door("", "timeouts: {write: 50ms}\n");
    holding = true;
    struct peer *peer = peer_new();
    peer_send(peer, "POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await_end(peer);
    cr_assert(peer->reset);
    peer_free(peer);
    close_door();
}

/* ---- time ---- */

Test(conn_limits, a_slow_head_is_408)
{
    open_door("", "timeouts: {header: 50ms, idle: 10s}\n");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHo");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 408);
    cr_assert(strstr(peer->got, "Connection: close\r\n"));
    cr_assert(!peer->reset);
    peer_free(peer);
    close_door();
}

/* Behind a request in one read, the head's time runs and not the idle time. */
Test(conn_limits, a_slow_second_head_is_408)
{
    open_door("", "timeouts: {header: 50ms, idle: 1h}\n");
    struct peer *peer = peer_new();
    peer_send(
        peer,
        "POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nPOST /hook HTTP/1.1\r\nHo");
    await_end(peer);
    cr_assert(strstr(peer->got, "HTTP/1.1 404"));
    cr_assert(strstr(peer->got, "HTTP/1.1 408"));
    peer_free(peer);
    close_door();
}

Test(conn_limits, a_slow_head_kept_while_busy_is_408)
{
    open_door("", "timeouts: {header: 50ms, idle: 1h}\n");
    struct peer *peer = peer_new();
    peer_send(peer, POST("event", "5") "POST /hook HTTP/1.1\r\nHo");
    await_calls(1);
    sim_answer(sim, 0, 200, "ok");
    await_end(peer);
    cr_assert(strstr(peer->got, "HTTP/1.1 408"));
    peer_free(peer);
    close_door();
}

Test(conn_limits, a_slow_body_is_408)
{
    open_door("", "timeouts: {body: 50ms}\n");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nev");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 408);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_SLOW), 1);
    peer_free(peer);
    close_door();
}

Test(conn_limits, a_connection_without_a_request_is_closed_without_a_word)
{
    open_door("", "timeouts: {header: 50ms, idle: 1h}\n");
    struct peer *peer = peer_new();
    await_end(peer);
    cr_assert_eq(peer->len, 0);
    peer_free(peer);
    close_door();
}

Test(conn_limits, an_idle_connection_is_closed)
{
    open_door("", "timeouts: {header: 1h, idle: 50ms}\n");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 404);
    cr_assert(!strstr(peer->got, "Connection: close"));
    cr_assert_eq(peer_count(peer, "HTTP/1.1 "), 1);
    peer_free(peer);
    close_door();
}

/* ---- size ---- */

static void fill(char *to, size_t len)
{
    memset(to, 'x', len);
    to[len] = '\0';
}

static unsigned status_of(const char *request)
{
    struct peer *peer = peer_new();
    peer_send(peer, request);
    await_text(peer, "\r\n\r\n", 1);
    unsigned status = peer_status(peer);
    peer_free(peer);
    return status;
}

Test(conn_limits, a_head_over_its_limit_is_431_or_414)
{
    char filler[1025], text[4096];
    open_door("", "limits: {headers: 1KiB, target: 100B, fields: 8}\n");
    fill(filler, 1024);
    (void)snprintf(text, sizeof text, "GET /else HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", filler);
    cr_assert_eq(status_of(text), 431);
    const char *fields = "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: 1\r\n";
    (void)snprintf(text, sizeof text, "GET /else HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    cr_assert_eq(status_of(text), 404, "at the limit");
    (void)snprintf(text, sizeof text, "GET /else HTTP/1.1\r\nHost: a\r\n%sH: 1\r\n\r\n", fields);
    cr_assert_eq(status_of(text), 431);
    (void)snprintf(text, sizeof text, "GET /%.99s HTTP/1.1\r\nHost: a\r\n\r\n", filler);
    cr_assert_eq(status_of(text), 404, "at the limit");
    (void)snprintf(text, sizeof text, "GET /%.100s HTTP/1.1\r\nHost: a\r\n\r\n", filler);
    cr_assert_eq(status_of(text), 414);
    close_door();
}

static size_t linger_sent;

/* Sends on without reading, as far as the kernel takes it, until it's refused. */
static bool sender_is_stopped(void)
{
    static char filler[16384];
    ssize_t count;
    while ((count = send(awaited_peer->fd, filler, sizeof filler, MSG_NOSIGNAL)) > 0)
        linger_sent += (size_t)count;
    return errno != EAGAIN;
}

/* Who sends its whole body before it reads has to find the answer, and no reset. */
Test(conn_limits, the_answer_to_a_large_body_survives_the_body)
{
    static char body[5000000 + 1];
    open_door("    limits: {body: 1KiB}\n", "");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
    await_outcome(OUTCOME_REJECTED_BODY_TOO_LARGE, 1);
    fill(body, sizeof body - 1);
    for (size_t sent = 0; sent < sizeof body - 1;) {
        ssize_t count = send(peer->fd, body + sent, sizeof body - 1 - sent, MSG_NOSIGNAL);
        cr_assert(count > 0 || errno == EAGAIN);
        sent += count > 0 ? (size_t)count : 0;
        if (count <= 0)
            turn_some();
    }
    await_end(peer);
    cr_assert_eq(peer_status(peer), 413);
    cr_assert(strstr(peer->got, "Connection: close\r\n"));
    cr_assert(!peer->reset);
    cr_assert_eq(sim->gateway.connections, 1, "lingers until the peer is done");
    cr_assert_eq(shutdown(peer->fd, SHUT_WR), 0);
    run_until(no_connections);
    peer_free(peer);
    close_door();
}

Test(conn_limits, who_never_stops_sending_is_cut)
{
    open_door("    limits: {body: 1KiB}\n", "");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    awaited_peer = peer;
    run_until(sender_is_stopped);
    run_until(no_connections);
    peer_free(peer);
    close_door();
}

Test(conn_limits, continue_is_said_when_the_body_is_wanted)
{
    open_door("    limits: {body: 10B}\n", "");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n");
    await_text(peer, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    peer_send(peer, "event");
    await_calls(1);
    cr_assert_null(strstr(sim->upstream.heads[0], "Expect"));
    sim_answer(sim, 0, 200, "ok");
    await_text(peer, "\r\n\r\nok", 1);
    peer_free(peer);
    cr_assert_eq(status_of("POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n"
                           "Expect: 100-continue\r\n\r\n"),
                 413);
    cr_assert_eq(status_of("POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                           "Expect: 100-continue\r\n\r\n"),
                 404);
    close_door();
}

/* ---- number ---- */

static size_t awaited_connections;

static bool connections_are(void)
{
    return sim->gateway.connections == awaited_connections;
}

static void await_connections(size_t count)
{
    awaited_connections = count;
    run_until(connections_are);
}

Test(conn_limits, a_connection_too_many_is_told_503)
{
    open_door("", "limits: {connections: 2}\n");
    struct peer *first = peer_new(), *second = peer_new();
    await_connections(2);
    struct peer *third = peer_new();
    await_end(third);
    cr_assert_eq(peer_status(third), 503);
    cr_assert(strstr(third->got, "Retry-After: "));
    cr_assert(strstr(third->got, "urn:postern:problem:too-many-connections"));
    const char *body = strstr(third->got, "\r\n\r\n") + 4;
    const char *length = strstr(third->got, "Content-Length: ");
    cr_assert_eq(strtoul(length + strlen("Content-Length: "), NULL, 10), strlen(body));
    cr_assert_eq(metrics_sum(sim->metrics, sim->books->connections_refused), 1);
    peer_free(third);
    await_connections(2);
    peer_free(first);
    await_connections(1);
    struct peer *fourth = peer_new();
    peer_send(fourth, "POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await_text(fourth, "HTTP/1.1 404", 1);
    peer_free(second);
    peer_free(fourth);
    close_door();
}

/* ---- the end ---- */

static bool drained;

static void on_drained(void *arg)
{
    (void)arg;
    drained = true;
}

static bool is_drained(void)
{
    return drained;
}

Test(conn_limits, draining_closes_the_idle_and_finishes_the_busy)
{
    open_door("", "");
    struct peer *idle = peer_new(), *busy = peer_new(), *reading = peer_new();
    peer_send(busy, POST("event", "5"));
    peer_send(reading, "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    await_calls(1);
    await_connections(3);
    gateway_drain(&sim->gateway, on_drained, NULL);
    await_end(idle);
    cr_assert_eq(idle->len, 0);
    cr_assert(!idle->reset);
    peer_free(idle);
    cr_assert(!drained);
    sim_answer(sim, 0, 200, "ok");
    await_end(busy);
    cr_assert(strstr(busy->got, "Connection: close\r\n"));
    cr_assert(strstr(busy->got, "\r\n\r\nok"));
    peer_free(busy);
    cr_assert(!drained);
    peer_send(reading, "x");
    await_calls(2);
    sim_answer(sim, 1, 200, "ok");
    await_end(reading);
    cr_assert(strstr(reading->got, "Connection: close\r\n"));
    peer_free(reading);
    run_until(is_drained);
    close_door();
}

Test(conn_limits, draining_an_empty_gateway_ends_at_once)
{
    open_door("", "");
    gateway_drain(&sim->gateway, on_drained, NULL);
    run_until(is_drained);
    close_door();
}

Test(conn_limits, cutting_leaves_the_work_to_end)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, POST("event", "5"));
    await_calls(1);
    gateway_drain(&sim->gateway, on_drained, NULL);
    gateway_cut(&sim->gateway);
    await_end(peer);
    cr_assert(peer->reset);
    cr_assert(!drained, "the upstream's answer is still owed");
    sim_answer(sim, 0, 200, "ok");
    run_until(is_drained);
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 1);
    peer_free(peer);
    close_door();
}
