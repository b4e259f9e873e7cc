/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a steady call costs, counted where libuv calls the C library: one write and one read, and
 * nothing else; no epoll_ctl, no allocation.
 */
/* Fortified, read() is an inline function that can't be replaced. */
#undef _FORTIFY_SOURCE
#include "test_call.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define WARM_UP 20
#define CALLS 200

static struct server server;
static struct step script[1 + 2 * (WARM_UP + CALLS) + 1];
static size_t ended;

static _Thread_local bool counting; /* the loop's thread only */
static size_t reads, writes, polls_changed, allocations;

/* These take the C library's place for this program and the libraries it loads. */
ssize_t read(int fd, void *buf, size_t size)
{
    reads += counting;
    return syscall(SYS_read, fd, buf, size);
}

ssize_t write(int fd, const void *buf, size_t size)
{
    writes += counting;
    return syscall(SYS_write, fd, buf, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    writes += counting;
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    writes += counting;
    return syscall(SYS_sendmsg, fd, message, flags);
}

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    polls_changed += counting;
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

#ifndef POSTERN_ARENA_SINGLY /* under AddressSanitizer malloc is taken, and arenas use it */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size)
{
    allocations += counting;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations += counting;
    return __libc_calloc(count, size);
}
#endif

static void submit_next(struct upstream_call *call)
{
    arena_reset(call->arena);
    cr_assert_eq(upstream_submit(upstream, call), OP_PENDING);
}

static void count_end(struct upstream_call *call)
{
    cr_assert_eq(call->end, CALL_COMPLETE);
    ended++;
    counting = ended >= WARM_UP && ended < WARM_UP + CALLS;
    if (ended < WARM_UP + CALLS)
        submit_next(call);
    check_goal();
}

static void ignore_head(struct upstream_call *call)
{
    cr_assert_eq(call->reader.head.status, 200);
}

static void ignore_body(struct upstream_call *call, struct slice piece)
{
    (void)call;
    cr_assert_eq(piece.len, 2);
}

static const struct upstream_call_handlers handlers = {
    .head = ignore_head, .body = ignore_body, .ended = count_end};

static bool all_ended(void)
{
    return ended == WARM_UP + CALLS;
}

static void write_script(void)
{
    size_t step = 0;
    script[step++].kind = STEP_ACCEPT;
    for (size_t i = 0; i < WARM_UP + CALLS; i++) {
        script[step++] = (struct step){STEP_READ, 0, NULL, 4};
        script[step++] =
            (struct step){STEP_SEND, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0};
    }
}

Test(upstream_cost, one_write_one_read)
{
    struct arena arena;
    struct upstream_call call = {.on = &handlers,
                                 .head = SLICE("POST / HTTP/1.1\r\nContent-Length: 4\r\n"),
                                 .body = SLICE("body"),
                                 .arena = &arena};
    write_script();
    server_start(&server, script);
    open_one(&server);
    arena_init(&arena, 4096, 65536);
    submit_next(&call);
    run_until(all_ended);
    cr_assert_eq(writes, CALLS, "%zu writes", writes);
    cr_assert_eq(reads, CALLS, "%zu reads", reads);
    cr_assert_eq(polls_changed, 0, "%zu epoll_ctl", polls_changed);
    cr_assert_eq(allocations, 0, "%zu allocations", allocations);
    arena_done(&arena);
    close_all();
    server_stop(&server);
}
