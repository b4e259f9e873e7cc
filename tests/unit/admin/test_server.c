/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin listener over real sockets. The pages themselves are test_pages.c's.
 */
#include "fake_archive.h"

#include <peer.h>
#include <postern/admin/admin.h>
#include <postern/base/metrics.h>
#include <postern/gateway/explain.h>

#define GET_HEALTH "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

static struct config config = {.workers = 1};
static struct metrics *metrics;
static struct books *books;
static struct admin_state state = {.listening = true};
static struct admin *admin;
static struct fake_archive fake;

/* A port that was free a moment ago; admin_open tells nobody which one it got. */
static void choose_port(void)
{
    struct address any;
    struct listener probe = {.pending = (void (*)(struct listener *))abort};
    cr_assert_eq(address_parse(SLICE("127.0.0.1:0"), &any), STATUS_OK);
    cr_assert_eq(listener_open(&probe, &loop, &any, 1), STATUS_OK);
    config.admin = probe.address;
    listener_close(&probe);
}

static void set_up_with(struct admin_store *store)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    choose_port();
    metrics = metrics_new(1);
    cr_assert_eq(books_open(&config, metrics, &books), STATUS_OK);
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
    fake_archive_init(&fake, &loop);
    struct admin_opts opts = {
        .loop = &loop,
        .config = &config,
        .metrics = metrics,
        .books = books,
        .cells = metrics_row(metrics, 0),
        .state = &state,
        .version = "1.2.3",
        .archive = &fake.archive,
        .store = store,
    };
    cr_assert_eq(admin_open(&opts, &admin), STATUS_OK);
}

static void set_up(void)
{
    set_up_with(NULL);
}

static void tear_down(void)
{
    admin_close(admin);
    loop_run(&loop); /* until the last connection is closed: nothing else keeps it */
    books_close(books);
    metrics_free(metrics);
    loop_close(&loop);
}

static struct peer *peer_new(void)
{
    return peer_connect(&config.admin);
}

TestSuite(server, .init = set_up, .fini = tear_down);

Test(server, answers_one_request_after_the_other_and_pipelined)
{
    struct peer *peer = peer_new();
    peer_send(peer, GET_HEALTH);
    await_text(peer, "\r\n\r\nok\n", 1);
    peer_send(peer, GET_HEALTH GET_HEALTH);
    await_text(peer, "\r\n\r\nok\n", 3);
    cr_assert(!peer->ended);
    cr_assert(strstr(peer->got, "Cache-Control: no-store\r\n"));
    peer_free(peer);
}

Test(server, takes_a_request_in_pieces)
{
    struct peer *peer = peer_new();
    peer_send(peer, "GET /heal");
    turn_some();
    peer_send(peer, "thz HTTP/1.1\r\nHost: a\r\n\r\n");
    await_text(peer, "\r\n\r\nok\n", 1);
    peer_free(peer);
}

