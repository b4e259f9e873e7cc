/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and ending a redis-server for tests. Readiness is read from its own words on standard
 * output, so nothing polls.
 */
#include "redis_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

static _Noreturn void run_server(const struct redis_server *server, int out_fd, pid_t parent)
{
    char port[8];
    snprintf(port, sizeof port, "%u", server->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(out_fd, STDOUT_FILENO) < 0)
        _exit(126);
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir",
           server->folder, "--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", "",
           (char *)NULL);
    _exit(127);
}

/* Reads what the server says until it says that it is ready. */
static bool wait_until_ready(int fd)
{
    char text[16384];
    size_t len = 0;
    while (len < sizeof text - 1) {
        ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, "Ready to accept connections"))
            return true;
    }
    return false;
}

void redis_server_restart(struct redis_server *server)
{
    int pipe_fds[2];
    pid_t parent = getpid();
    cr_assert(pipe(pipe_fds) == 0);
    server->pid = fork();
    cr_assert(server->pid >= 0);
    if (server->pid == 0)
        run_server(server, pipe_fds[1], parent);
    close(pipe_fds[1]);
    server->log_fd = pipe_fds[0];
    cr_assert(wait_until_ready(server->log_fd), "redis-server did not start");
}

void redis_server_start(struct redis_server *server)
{
    *server = (struct redis_server){.port = free_port(), .log_fd = -1};
    snprintf(server->folder, sizeof server->folder, "/tmp/postern-redis-XXXXXX");
    cr_assert_not_null(mkdtemp(server->folder));
    redis_server_restart(server);
}

void redis_server_signal(const struct redis_server *server, int number)
{
    cr_assert(server->pid > 0 && kill(server->pid, number) == 0);
}

void redis_server_kill(struct redis_server *server)
{
    redis_server_signal(server, SIGKILL);
    waitpid(server->pid, NULL, 0);
    close(server->log_fd);
    server->pid = 0;
}

void redis_server_stop(struct redis_server *server)
{
    if (server->pid > 0)
        redis_server_kill(server);
    if (server->folder[0])
        rmdir(server->folder);
}

static long long value_of(const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        return reply->integer;
    case REDIS_REPLY_ERROR:
        return -1;
    case REDIS_REPLY_NIL:
        return 0;
    default:
        return 1;
    }
}

long long redis_server_command(const struct redis_server *server, const char *format, ...)
{
    va_list arguments;
    redisContext *context = redisConnect("127.0.0.1", server->port);
    cr_assert(context && !context->err, "no connection to redis-server");
    va_start(arguments, format);
    redisReply *reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    cr_assert_not_null(reply);
    long long value = value_of(reply);
    freeReplyObject(reply);
    redisFree(context);
    return value;
}
