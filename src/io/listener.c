/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets and accepting from them. The socket is made by hand, because libuv has no way
 * to ask for SO_REUSEPORT before 1.49; libuv then takes it over.
 */
#include "address_impl.h"
#include "loop_impl.h"
#include "stream_impl.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

/* Memory of its own, so that the owner's struct may go at once. */
struct listener_impl {
    uv_tcp_t handle;
    struct listener *owner;
};

static void free_closed(uv_handle_t *handle)
{
    free(container_of(handle, struct listener_impl, handle));
}

static void on_connection(uv_stream_t *handle, int result)
{
    struct listener_impl *impl = container_of(handle, struct listener_impl, handle);
    loop_enter(handle->loop->data);
    if (result < 0) {
        impl->owner->failures++;
        return;
    }
    impl->owner->pending(impl->owner);
}

static bool set_options(int fd, const struct address *address)
{
    int on = 1, off = 0;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
           (address_sockaddr(address)->sa_family != AF_INET6 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0);
}

/* A bound socket and its address with the real port; -1 and errno when there is none. */
static int bind_socket(const struct address *address, struct address *ret_bound)
{
    const struct sockaddr *wanted = address_sockaddr(address);
    int fd = socket(wanted->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_in6 bound;
    socklen_t bound_len = sizeof bound;
    if (set_options(fd, address) && bind(fd, wanted, address_sockaddr_len(address)) == 0 &&
        getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0) {
        *ret_bound = *address;
        address_set_port(ret_bound, ntohs(bound.sin6_port)); /* the same place in both families */
        return fd;
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

bool address_is_taken(const struct address *address)
{
    const struct sockaddr *wanted = address_sockaddr(address);
    int fd = socket(wanted->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false; /* listener_open will say why */
    int on = 1;
    bool taken = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 bind(fd, wanted, address_sockaddr_len(address)) != 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

/* Gives the socket to libuv, which closes it with the handle. */
static int listen_on(struct listener_impl *impl, int fd, int backlog)
{
    int result = uv_tcp_open(&impl->handle, fd);
    if (result < 0) {
        close(fd);
        return result;
    }
    return uv_listen((uv_stream_t *)&impl->handle, backlog, on_connection);
}

enum status listener_open(struct listener *listener, struct loop *loop,
                          const struct address *address, int backlog)
{
    assert(listener->pending && (!listener->proxy_header || listener->proxy_header_ms > 0));
    struct listener_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return STATUS_NO_MEMORY;
    int fd = bind_socket(address, &listener->address);
    if (fd < 0) {
        int reason = errno;
        free(impl);
        errno = reason;
        return STATUS_IO;
    }
    uv_tcp_init(loop_uv(loop), &impl->handle);
    impl->owner = listener;
    int result = listen_on(impl, fd, backlog);
    if (result < 0) {
        uv_close((uv_handle_t *)&impl->handle, free_closed);
        errno = -result;
        return STATUS_IO;
    }
    listener->loop = loop;
    listener->failures = 0;
    listener->impl = impl;
    return STATUS_OK;
}

void listener_close(struct listener *listener)
{
    struct listener_impl *impl = listener->impl;
    listener->impl = NULL;
    uv_close((uv_handle_t *)&impl->handle, free_closed);
}

/* What the listener wants first of its streams. */
static enum status begin_arriving(const struct listener *listener, struct stream *stream)
{
    struct gate *gate = gate_of(stream);
    if (!gate)
        return STATUS_NO_MEMORY;
    gate->is_server = true;
    gate->header_ms = listener->proxy_header ? listener->proxy_header_ms : 0;
    enum status status = STATUS_OK;
    if (listener->tls)
        status = tls_begin(gate, listener->tls, slice_of("", 0));
    if (status == STATUS_OK)
        gate_begin(gate);
    return status;
}

enum status stream_accept(struct listener *listener, struct stream *stream)
{
    struct listener_impl *impl = listener->impl;
    assert(impl);
    enum status status = status_of_uv(
        uv_accept((uv_stream_t *)&impl->handle, (uv_stream_t *)(void *)stream->handle));
    if (status == STATUS_OK && (listener->tls || listener->proxy_header))
        status = begin_arriving(listener, stream);
    return status;
}

void stream_count_untrusted(const struct stream *stream)
{
    loop_impl_of(stream->loop)->counts.bad_proxy_headers++;
}

struct stream_counts stream_counts_of(const struct loop *loop)
{
    return loop_impl_of(loop)->counts;
}
