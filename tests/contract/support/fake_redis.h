/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on a thread that reads Redis commands and answers them from a table: for what a real
 * server can't be made to say. The set-up commands have good answers of their own.
 */
#ifndef POSTERN_TESTS_FAKE_REDIS_H
#define POSTERN_TESTS_FAKE_REDIS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What a command (its first word) is answered. */
struct fake_answer {
    const char *command;
    const char *reply; /* as on the wire; "" answers nothing */
};

#define FAKE_ANSWERS 4u

struct fake_redis {
    struct fake_answer answers[FAKE_ANSWERS]; /* first match counts, before the set-up's own */
    const char *info;                         /* of both INFO sections; NULL: a good server's */
    uint16_t port;
    int listen_fd;
    _Atomic int client_fd;
    _Atomic unsigned connections;
    _Atomic unsigned commands; /* all but those of the set-up */
    _Atomic unsigned kills;    /* CLIENT KILL */
    pthread_t thread;
};

/* Starts it; answers and info have to be set. The test may change `answers` while nothing is
 * connected. */
void fake_redis_start(struct fake_redis *fake);

/* Ends its thread. */
void fake_redis_stop(struct fake_redis *fake);

#endif
