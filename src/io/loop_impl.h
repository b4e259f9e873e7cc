/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of io/ share of a loop: libuv's loop behind it, the one read buffer, and the step
 * into a turn that every libuv callback takes first. Not for anybody outside io/.
 */
#ifndef POSTERN_IO_LOOP_IMPL_H
#define POSTERN_IO_LOOP_IMPL_H

#include <postern/io/loop.h>
#include <postern/io/stream.h>
#include <uv.h>

#define TIMER_NOT_ARMED UINT64_MAX

struct loop_impl {
    uv_loop_t uv; /* its data points to the struct loop */
    uv_prepare_t before_sleep;
    uv_timer_t timer;        /* the only one; drives loop->deadlines */
    uint64_t armed_ms;       /* when it fires, or TIMER_NOT_ARMED */
    uint64_t grace_until_ms; /* deadlines that were late wait so long; 0: none were */
    bool clock_is_stale;
    bool stopped, running;
    struct stream_counts counts;
    void *tls_room; /* of tls_session.c, from the first secure stream on; freed with the loop */
    char read_buffer[STREAM_READ_BYTES];
};

/* io's own part of a real loop. */
static inline struct loop_impl *loop_impl_of(const struct loop *loop)
{
    return loop->impl;
}

/* libuv's loop, for the init functions of handles. */
static inline uv_loop_t *loop_uv(const struct loop *loop)
{
    return &loop_impl_of(loop)->uv;
}

/* The first thing any libuv callback does. libuv calls sockets back from inside its poll, so a
 * check handle would come too late to give this turn its instant: whoever comes first after the
 * sleep reads the clock. */
static inline void loop_enter(struct loop *loop)
{
    struct loop_impl *impl = loop_impl_of(loop);
    if (!impl->clock_is_stale)
        return;
    clock_refresh(&loop->clock);
    impl->clock_is_stale = false;
}

/* Our words for the errors libuv's calls return (0 and above: STATUS_OK). */
static inline enum status status_of_uv(int result)
{
    if (result >= 0)
        return STATUS_OK;
    return result == UV_ENOMEM ? STATUS_NO_MEMORY : STATUS_IO;
}

#endif
