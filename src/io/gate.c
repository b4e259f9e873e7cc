/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between a socket and a stream's owner, for streams that need it: first a PROXY header
 * (accepted ones), then the TLS handshake, then TLS records, which become the owner's bytes.
 *
 *   CLOSED ──connected, accepted──> HEADER ──> HANDSHAKE ──> OPEN
 *                                      └──────────┴── garbage, end, too late ──> FAILED
 *
 * The socket is read until the gate is open, whatever the owner wants, and then only while the
 * owner reads. What was read from the socket when the owner stops is held here (one read at most)
 * and worked on from a hook when it starts again, because nobody is called from inside
 * stream_read_start.
 */
#include "loop_impl.h"
#include "stream_impl.h"

#include <assert.h>
#include <stdlib.h>

static void on_deadline(struct deadline *deadline);
static void on_resumed(struct loop_hook *hook);

struct gate *gate_of(struct stream *stream)
{
    struct gate *gate = stream->gate;
    if (gate)
        return gate;
    gate = calloc(1, sizeof *gate);
    if (!gate)
        return NULL;
    gate->stream = stream;
    gate->trouble = "";
    gate->deadline.expired = on_deadline;
    gate->resumed.run = on_resumed;
    buf_init(&gate->held, STREAM_READ_BYTES);
    stream->gate = gate;
    return gate;
}

void gate_free(struct gate *gate)
{
    tls_end(gate);
    buf_done(&gate->held);
    free(gate);
}

void gate_leave(struct gate *gate)
{
    deadline_clear(&gate->stream->loop->deadlines, &gate->deadline);
    loop_undefer(&gate->resumed);
}

/* ---- phases ---- */

static struct stream_counts *counts_of(const struct gate *gate)
{
    return &loop_impl_of(gate->stream->loop)->counts;
}

static void set_deadline(struct gate *gate, uint32_t in_ms)
{
    struct loop *loop = gate->stream->loop;
    if (in_ms > 0)
        deadline_set(&loop->deadlines, &gate->deadline, loop_now_ms(loop) + in_ms);
    else
        deadline_clear(&loop->deadlines, &gate->deadline);
}

/* The one place that assigns the phase. Opening and failing are told. */
static void enter(struct gate *gate, enum gate_phase phase)
{
    struct stream *stream = gate->stream;
    gate->phase = phase;
    set_deadline(gate, phase == GATE_HEADER      ? gate->header_ms
                       : phase == GATE_HANDSHAKE ? gate->handshake_ms
                                                 : 0);
    if (phase == GATE_OPEN)
        stream->on->connected(stream, STATUS_OK);
    else if (phase == GATE_FAILED)
        stream->on->connected(stream, STATUS_UNAVAILABLE);
}

/* A peer that connects, says nothing and leaves is a health check, and no failure. */
static void fail(struct gate *gate, const char *trouble, bool counts)
{
    if (counts && gate->is_server && gate->phase == GATE_HEADER)
        counts_of(gate)->bad_proxy_headers++;
    else if (counts && gate->is_server)
        counts_of(gate)->failed_handshakes++;
    gate->trouble = trouble;
    enter(gate, GATE_FAILED);
}

static void on_deadline(struct deadline *deadline)
{
    struct gate *gate = container_of(deadline, struct gate, deadline);
    stream_socket_stop(gate->stream);
    fail(gate, gate->phase == GATE_HEADER ? "no PROXY header in time" : "no TLS handshake in time",
         true);
}

/* ---- input ---- */

static bool take_header(struct gate *gate)
{
    switch (proxy_header_take(&gate->header, &gate->input)) {
    case PROXY_MORE:
        return false;
    case PROXY_BAD:
        fail(gate, "not a PROXY header", true);
        return false;
    case PROXY_DONE:
        break;
    }
    gate->heard = gate->input.len > 0; /* so far only the proxy has spoken */
    enter(gate, gate->tls ? GATE_HANDSHAKE : GATE_OPEN);
    return true;
}

static bool shake(struct gate *gate)
{
    switch (tls_shake(gate)) {
    case TLS_WAITS:
        return false;
    case TLS_ENDED:
    case TLS_BROKEN:
        fail(gate, gate->trouble, true);
        return false;
    case TLS_GOES_ON:
        break;
    }
    if (gate->is_server)
        counts_of(gate)->handshakes++;
    enter(gate, GATE_OPEN);
    return true;
}

