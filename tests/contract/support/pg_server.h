/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real PostgreSQL cluster of the test's own: in a temporary folder, on a free loopback port and a
 * socket in the folder. As root it runs as user postgres. It dies with the test process. What can't
 * be started fails the test.
 */
#ifndef POSTERN_TESTS_PG_SERVER_H
#define POSTERN_TESTS_PG_SERVER_H

#include <postern/base/slice.h>
#include <stdint.h>
#include <sys/types.h>

struct pg_server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    int log_fd;      /* its standard error, kept open so that it can write */
    char folder[64]; /* also that of the socket */
    char url[128];   /* over TCP */
};

/* Makes the cluster; it does not run yet. */
void pg_server_make(struct pg_server *server);

/* Runs it and returns when it takes connections; also again after a stop. */
void pg_server_run(struct pg_server *server);

/* Immediate shutdown, without a checkpoint: to clients a crash. */
void pg_server_stop(struct pg_server *server);

/* Stops every process of it where it is, and lets them go on. */
void pg_server_freeze(const struct pg_server *server);
void pg_server_thaw(const struct pg_server *server);

/* Stops it if it runs and removes its folder. */
void pg_server_remove(struct pg_server *server);

/* Runs statements on a connection of their own. */
void pg_server_execute(const struct pg_server *server, const char *sql);

/* The number a query tells (its first value as text), -1 for NULL and for no row. `bytes` is $1
 * when its data isn't NULL. */
long long pg_server_number(const struct pg_server *server, const char *sql, struct slice bytes);

#endif
