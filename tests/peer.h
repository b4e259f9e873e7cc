/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that is a plain socket, for tests of what listens on a real loop. All on one thread: its
 * bytes are in the kernel before the loop turns, and answers are read between turns. Nothing
 * sleeps.
 */
#ifndef POSTERN_TESTS_PEER_H
#define POSTERN_TESTS_PEER_H

#include <loop_goal.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <postern/io/stream.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client's socket and what came out of it. */
struct peer {
    int fd;
    char got[2u << 20]; /* NUL-terminated */
    size_t len;
    bool ended; /* FIN or RST was read */
    bool reset; /* it was RST */
};

/* A connection to `address`, on 127.0.0.1. */
static inline struct peer *peer_connect(const struct address *address)
{
    struct peer *peer = calloc(1, sizeof *peer);
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    cr_assert_not_null(peer);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(peer->fd, 0);
    cr_assert_eq(connect(peer->fd, (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_eq(setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    cr_assert_eq(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
    return peer;
}

static inline void peer_free(struct peer *peer)
{
    close(peer->fd);
    free(peer);
}

/* Leaves with an RST. */
static inline void peer_reset(struct peer *peer)
{
    struct linger now = {.l_onoff = 1};
    cr_assert_eq(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    peer_free(peer);
}

static inline void peer_send(struct peer *peer, const char *text)
{
    size_t len = strlen(text);
    cr_assert_eq(send(peer->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads what is there. */
static inline void peer_read(struct peer *peer)
{
    while (!peer->ended) {
        size_t room = sizeof peer->got - 1 - peer->len;
        cr_assert_gt(room, 0);
        ssize_t count = recv(peer->fd, peer->got + peer->len, room, 0);
        if (count < 0 && errno == EAGAIN)
            return;
        peer->ended = count <= 0;
        peer->reset = count < 0;
        if (count > 0)
            peer->len += (size_t)count;
        peer->got[peer->len] = '\0';
    }
}

/* How often `text` occurs in what the peer got. */
static inline size_t peer_count(const struct peer *peer, const char *text)
{
    size_t count = 0;
    for (const char *at = peer->got; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static inline unsigned peer_status(const struct peer *peer)
{
    return peer->len > 12 ? (unsigned)strtoul(peer->got + 9, NULL, 10) : 0;
}

/* ---- waiting; a goal has no argument, so what is waited for lies here ---- */

static struct peer *awaited_peer;
static const char *awaited_text;
static size_t awaited_count;

static inline bool text_came(void)
{
    peer_read(awaited_peer);
    return peer_count(awaited_peer, awaited_text) >= awaited_count;
}

static inline bool end_came(void)
{
    peer_read(awaited_peer);
    return awaited_peer->ended;
}

/* Until the peer has `text` `count` times. */
static inline void await_text(struct peer *peer, const char *text, size_t count)
{
    awaited_peer = peer;
    awaited_text = text;
    awaited_count = count;
    run_until(text_came);
}

/* Until the peer has read its end. */
static inline void await_end(struct peer *peer)
{
    awaited_peer = peer;
    run_until(end_came);
}

/* Lets the loop handle what is in the kernel now, for what is seen only by nothing happening. */
static uint64_t settled_at_ms;

static inline bool settled(void)
{
    return loop_now_ms(&loop) >= settled_at_ms;
}

static inline void turn_some(void)
{
    settled_at_ms = loop_now_ms(&loop) + 2 * DEADLINE_TICK_MS;
    run_until(settled);
}

#endif
