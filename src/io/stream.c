/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream over libuv: connecting, reading, sending, closing. Accepting is in listener.c, TLS and
 * the PROXY header in gate.c; here is the socket under both kinds. A send tries the socket at once
 * and only what the kernel refuses is copied and queued with libuv, so that a steady exchange costs
 * one system call each way and no allocation.
 *
 * The owner hears of a broken connection from the reading side where that is on: what the peer said
 * before it left (an early error answer) is still delivered then.
 */
#include "address_impl.h"
#include "loop_impl.h"
#include "stream_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SEND_PARTS_MAX 8

_Static_assert(sizeof(uv_tcp_t) <= STREAM_HANDLE_BYTES,
               "struct stream has room for libuv's handle");
_Static_assert(alignof(uv_tcp_t) <= 16, "struct stream aligns libuv's handle");

/* One connect in flight; freed when it has been answered, or taken back. */
struct connect_attempt {
    uv_connect_t request;
    struct loop_hook refused; /* tells what connect(2) said at once */
    struct stream *stream;
};

/* What the kernel did not take of a send, its bytes behind it. */
struct pending_write {
    uv_write_t request;
    struct stream *stream;
    size_t len;
    char bytes[];
};

static uv_tcp_t *tcp_of(struct stream *stream)
{
    return (uv_tcp_t *)(void *)stream->handle;
}

static uv_stream_t *uv_stream_of(struct stream *stream)
{
    return (uv_stream_t *)(void *)stream->handle;
}

enum status stream_init(struct stream *stream, struct loop *loop, const struct stream_handlers *on,
                        size_t backlog_ceiling)
{
    *stream = (struct stream){.on = on, .loop = loop, .backlog_ceiling = backlog_ceiling};
    int result = uv_tcp_init(loop_uv(loop), tcp_of(stream));
    if (result < 0)
        return status_of_uv(result);
    tcp_of(stream)->data = stream;
    /* Before there is a socket this is a note for the one to come. */
    result = uv_tcp_nodelay(tcp_of(stream), 1);
    assert(result == 0);
    stream->open = true;
    return STATUS_OK;
}

static void tell_connected(struct connect_attempt *attempt, enum status status)
{
    struct stream *stream = attempt->stream;
    free(attempt);
    if (!stream->open) /* closed meanwhile; libuv answers with UV_ECANCELED */
        return;
    stream->connecting = NULL;
    if (stream->gate && status == STATUS_OK)
        gate_begin(stream->gate); /* the handshake; it tells */
    else
        stream->on->connected(stream, status);
}

static void on_connected(uv_connect_t *request, int result)
{
    loop_enter(request->handle->loop->data);
    tell_connected(container_of(request, struct connect_attempt, request),
                   result < 0 ? STATUS_UNAVAILABLE : STATUS_OK);
}

static void on_refused(struct loop_hook *hook)
{
    tell_connected(container_of(hook, struct connect_attempt, refused), STATUS_UNAVAILABLE);
}

enum status stream_connect(struct stream *stream, const struct address *address)
{
    assert(stream->open && !stream->connecting);
    struct connect_attempt *attempt = calloc(1, sizeof *attempt);
    if (!attempt)
        return STATUS_NO_MEMORY;
    attempt->stream = stream;
    attempt->refused.run = on_refused;
    stream->connecting = attempt;
    if (uv_tcp_connect(&attempt->request, tcp_of(stream), address_sockaddr(address), on_connected) <
        0)
        loop_defer(stream->loop, &attempt->refused);
    return STATUS_OK;
}

void stream_tell_end(struct stream *stream, enum stream_end end)
{
    stream->reading = false;
    stream_socket_stop(stream);
    stream->end_told = true;
    stream->on->ended(stream, end);
}

static void on_alloc(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *ret_buf)
{
    (void)suggested_bytes;
    struct loop *loop = handle->loop->data;
    *ret_buf = uv_buf_init(loop_impl_of(loop)->read_buffer, STREAM_READ_BYTES);
}

static void take_end(struct stream *stream, enum stream_end end)
{
    if (stream->gate)
        gate_ended(stream->gate, end);
    else
        stream_tell_end(stream, end);
}

