/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin listener over real sockets. The pages themselves are test_pages.c's.
 */
#include <peer.h>
#include <postern/admin/admin.h>
#include <postern/base/metrics.h>

#define GET_HEALTH "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

static struct config config = {.workers = 1};
static struct metrics *metrics;
static struct books *books;
static struct admin_state state = {.listening = true};
static struct admin *admin;

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

static void set_up(void)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    choose_port();
    metrics = metrics_new(1);
    cr_assert_eq(books_open(&config, metrics, &books), STATUS_OK);
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
    struct admin_opts opts = {
        .loop = &loop,
        .config = &config,
        .metrics = metrics,
        .books = books,
        .cells = metrics_row(metrics, 0),
        .state = &state,
        .version = "1.2.3",
    };
    cr_assert_eq(admin_open(&opts, &admin), STATUS_OK);
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

Test(server, a_body_is_refused)
{
    struct peer *peer = peer_new();
    peer_send(peer, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    await_end(peer);
    cr_assert_eq(peer_status(peer), 405);
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
