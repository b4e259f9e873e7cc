/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client connection's requests and answers: one after the other, in pieces, several at once, and
 * what becomes of them when the peer leaves. Limits and ends are in test_conn_limits.c.
 */
#include "door.h"

#define UNKNOWN "POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"

Test(conn, serves_one_request_after_the_other)
{
    open_door("", "");
    struct peer *peer = peer_new();
    for (size_t i = 0; i < 3; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, POST("%zu", "1"), i);
        peer_send(peer, text);
        await_calls(i + 1);
        sim_answer(sim, i, 200, "ok");
        await_text(peer, "\r\n\r\nok", i + 1);
    }
    cr_assert_eq(peer_count(peer, "Postern-Outcome: accepted"), 3);
    cr_assert_eq(sim->gateway.connections, 1);
    cr_assert(!peer->ended);
    peer_free(peer);
    close_door();
}

/* The second and third could be answered at once, the first waits for the upstream. */
Test(conn, answers_pipelined_requests_in_their_order)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, POST("event", "5") UNKNOWN POST("event", "5") POST("other", "5"));
    await_calls(1);
    turn_some();
    peer_read(peer);
    cr_assert_eq(peer->len, 0);
    sim_answer(sim, 0, 200, "ok");
    await_calls(2);
    sim_answer(sim, 1, 500, "no");
    await_text(peer, "\r\n\r\nno", 1);
    const char *accepted = strstr(peer->got, "Postern-Outcome: accepted");
    const char *rejected = strstr(peer->got, "Postern-Outcome: rejected");
    const char *duplicate = strstr(peer->got, "Postern-Outcome: duplicate");
    const char *failed = strstr(peer->got, "Postern-Outcome: failed");
    cr_assert(accepted && rejected && duplicate && failed);
    cr_assert(accepted < rejected && rejected < duplicate && duplicate < failed);
    peer_free(peer);
    close_door();
}

/* More than one read's worth behind a request at work: reading stops, nothing is lost. */
Test(conn, keeps_pipelined_bytes_while_busy)
{
    const size_t requests = 3000;
    open_door("", "limits: {connections: 10}\n");
    struct peer *peer = peer_new();
    char *text = malloc(requests * sizeof UNKNOWN + sizeof POST("event", "5"));
    cr_assert_not_null(text);
    char *end = stpcpy(text, POST("event", "5"));
    for (size_t i = 0; i < requests; i++)
        end = stpcpy(end, UNKNOWN);
    peer_send(peer, text);
    await_calls(1);
    turn_some();
    sim_answer(sim, 0, 200, "ok");
    await_text(peer, "HTTP/1.1 404", requests);
    cr_assert_eq(peer_count(peer, "HTTP/1.1 200"), 1);
    free(text);
    peer_free(peer);
    close_door();
}

Test(conn, takes_a_request_byte_by_byte)
{
    open_door("", "");
    struct peer *peer = peer_new();
    const char *text = POST("event", "5");
    for (size_t i = 0; text[i] != '\0'; i++) {
        peer_send(peer, (char[]){text[i], '\0'});
        turn_some();
    }
    await_calls(1);
    cr_assert_eq(sim->upstream.calls[0]->body.len, 5);
    sim_answer(sim, 0, 200, "ok");
    await_text(peer, "\r\n\r\nok", 1);
    peer_free(peer);
    close_door();
}

Test(conn, answers_a_half_closed_peer_and_closes)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, POST("a", "1") POST("b", "1"));
    cr_assert_eq(shutdown(peer->fd, SHUT_WR), 0);
    await_calls(1);
    turn_some();
    sim_answer(sim, 0, 200, "first");
    await_calls(2);
    sim_answer(sim, 1, 200, "second");
    await_end(peer);
    cr_assert(!peer->reset);
    cr_assert(strstr(peer->got, "first") && strstr(peer->got, "second"));
    run_until(no_connections);
    peer_free(peer);
    close_door();
}

Test(conn, an_end_inside_a_request_is_no_request)
{
    const char *cut[] = {"POST /hook HT",
                         "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nev"};
    open_door("", "");
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        struct peer *peer = peer_new();
        peer_send(peer, cut[i]);
        cr_assert_eq(shutdown(peer->fd, SHUT_WR), 0);
        await_end(peer);
        cr_assert_eq(peer->len, 0);
        run_until(no_connections);
        peer_free(peer);
    }
    cr_assert_eq(sim->upstream.call_count, 0);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_CLIENT_GONE), 1, "the one whose head was read");
    close_door();
}

Test(conn, a_reset_inside_a_body_is_no_request)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nev");
    turn_some();
    peer_reset(peer);
    await_outcome(OUTCOME_REJECTED_CLIENT_GONE, 1);
    cr_assert_eq(sim->upstream.call_count, 0);
    close_door();
}

Test(conn, a_reset_during_the_work_leaves_the_event_accepted)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, POST("event", "5"));
    await_calls(1);
    peer_reset(peer);
    turn_some();
    cr_assert_eq(sim->gateway.connections, 0);
    cr_assert_eq(sim_tally(sim, TALLY_CLIENT_GONE), 1);
    sim_answer(sim, 0, 200, "ok");
    await_outcome(OUTCOME_ACCEPTED, 1);
    struct peer *retry = peer_new();
    peer_send(retry, POST("event", "5"));
    await_text(retry, "Postern-Outcome: duplicate", 1);
    peer_free(retry);
    close_door();
}