Test(server, head_tells_the_length_and_sends_no_body)
{
    struct peer *peer = peer_new();
    peer_send(peer, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" GET_HEALTH);
    await_text(peer, "\r\n\r\nok\n", 1);
    cr_assert_eq(peer_count(peer, "Content-Length: 3\r\n"), 2);
    cr_assert_eq(peer_count(peer, "ok\n"), 1);
    peer_free(peer);
}

Test(server, closes_when_asked)
{
    struct peer *peer = peer_new();
    peer_send(peer, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await_end(peer);
    cr_assert(strstr(peer->got, "Connection: close\r\n"));
    cr_assert(strstr(peer->got, "\r\n\r\nok\n"));
    peer_free(peer);
}

Test(server, what_is_no_request_is_told_so_and_closed)
{
    struct peer *peer = peer_new();
    peer_send(peer, "GET /healthz HTTP/1.1\r\n\r\n");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 400);
    cr_assert(strstr(peer->got, "Connection: close\r\n"));
    peer_free(peer);
}

Test(server, a_body_is_read_and_dropped)
{
    struct peer *peer = peer_new();
    peer_send(peer, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    turn_some();
    cr_assert_eq(peer->len, 0);
    peer_send(peer, "cde" GET_HEALTH);
    await_text(peer, "\r\n\r\nok\n", 1);
    cr_assert_eq(peer_status(peer), 405);
    cr_assert_eq(peer_count(peer, "Allow: GET, HEAD\r\n"), 1);
    peer_free(peer);
}

Test(server, a_long_body_is_refused)
{
    struct peer *peer = peer_new();
    peer_send(peer, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 413);
    peer_free(peer);
}

Test(server, a_chunked_body_is_refused_when_it_gets_long)
{
    static char chunk[65536 + 16];
    struct peer *peer = peer_new();
    memset(chunk, 'x', sizeof chunk - 1);
    memcpy(chunk, "10001\r\n", 7);
    peer_send(peer, "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer_send(peer, chunk);
    await_end(peer);
    cr_assert_eq(peer_status(peer), 413);
    peer_free(peer);
}

Test(server, a_body_held_back_is_not_waited_for)
{
    struct peer *peer = peer_new();
    peer_send(peer, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 417);
    peer_free(peer);
}

Test(server, a_token_is_asked_for)
{
    config.admin_token = SLICE("s3cret-token");
    struct peer *peer = peer_new();
    peer_send(peer, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    await_text(peer, "WWW-Authenticate: Bearer\r\n", 1);
    cr_assert_eq(peer_status(peer), 401);
    peer_free(peer);
}

Test(server, connections_over_the_limit_are_closed)
{
    struct peer *peers[ADMIN_MAX_CONNECTIONS];
    for (size_t i = 0; i < ADMIN_MAX_CONNECTIONS; i++) {
        peers[i] = peer_new();
        peer_send(peers[i], GET_HEALTH);
        await_text(peers[i], "ok\n", 1);
    }
    struct peer *over = peer_new();
    await_end(over);
    cr_assert_eq(over->len, 0);
    peer_free(over);
    peer_free(peers[0]);
    turn_some();
    peers[0] = peer_new();
    peer_send(peers[0], GET_HEALTH);
    await_text(peers[0], "ok\n", 1);
    for (size_t i = 0; i < ADMIN_MAX_CONNECTIONS; i++)
        peer_free(peers[i]);
}

Test(server, closing_ends_open_connections)
{
    struct peer *peer = peer_new();
    peer_send(peer, "GET /heal");
    turn_some();
    admin_close(admin);
    admin = NULL;
    await_end(peer);
    peer_free(peer);
}

/* ---- answers that come later ---- */

#define GET_EVENTS "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
#define POST_REPLAY "POST /api/v1/replay?state=dead HTTP/1.1\r\nHost: 127.0.0.1\r\n"

static size_t asked_for;

static bool was_asked(void)
{
    return fake.asked >= asked_for;
}

static void await_asked(size_t count)
{
    asked_for = count;
    run_until(was_asked);
}

Test(server, the_archives_answer_comes_from_the_loop)
{
    struct peer *peer = peer_new();
    peer_send(peer, GET_EVENTS);
    await_text(peer, "{\"events\":[],\"next\":null}\n", 1);
    cr_assert_eq(peer_status(peer), 200);
    cr_assert(strstr(peer->got, "Content-Type: application/json\r\n"));
    peer_send(peer, GET_HEALTH);
    await_text(peer, "\r\n\r\nok\n", 1);
    peer_free(peer);
}

Test(server, a_post_with_a_body)
{
    struct peer *peer = peer_new();
    fake.count = 4;
    peer_send(peer, POST_REPLAY "Content-Length: 2\r\n\r\n{");
    turn_some();
    cr_assert_eq(fake.asked, 0);
    peer_send(peer, "}");
    await_text(peer, "{\"changed\":4,", 1);
    peer_free(peer);
}

Test(server, what_comes_behind_a_pending_request_waits_for_it)
{
    struct peer *peer = peer_new();
    fake.held = true;
    peer_send(peer, GET_EVENTS GET_HEALTH GET_EVENTS "GET /heal");
    await_asked(1);
    turn_some();
    peer_read(peer);
    cr_assert_eq(peer->len, 0);
    peer_send(peer, "thz HTTP/1.1\r\nHost: a\r\n\r\n");
    turn_some();
    fake_answer(&fake);
    await_text(peer, "\r\n\r\nok\n", 1);
    cr_assert_eq(peer_count(peer, "{\"events\":[]"), 1);
    await_asked(2);
    fake_answer(&fake);
    await_text(peer, "\r\n\r\nok\n", 2);
    cr_assert_eq(peer_count(peer, "{\"events\":[]"), 2);
    peer_free(peer);
}

Test(server, a_pending_answer_ends_a_connection_that_asked_for_it)
{
    struct peer *peer = peer_new();
    fake.held = true;
    peer_send(peer, "GET /api/v1/events HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n");
    await_asked(1);
    fake_answer(&fake);
    await_end(peer);
    cr_assert(strstr(peer->got, "Connection: close\r\n"));
    cr_assert(strstr(peer->got, "{\"events\":[]"));
    peer_free(peer);
}

Test(server, a_client_that_left_does_not_matter_to_the_archive)
{
    struct peer *peer = peer_new();
    fake.held = true;
    peer_send(peer, GET_EVENTS);
    await_asked(1);
    peer_reset(peer);
    turn_some();
    fake_answer(&fake);
    turn_some();
    peer = peer_new();
    peer_send(peer, GET_HEALTH);
    await_text(peer, "ok\n", 1);
    peer_free(peer);
}

Test(server, a_client_that_has_said_all_still_gets_its_answer)
{
    static char target[1u << 20];
    struct archive_event event = fake_event();
    struct peer *peer = peer_new();
    memset(target, 'a', sizeof target);
    event.target = slice_of(target, sizeof target);
    fake.events = &event;
    fake.event_count = 1;
    peer_send(peer, GET_EVENTS);
    cr_assert_eq(shutdown(peer->fd, SHUT_WR), 0);
    await_end(peer);
    cr_assert(strstr(peer->got, "\"next\":null}\n"));
    peer_free(peer);
}

Test(server, closing_with_a_pending_request_waits_for_the_archive)
{
    struct peer *peer = peer_new();
    fake.held = true;
    peer_send(peer, GET_EVENTS GET_EVENTS);
    await_asked(1);
    admin_close(admin);
    admin = NULL;
    await_end(peer);
    fake.status = STATUS_UNAVAILABLE; /* as when the archive is closed */
    fake_answer(&fake);
    cr_assert_eq(fake.asked, 1);
    peer_free(peer);
}

Test(server, pending_requests_count_as_connections_until_they_end)
{
    struct peer *peers[ADMIN_MAX_CONNECTIONS];
    fake.held = true;
    for (size_t i = 0; i < ADMIN_MAX_CONNECTIONS; i++) {
        peers[i] = peer_new();
        peer_send(peers[i], GET_EVENTS);
        await_asked(i + 1);
    }
    for (size_t i = 0; i < ADMIN_MAX_CONNECTIONS; i++)
        peer_free(peers[i]);
    struct peer *over = peer_new();
    await_end(over);
    cr_assert_eq(over->len, 0);
    fake_answer(&fake);
    turn_some();
    peer_free(over);
    over = peer_new();
    peer_send(over, GET_HEALTH);
    await_text(over, "ok\n", 1);
    peer_free(over);
}

/* ---- the one body that is kept ---- */

static struct dedup_op *asked_op;

static enum op_status hold_peek(struct admin_store *store, struct dedup_op *op)
{
    (void)store;
    asked_op = op;
    return OP_PENDING;
}

static struct route_opts pay = {.name = {"pay", 3},
                                .match.path = {"/*", 2},
                                .keys = {{.kind = KEY_PAYLOAD}},
                                .key_count = 1,
                                .body_bytes = 8};

/* The same listener, with a route and a store to explain with. */
static void open_explain(void)
{
    static struct admin_store store = {.peek = hold_peek};
    config.http = HTTP_LIMITS_DEFAULT;
    config.body_bytes = 8;
    config.routes = &pay;
    config.route_count = 1;
    asked_op = NULL;
    set_up_with(&store);
}

static bool op_came(void)
{
    return asked_op != NULL;
}

static void answer_op(enum verdict verdict)
{
    asked_op->verdict = verdict;
    asked_op->answered(asked_op);
}

#define EXPLAIN_PAY(more) "POST /api/v1/explain HTTP/1.1\r\nHost: 127.0.0.1\r\n" more "\r\n"
#define SAMPLE "POST / HTTP/1.1\nHost: a\n\n12345678"

TestSuite(server_body, .init = open_explain, .fini = tear_down);

Test(server_body, explain_gets_all_its_pieces)
{
    struct peer *peer = peer_new();
    peer_send(peer, EXPLAIN_PAY("Content-Length: 33\r\n") "POST / HTT");
    turn_some();
    peer_send(peer, "P/1.1\nHost: a\n\n12345678" GET_HEALTH);
    run_until(op_came);
    cr_assert_eq(peer->len, 0);
    answer_op(VERDICT_FIRST);
    await_text(peer, "\r\n\r\nok\n", 1);
    cr_assert_eq(peer_count(peer, "\"text\":\"12345678\",\"bytes\":8"), 1, "%s", peer->got);
    peer_free(peer);
}

Test(server_body, the_next_request_begins_with_an_empty_one)
{
    struct peer *peer = peer_new();
    peer_send(
        peer,
        EXPLAIN_PAY("Content-Length: 33\r\n") "POST / HTTP/1.1\nHost: a\n\n12345678" EXPLAIN_PAY(
            "Content-Length: 0\r\n"));
    run_until(op_came);
    answer_op(VERDICT_FIRST);
    await_text(peer, "there is nothing", 1);
    peer_free(peer);
}

Test(server_body, who_waits_to_be_asked_is_asked)
{
    struct peer *peer = peer_new();
    peer_send(peer, EXPLAIN_PAY("Content-Length: 33\r\nExpect: 100-continue\r\n"));
    await_text(peer, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    peer_send(peer, SAMPLE);
    run_until(op_came);
    answer_op(VERDICT_UNKNOWN);
    await_text(peer, "\"verdict\":\"unknown\"", 1);
    peer_free(peer);
}

Test(server_body, at_and_above_what_a_request_can_have)
{
    char request[256];
    size_t most = explain_wire_max(&config.http, 8);
    static const unsigned statuses[] = {400, 413};
    for (size_t more = 0; more < 2; more++) {
        struct peer *peer = peer_new();
        snprintf(request, sizeof request, EXPLAIN_PAY("Content-Length: %zu\r\n"), most + more);
        peer_send(peer, request);
        for (size_t sent = 0; sent < most && more == 0; sent += 8)
            peer_send(peer, most - sent < 8 ? &"xxxxxxxx"[8 - (most - sent)] : "xxxxxxxx");
        await_text(peer, "Content-Type", 1);
        cr_assert_eq(peer_status(peer), statuses[more], "%s", peer->got);
        peer_free(peer);
    }
}

Test(server_body, a_client_that_left_does_not_matter_to_the_store)
{
    struct peer *peer = peer_new();
    peer_send(peer, EXPLAIN_PAY("Content-Length: 33\r\n") SAMPLE);
    run_until(op_came);
    peer_reset(peer);
    turn_some();
    answer_op(VERDICT_DUPLICATE);
    turn_some();
    peer = peer_new();
    peer_send(peer, GET_HEALTH);
    await_text(peer, "ok\n", 1);
    peer_free(peer);
}