static void on_read(uv_stream_t *handle, ssize_t result, const uv_buf_t *buf)
{
    struct stream *stream = handle->data;
    loop_enter(stream->loop);
    if (result > 0 && stream->gate)
        gate_input(stream->gate, slice_of(buf->base, (size_t)result));
    else if (result > 0)
        stream->on->bytes(stream, slice_of(buf->base, (size_t)result));
    else if (result == UV_EOF && !stream->lost) /* a failed send ate the socket's error */
        take_end(stream, STREAM_END_EOF);
    else if (result < 0)
        take_end(stream, STREAM_END_RESET);
    /* 0 is libuv's way to say "would block" */
}

void stream_socket_start(struct stream *stream)
{
    if (stream->polling)
        return;
    int result = uv_read_start(uv_stream_of(stream), on_alloc, on_read);
    assert(result == 0); /* only fails for a stream that was never connected */
    (void)result;
    stream->polling = true;
}

void stream_socket_stop(struct stream *stream)
{
    if (!stream->polling)
        return;
    uv_read_stop(uv_stream_of(stream));
    stream->polling = false;
}

void stream_read_start(struct stream *stream)
{
    if (stream->reading || stream->end_told)
        return;
    stream->reading = true;
    if (stream->gate)
        gate_read_start(stream->gate);
    else
        stream_socket_start(stream);
}

void stream_read_stop(struct stream *stream)
{
    if (!stream->reading)
        return;
    stream->reading = false;
    if (stream->gate)
        gate_read_stop(stream->gate);
    else
        stream_socket_stop(stream);
}

static void send_fin(struct stream *stream)
{
    /* Not uv_shutdown: it needs a request from the heap, and with an empty backlog it does no more
     * than this. A socket that is no longer connected has nobody to tell. */
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)tcp_of(stream), &fd) == 0)
        (void)shutdown(fd, SHUT_WR);
}

static void tell_drained(struct stream *stream)
{
    stream->owes_drained = false;
    stream->on->drained(stream);
}

/* A queued write failed: libuv sends nothing further. */
static void tell_lost(struct stream *stream)
{
    if (stream->lost)
        return;
    stream->lost = true;
    /* Reading will find the end, after what the peer sent before. */
    if (stream->reading || stream->polling)
        return;
    if (!stream->end_told)
        stream_tell_end(stream, STREAM_END_RESET);
    else if (stream->owes_drained)
        tell_drained(stream);
}

static void on_written(uv_write_t *request, int result)
{
    struct pending_write *write = container_of(request, struct pending_write, request);
    struct stream *stream = write->stream;
    size_t len = write->len;
    free(write);
    if (!stream->open)
        return;
    loop_enter(stream->loop);
    stream->backlog_bytes -= len;
    if (!stream->sealed)
        stream->sent_bytes += len;
    if (result < 0) {
        tell_lost(stream);
        return;
    }
    if (stream->backlog_bytes > 0)
        return;
    if (stream->finishing)
        send_fin(stream);
    if (stream->owes_drained) /* not after a handshake's bytes */
        tell_drained(stream);
}

/* Copies the parts from their byte `skip` on, `len` bytes, and queues them. */
static enum send_status queue_rest(struct stream *stream, const struct slice *parts, size_t count,
                                   size_t skip, size_t len)
{
    struct pending_write *write = malloc(sizeof *write + len);
    if (!write)
        return SEND_LOST;
    write->stream = stream;
    write->len = len;
    char *end = write->bytes;
    for (size_t i = 0; i < count; i++) {
        size_t skipped = skip < parts[i].len ? skip : parts[i].len;
        struct slice rest = slice_skip(parts[i], skipped);
        skip -= skipped;
        if (rest.len > 0)
            end = mempcpy(end, rest.data, rest.len);
    }
    uv_buf_t buf = {.base = write->bytes, .len = len};
    if (uv_write(&write->request, uv_stream_of(stream), &buf, 1, on_written) < 0) {
        free(write);
        return SEND_LOST;
    }
    stream->backlog_bytes += len;
    return SEND_BACKLOG;
}

/* Lays the parts that aren't empty out for libuv. Returns their number. */
static unsigned int make_bufs(const struct slice *parts, size_t count, uv_buf_t *bufs,
                              size_t *ret_total)
{
    unsigned int used = 0;
    *ret_total = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len == 0)
            continue;
        /* libuv's struct serves reading as well, hence no const there; sending only reads. */
        bufs[used++] = (uv_buf_t){.base = (char *)(uintptr_t)parts[i].data, .len = parts[i].len};
        *ret_total += parts[i].len;
    }
    return used;
}

