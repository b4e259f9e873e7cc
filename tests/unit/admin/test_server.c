/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin listener over real sockets. The pages themselves are test_pages.c's.
 */
#include "fake_archive.h"

#include <peer.h>
#include <postern/admin/admin.h>
#include <postern/base/metrics.h>

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

static void set_up(void)
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