Test(conn, empty_lines_before_a_request_are_none)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, "\r\n\r\n");
    turn_some();
    peer_send(peer, POST("event", "5"));
    await_calls(1);
    sim_answer(sim, 0, 200, "ok");
    await_text(peer, "\r\n\r\nok", 1);
    peer_free(peer);
    close_door();
}

Test(conn, http10_closes_unless_asked)
{
    open_door("", "");
    struct peer *kept = peer_new();
    peer_send(kept, "POST /else HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
    await_text(kept, "Connection: keep-alive\r\n", 1);
    peer_send(kept, "POST /else HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
    await_end(kept);
    cr_assert_eq(peer_count(kept, "HTTP/1.1 404"), 2);
    cr_assert_eq(peer_count(kept, "Connection: close\r\n"), 1);
    peer_free(kept);
    close_door();
}

Test(conn, a_chunked_answer_arrives_as_it_comes)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, POST("event", "5"));
    await_calls(1);
    sim_head(sim, 0, 200, -1);
    await_text(peer, "Transfer-Encoding: chunked\r\n", 1);
    sim_piece(sim, 0, "abc");
    await_text(peer, "3\r\nabc\r\n", 1);
    sim_end(sim, 0, CALL_COMPLETE);
    await_text(peer, "0\r\n\r\n", 1);
    peer_free(peer);
    close_door();
}

Test(conn, an_answer_cut_by_the_upstream_ends_with_a_reset)
{
    open_door("", "");
    struct peer *peer = peer_new();
    peer_send(peer, POST("event", "5"));
    await_calls(1);
    sim_head(sim, 0, 200, 1000);
    sim_piece(sim, 0, "abc");
    await_text(peer, "abc", 1);
    sim_end(sim, 0, CALL_BROKEN);
    await_end(peer);
    cr_assert(peer->reset, "a cut answer must not look whole");
    peer_free(peer);
    close_door();
}

/* ---- a PROXY header, or TLS, comes first ---- */

#define HEADER "PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n"
#define TRUSTED "trusted_proxies: 127.0.0.0/8\n"

static void open_door_behind_proxy(const char *top_lines)
{
    door.proxy_header = true;
    door.proxy_header_ms = GUARD_MS;
    open_door("", top_lines);
}

static bool one_connection(void)
{
    return sim->gateway.connections == 1;
}

static bool one_is_drained;

static void on_drained(void *arg)
{
    (void)arg;
    one_is_drained = true;
}

static bool is_drained(void)
{
    return one_is_drained;
}

Test(conn, a_header_says_who_the_client_is)
{
    open_door_behind_proxy(TRUSTED);
    struct peer *peer = peer_new();
    peer_send(peer, HEADER POST("event", "5"));
    await_calls(1);
    cr_assert_not_null(strstr(sim->upstream.heads[0], "X-Forwarded-For: 203.0.113.7\r\n"), "%s",
                       sim->upstream.heads[0]);
    sim_answer(sim, 0, 200, "ok");
    await_text(peer, "\r\n\r\nok", 1);
    peer_send(peer, POST("other", "5"));
    await_calls(2);
    cr_assert_not_null(strstr(sim->upstream.heads[1], "X-Forwarded-For: 203.0.113.7\r\n"));
    sim_answer(sim, 1, 200, "ok");
    await_text(peer, "\r\n\r\nok", 2);
    peer_free(peer);
    close_door();
}

static void assert_closed_without_a_word(const char *first)
{
    struct peer *peer = peer_new();
    peer_send(peer, first);
    await_end(peer);
    cr_assert_eq(peer->len, 0);
    peer_free(peer);
    run_until(no_connections);
    cr_assert_eq(sim->upstream.call_count, 0);
}

Test(conn, only_a_trusted_proxy_may_send_a_header)
{
    open_door_behind_proxy("trusted_proxies: 10.0.0.0/8\n");
    assert_closed_without_a_word(HEADER POST("event", "5"));
    close_door();
}

Test(conn, without_a_header_nobody_is_served)
{
    open_door_behind_proxy(TRUSTED);
    assert_closed_without_a_word(POST("event", "5"));
    close_door();
}

/* It would have to be kept, over the limit, to be told anything. */
Test(conn, over_the_limit_an_arriving_one_is_closed)
{
    open_door_behind_proxy(TRUSTED "limits: {connections: 1}\n");
    struct peer *first = peer_new();
    run_until(one_connection);
    struct peer *second = peer_new();
    await_end(second);
    cr_assert_eq(second->len, 0);
    cr_assert_eq(metrics_sum(sim->metrics, sim->books->connections_refused), 1);
    peer_free(second);
    peer_free(first);
    close_door();
}

Test(conn, draining_closes_one_that_arrives)
{
    open_door_behind_proxy(TRUSTED);
    struct peer *peer = peer_new();
    peer_send(peer, "PROXY TCP4");
    run_until(one_connection);
    gateway_drain(&sim->gateway, on_drained, NULL);
    await_end(peer);
    run_until(is_drained);
    peer_free(peer);
    close_door();
}
