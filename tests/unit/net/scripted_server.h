/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upstream of plain sockets on a thread of its own that does exactly what a script says, byte by
 * byte; and the two gates by which script and test wait for each other instead of sleeping.
 */
#ifndef POSTERN_TESTS_NET_SCRIPTED_SERVER_H
#define POSTERN_TESTS_NET_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVER_PATIENCE_S 15 /* a step that takes longer fails the script */
#define SERVER_CONNS 4

enum step_kind {
    STEP_END,
    STEP_ACCEPT, /* the next connection becomes `conn` */
    STEP_READ,   /* a request: head, and `size` bytes of body */
    STEP_SEND,   /* `text` */
    STEP_FLOOD,  /* `size` bytes */
    STEP_CLOSE,
    STEP_RESET,
    STEP_READ_END, /* the peer closes, without another byte */
    STEP_TELL,     /* lets server_wait return */
    STEP_WAIT,     /* for server_go */
};

struct step {
    enum step_kind kind;
    int conn;
    const char *text;
    size_t size;
};

struct server {
    int listening;
    uint16_t port;
    int conns[SERVER_CONNS];
    const struct step *script;
    pthread_t thread;
    sem_t told, go;
    char request[4096];     /* the beginning of the last one, with its NUL */
    _Atomic size_t flooded; /* bytes */
    const char *failure;    /* of the script; NULL: none */
};

static inline bool server_read(struct server *server, const struct step *step)
{
    char buf[65536];
    size_t total = 0, wanted = SIZE_MAX;
    memset(server->request, 0, sizeof server->request);
    while (total < wanted) {
        ssize_t got = recv(server->conns[step->conn], buf, sizeof buf, 0);
        if (got <= 0)
            return false;
        for (ssize_t i = 0; i < got && total + (size_t)i < sizeof server->request - 1; i++)
            server->request[total + (size_t)i] = buf[i];
        total += (size_t)got;
        const char *end = strstr(server->request, "\r\n\r\n");
        if (wanted == SIZE_MAX && end)
            wanted = (size_t)(end - server->request) + 4 + step->size;
    }
    return total == wanted;
}

static inline bool server_send(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static inline bool server_flood(struct server *server, const struct step *step)
{
    static const char block[65536];
    for (size_t left = step->size; left > 0;) {
        size_t size = left < sizeof block ? left : sizeof block;
        if (!server_send(server->conns[step->conn], block, size))
            return false;
        left -= size;
        atomic_fetch_add(&server->flooded, size);
    }
    return true;
}

static inline bool server_accept(struct server *server, const struct step *step)
{
    struct timeval patience = {.tv_sec = SERVER_PATIENCE_S};
    int fd = accept(server->listening, NULL, NULL);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    server->conns[step->conn] = fd;
    return true;
}

static inline bool server_close(struct server *server, const struct step *step)
{
    struct linger linger = {.l_onoff = step->kind == STEP_RESET};
    int fd = server->conns[step->conn];
    server->conns[step->conn] = -1;
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0 && close(fd) == 0;
}

static inline bool gate_wait(sem_t *gate)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SERVER_PATIENCE_S;
    int result;
    while ((result = sem_timedwait(gate, &until)) != 0 && errno == EINTR)
        ;
    return result == 0;
}

static inline bool server_step(struct server *server, const struct step *step)
{
    char byte;
    switch (step->kind) {
    case STEP_ACCEPT:
        return server_accept(server, step);
    case STEP_READ:
        return server_read(server, step);
    case STEP_SEND:
        return server_send(server->conns[step->conn], step->text, strlen(step->text));
    case STEP_FLOOD:
        return server_flood(server, step);
    case STEP_CLOSE:
    case STEP_RESET:
        return server_close(server, step);
    case STEP_READ_END:
        return recv(server->conns[step->conn], &byte, 1, 0) <= 0 && errno != EAGAIN;
    case STEP_TELL:
        return sem_post(&server->told) == 0;
    case STEP_WAIT:
        return gate_wait(&server->go);
    case STEP_END:
        break;
    }
    return true;
}

static inline void *server_run(void *arg)
{
    static const char *const names[] = {"end",   "accept", "read",     "send", "flood",
                                        "close", "reset",  "read end", "tell", "wait"};
    struct server *server = arg;
    for (const struct step *step = server->script; step->kind != STEP_END; step++) {
        errno = 0;
        if (!server_step(server, step)) {
            server->failure = names[step->kind];
            break;
        }
    }
    return NULL;
}

/* A socket bound to a free port of 127.0.0.1; with a backlog below 0 it refuses connections. */
static inline int server_socket(int backlog, uint16_t *ret_port)
{
    struct timeval patience = {.tv_sec = SERVER_PATIENCE_S};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience); /* for accept */
    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    if (backlog >= 0)
        cr_assert_eq(listen(fd, backlog), 0);
    *ret_port = ntohs(any.sin_port);
    return fd;
}

/* Starts the script, which has to outlive the server. */
static inline void server_start(struct server *server, const struct step *script)
{
    memset(server, 0, sizeof *server);
    memset(server->conns, 0xff, sizeof server->conns);
    server->listening = server_socket(64, &server->port);
    server->script = script;
    sem_init(&server->told, 0, 0);
    sem_init(&server->go, 0, 0);
    cr_assert_eq(pthread_create(&server->thread, NULL, server_run, server), 0);
}

/* Blocks until the script has come to its next STEP_TELL. */
static inline void server_wait(struct server *server)
{
    cr_assert(gate_wait(&server->told), "the script is stuck");
}

static inline void server_go(struct server *server)
{
    sem_post(&server->go);
}

/* Waits for the script's end, which has to be a good one, and closes everything. */
static inline void server_stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    cr_assert_null(server->failure, "the script failed at: %s", server->failure);
    for (int i = 0; i < SERVER_CONNS; i++)
        if (server->conns[i] >= 0)
            close(server->conns[i]);
    close(server->listening);
}

#define FILLERS 8

/* A listener whose queue is full: it neither takes connections nor refuses them. */
static inline int full_listener(uint16_t *ret_port, int fillers[static FILLERS])
{
    int fd = server_socket(0, ret_port);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(*ret_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&to, sizeof to);
    }
    return fd;
}

static inline void close_full_listener(int fd, const int fillers[static FILLERS])
{
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(fd);
}

#endif