enum send_status stream_socket_send(struct stream *stream, const struct slice *parts, size_t count,
                                    ssize_t *ret_taken)
{
    uv_buf_t bufs[SEND_PARTS_MAX];
    size_t total;
    unsigned int used = make_bufs(parts, count, bufs, &total);
    int taken = uv_try_write(uv_stream_of(stream), bufs, used);
    if (taken == UV_EAGAIN)
        taken = 0;
    *ret_taken = taken < 0 ? -1 : taken;
    if (taken < 0)
        return SEND_LOST;
    return (size_t)taken == total
               ? SEND_DONE
               : queue_rest(stream, parts, count, (size_t)taken, total - (size_t)taken);
}

static enum send_status send_plain(struct stream *stream, const struct slice *parts, size_t count)
{
    ssize_t taken;
    enum send_status status = stream_socket_send(stream, parts, count, &taken);
    if (taken > 0)
        stream->sent_bytes += (size_t)taken;
    return status;
}

static size_t total_len(const struct slice *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    return total;
}

enum send_status stream_send(struct stream *stream, const struct slice *parts, size_t count)
{
    assert(stream->open && count >= 1 && count <= SEND_PARTS_MAX);
    if (stream->lost)
        return SEND_LOST;
    size_t total = total_len(parts, count);
    if (total > stream->backlog_ceiling || stream->backlog_bytes > stream->backlog_ceiling - total)
        return SEND_FULL;
    if (total == 0)
        return SEND_DONE;
    enum send_status status = stream->sealed ? tls_send(stream->gate, parts, count)
                                             : send_plain(stream, parts, count);
    stream->lost = status == SEND_LOST;
    stream->owes_drained = stream->owes_drained || status == SEND_BACKLOG;
    return status;
}

void stream_finish(struct stream *stream)
{
    if (stream->sealed && !stream->finishing)
        tls_finish(stream->gate);
    stream->finishing = true;
    if (stream->backlog_bytes == 0)
        send_fin(stream);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    loop_enter(stream->loop);
    if (stream->gate)
        gate_free(stream->gate);
    stream->gate = NULL;
    stream->on->closed(stream);
}

/* What closing and aborting share; libuv itself answers its connect and write requests. */
static void leave(struct stream *stream)
{
    assert(stream->open);
    stream->open = false;
    stream->reading = false;
    stream->polling = false;
    if (stream->gate)
        gate_leave(stream->gate);
    struct connect_attempt *attempt = stream->connecting;
    if (attempt && !list_is_empty(&attempt->refused.link)) {
        loop_undefer(&attempt->refused);
        free(attempt);
    }
    stream->connecting = NULL;
}

void stream_close(struct stream *stream)
{
    if (stream->sealed && !stream->finishing && stream->backlog_bytes == 0)
        tls_finish(stream->gate); /* as much of it as the socket takes now */
    leave(stream);
    uv_close((uv_handle_t *)tcp_of(stream), on_closed);
}

void stream_abort(struct stream *stream)
{
    leave(stream);
    /* Fails for a stream without a socket, which has nothing to reset. */
    if (uv_tcp_close_reset(tcp_of(stream), on_closed) < 0)
        uv_close((uv_handle_t *)tcp_of(stream), on_closed);
}

enum status stream_secure(struct stream *stream, struct tls_context *context, struct slice host)
{
    struct gate *gate = gate_of(stream);
    return gate ? tls_begin(gate, context, host) : STATUS_NO_MEMORY;
}

bool stream_is_arriving(const struct stream *stream)
{
    const struct gate *gate = stream->gate;
    return gate && (gate->phase == GATE_HEADER || gate->phase == GATE_HANDSHAKE);
}

const char *stream_trouble(const struct stream *stream)
{
    const struct gate *gate = stream->gate;
    return gate ? gate->trouble : "";
}

enum status stream_peer(const struct stream *stream, struct address *ret_address)
{
    const struct gate *gate = stream->gate;
    if (gate && gate->header.has_source) {
        *ret_address = gate->header.source;
        return STATUS_OK;
    }
    struct sockaddr_storage peer;
    int len = sizeof peer;
    const uv_tcp_t *tcp = (const uv_tcp_t *)(const void *)stream->handle;
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&peer, &len) < 0 ||
        !address_from_sockaddr((const struct sockaddr *)&peer, ret_address))
        return STATUS_UNAVAILABLE;
    return STATUS_OK;
}
