/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripted server: one connection at a time, blocking calls on a thread of its own.
 */
#include "fake_redis.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char good_info[] = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n";
static const char *const setup_commands[] = {"AUTH", "SELECT", "INFO", "SCRIPT", "CLIENT"};

static void send_text(int fd, const char *text)
{
    size_t len = strlen(text);
    /* A client that is gone shows at the next read. */
    (void)!send(fd, text, len, MSG_NOSIGNAL);
}

static void answer_setup(struct fake_redis *fake, int fd, const char *command)
{
    char reply[1024];
    const char *info = fake->info ? fake->info : good_info;
    snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(info), info);
    if (strcmp(command, "INFO") == 0)
        send_text(fd, reply);
    else if (strcmp(command, "SCRIPT") == 0)
        send_text(fd, "$40\r\n0123456789012345678901234567890123456789\r\n");
    else
        send_text(fd, strcmp(command, "CLIENT") == 0 ? ":7\r\n" : "+OK\r\n");
}

static void answer_command(struct fake_redis *fake, int fd, const char *command)
{
    for (size_t i = 0; i < FAKE_ANSWERS && fake->answers[i].command; i++) {
        if (strcmp(fake->answers[i].command, command) != 0)
            continue;
        send_text(fd, fake->answers[i].reply);
        atomic_fetch_add(&fake->commands, 1);
        return;
    }
    for (size_t i = 0; i < sizeof setup_commands / sizeof *setup_commands; i++) {
        if (strcmp(setup_commands[i], command) == 0) {
            answer_setup(fake, fd, command);
            return;
        }
    }
    send_text(fd, "-ERR unknown command\r\n");
}

/* Answers the commands of one connection until it ends. */
static void serve(struct fake_redis *fake, int fd)
{
    redisReader *reader = redisReaderCreate();
    char bytes[65536];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        redisReply *command = NULL;
        redisReaderFeed(reader, bytes, (size_t)got);
        while (redisReaderGetReply(reader, (void **)&command) == REDIS_OK && command) {
            if (command->elements > 1 && strcmp(command->element[1]->str, "KILL") == 0)
                atomic_fetch_add(&fake->kills, 1);
            answer_command(fake, fd, command->element[0]->str);
            freeReplyObject(command);
        }
    }
    redisReaderFree(reader);
}

static void *run(void *arg)
{
    struct fake_redis *fake = arg;
    int fd;
    while ((fd = accept(fake->listen_fd, NULL, NULL)) >= 0) {
        atomic_store(&fake->client_fd, fd);
        atomic_fetch_add(&fake->connections, 1);
        serve(fake, fd);
        atomic_store(&fake->client_fd, -1);
        close(fd);
    }
    return NULL;
}

void fake_redis_start(struct fake_redis *fake)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(fake->listen_fd, (struct sockaddr *)&address, size) == 0);
    cr_assert(listen(fake->listen_fd, 8) == 0);
    cr_assert(getsockname(fake->listen_fd, (struct sockaddr *)&address, &size) == 0);
    fake->port = ntohs(address.sin_port);
    atomic_store(&fake->client_fd, -1);
    cr_assert(pthread_create(&fake->thread, NULL, run, fake) == 0);
}

void fake_redis_stop(struct fake_redis *fake)
{
    int fd = atomic_load(&fake->client_fd);
    shutdown(fake->listen_fd, SHUT_RDWR);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    close(fake->listen_fd);
}