static bool deliver_plain(struct gate *gate)
{
    struct slice bytes = gate->input;
    if (bytes.len == 0)
        return false;
    gate->input = slice_of(NULL, 0);
    gate->stream->on->bytes(gate->stream, bytes);
    return true;
}

static bool deliver_secure(struct gate *gate)
{
    struct stream *stream = gate->stream;
    if (gate->input.len == 0 && !tls_has_input(gate))
        return false; /* OpenSSL would say the same for more */
    switch (tls_read(gate)) {
    case TLS_GOES_ON:
        return true;
    case TLS_WAITS:
        return false;
    case TLS_ENDED:
        stream_tell_end(stream, STREAM_END_EOF);
        return false;
    case TLS_BROKEN:
        stream->lost = true;
        stream_tell_end(stream, STREAM_END_RESET);
        return false;
    }
    return false;
}

/* One step; false when nothing further can be done with the input now. */
static bool step(struct gate *gate)
{
    switch (gate->phase) {
    case GATE_HEADER:
        return take_header(gate);
    case GATE_HANDSHAKE:
        return shake(gate);
    case GATE_OPEN:
        if (!gate->stream->reading)
            return false;
        return gate->tls ? deliver_secure(gate) : deliver_plain(gate);
    case GATE_CLOSED:
    case GATE_FAILED:
        break;
    }
    return false;
}

static bool has_input(const struct gate *gate)
{
    return buf_len(&gate->held) > 0 || (gate->tls && tls_has_input(gate));
}

/* After the pump: what it left is held, and the socket is read or not. */
static void settle(struct gate *gate, struct slice left)
{
    struct stream *stream = gate->stream;
    if (gate->phase == GATE_FAILED || stream->end_told) {
        stream_socket_stop(stream);
        return;
    }
    if (left.len > 0 && buf_append(&gate->held, left) != STATUS_OK) {
        stream->lost = true;
        stream_tell_end(stream, STREAM_END_RESET);
        return;
    }
    if (gate->phase != GATE_OPEN || stream->reading)
        stream_socket_start(stream);
    else
        stream_socket_stop(stream);
}

/* Works on the input until it is used up, the owner stops reading, or all is over. The owner may
 * close in any callback; the gate's memory stays until `closed`. */
static void pump(struct gate *gate, struct slice input)
{
    assert(!gate->pumping);
    gate->pumping = true;
    gate->input = input;
    while (gate->stream->open && !gate->stream->end_told && step(gate)) {
    }
    gate->pumping = false;
    struct slice left = gate->input;
    gate->input = slice_of(NULL, 0); /* borrowed; OpenSSL may ask for more when it only writes */
    if (gate->stream->open)
        settle(gate, left);
}

void gate_input(struct gate *gate, struct slice bytes)
{
    gate->heard = true;
    pump(gate, bytes);
}

static void on_resumed(struct loop_hook *hook)
{
    struct gate *gate = container_of(hook, struct gate, resumed);
    struct buf held = gate->held;
    buf_init(&gate->held, STREAM_READ_BYTES);
    pump(gate, buf_slice(&held));
    buf_done(&held);
}

void gate_ended(struct gate *gate, enum stream_end end)
{
    stream_socket_stop(gate->stream);
    if (gate->phase == GATE_OPEN)
        stream_tell_end(gate->stream, gate->tls && !gate->is_server ? STREAM_END_RESET : end);
    else if (gate->phase != GATE_FAILED)
        fail(gate, "the peer left while connecting", gate->heard);
}

/* ---- the owner's side ---- */

void gate_begin(struct gate *gate)
{
    assert(gate->stream->on->connected);
    enter(gate, gate->header_ms > 0 ? GATE_HEADER : GATE_HANDSHAKE);
    if (gate->is_server)
        stream_socket_start(gate->stream);
    else
        pump(gate, slice_of(NULL, 0)); /* it speaks first */
}

void gate_read_start(struct gate *gate)
{
    if (gate->pumping || gate->phase != GATE_OPEN)
        return;
    if (has_input(gate))
        loop_defer(gate->stream->loop, &gate->resumed);
    else
        stream_socket_start(gate->stream);
}

void gate_read_stop(struct gate *gate)
{
    if (gate->phase != GATE_OPEN)
        return;
    loop_undefer(&gate->resumed);
    if (!gate->pumping)
        stream_socket_stop(gate->stream);
}
