/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's other ways of being told something: wake-ups from other threads, signals, readiness of
 * descriptors that belong to somebody else. Each libuv handle lies in memory of its own, so that
 * the owner's struct may go at once while libuv still closes. libuv calls nothing but the close
 * callback once uv_close was called.
 */
#include "loop_impl.h"

#include <assert.h>
#include <stdlib.h>

struct waker_impl {
    uv_async_t handle;
    struct loop_waker *owner;
};

struct signal_impl {
    uv_signal_t handle;
    struct loop_signal *owner;
};

struct poll_impl {
    uv_poll_t handle;
    struct loop_poll *owner;
};

/* Every handle is the first member of its memory. */
static void free_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_woken(uv_async_t *handle)
{
    struct waker_impl *impl = container_of(handle, struct waker_impl, handle);
    loop_enter(handle->loop->data);
    impl->owner->woken(impl->owner);
}

static void on_manual_wake(struct loop_hook *hook)
{
    struct loop_waker *waker = container_of(hook, struct loop_waker, hook);
    waker->woken(waker);
}

enum status loop_waker_open(struct loop *loop, struct loop_waker *waker)
{
    assert(waker->woken);
    if (!loop->impl) {
        waker->manual = loop;
        waker->hook.run = on_manual_wake;
        return STATUS_OK;
    }
    struct waker_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return STATUS_NO_MEMORY;
    impl->owner = waker;
    int result = uv_async_init(loop_uv(loop), &impl->handle, on_woken);
    if (result < 0) {
        free(impl);
        return status_of_uv(result);
    }
    waker->impl = impl;
    return STATUS_OK;
}

void loop_waker_close(struct loop_waker *waker)
{
    if (waker->manual) {
        loop_undefer(&waker->hook);
        return;
    }
    struct waker_impl *impl = waker->impl;
    waker->impl = NULL;
    uv_close((uv_handle_t *)&impl->handle, free_closed);
}

void loop_wake(struct loop_waker *waker)
{
    if (waker->manual) {
        loop_defer(waker->manual, &waker->hook);
        return;
    }
    struct waker_impl *impl = waker->impl;
    int result = uv_async_send(&impl->handle);
    assert(result == 0); /* aborts by itself where it could fail */
    (void)result;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct signal_impl *impl = container_of(handle, struct signal_impl, handle);
    loop_enter(handle->loop->data);
    impl->owner->caught(impl->owner, number);
}

enum status loop_signal_open(struct loop *loop, struct loop_signal *signal, int number)
{
    assert(signal->caught);
    struct signal_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return STATUS_NO_MEMORY;
    impl->owner = signal;
    int result = uv_signal_init(loop_uv(loop), &impl->handle);
    if (result < 0) {
        free(impl);
        return status_of_uv(result);
    }
    result = uv_signal_start(&impl->handle, on_signal, number);
    if (result < 0) {
        uv_close((uv_handle_t *)&impl->handle, free_closed);
        return status_of_uv(result);
    }
    signal->impl = impl;
    return STATUS_OK;
}

void loop_signal_close(struct loop_signal *signal)
{
    struct signal_impl *impl = signal->impl;
    signal->impl = NULL;
    uv_close((uv_handle_t *)&impl->handle, free_closed);
}

static void on_ready(uv_poll_t *handle, int result, int events)
{
    struct poll_impl *impl = container_of(handle, struct poll_impl, handle);
    loop_enter(handle->loop->data);
    /* libuv says no more than "bad descriptor"; the owner finds the error when it reads. */
    bool failed = result < 0;
    impl->owner->ready(impl->owner, failed || (events & UV_READABLE) != 0,
                       failed || (events & UV_WRITABLE) != 0);
}

enum status loop_poll_open(struct loop *loop, struct loop_poll *poll, int fd)
{
    assert(poll->ready);
    struct poll_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return STATUS_NO_MEMORY;
    impl->owner = poll;
    int result = uv_poll_init(loop_uv(loop), &impl->handle, fd);
    if (result < 0) {
        free(impl);
        return status_of_uv(result);
    }
    poll->impl = impl;
    return STATUS_OK;
}

enum status loop_poll_watch(struct loop_poll *poll, bool readable, bool writable)
{
    struct poll_impl *impl = poll->impl;
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    /* Starting takes the descriptor out of epoll and puts it in anew, even for the same events. */
    return status_of_uv(events ? uv_poll_start(&impl->handle, events, on_ready)
                               : uv_poll_stop(&impl->handle));
}

void loop_poll_close(struct loop_poll *poll)
{
    struct poll_impl *impl = poll->impl;
    poll->impl = NULL;
    uv_close((uv_handle_t *)&impl->handle, free_closed);
}
