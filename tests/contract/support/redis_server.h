/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real redis-server of the test's own: on a free loopback port, in a temporary folder, without
 * persistence. It dies with the test process. What can't be started fails the test.
 */
#ifndef POSTERN_TESTS_REDIS_SERVER_H
#define POSTERN_TESTS_REDIS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    int log_fd; /* its standard output, kept open so that it can write */
    char folder[64];
};

/* A loopback port that is free now. */
uint16_t free_port(void);

/* Starts it on a free port and returns when it takes connections. */
void redis_server_start(struct redis_server *server);

/* Starts it again on the same port after redis_server_kill. */
void redis_server_restart(struct redis_server *server);

/* Sends a signal (SIGSTOP, SIGCONT). */
void redis_server_signal(const struct redis_server *server, int number);

/* kill -9, and waits for its end. */
void redis_server_kill(struct redis_server *server);

/* Kills it if it runs and removes its folder. */
void redis_server_stop(struct redis_server *server);

/* Runs one command (printf style, hiredis' format) on a connection of its own and returns an
 * integer reply, or 1 for a status, a string that isn't empty; 0 for nil; -1 for an error. */
long long redis_server_command(const struct redis_server *server, const char *format, ...);

#endif
