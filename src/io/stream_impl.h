/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of io/ tell each other of a stream: its socket (stream.c), what stands between the
 * socket and the owner (gate.c: a PROXY header, then TLS), and the TLS of that (tls_session.c).
 *
 *   socket ──stream.c──> gate_input ──header taken──> tls: records ──> owner's bytes
 *   socket <──stream_socket_send─────────────────────  tls_send  <──── stream_send
 */
#ifndef POSTERN_IO_STREAM_IMPL_H
#define POSTERN_IO_STREAM_IMPL_H

#include "proxy_header.h"

#include <postern/base/buf.h>
#include <postern/io/stream.h>
#include <postern/io/tls.h>
#include <sys/types.h>

/* Where an arriving or secured stream is. */
enum gate_phase {
    GATE_CLOSED,    /* no socket, or not connected yet */
    GATE_HEADER,    /* a PROXY header is awaited */
    GATE_HANDSHAKE, /* TLS */
    GATE_OPEN,      /* bytes are the owner's */
    GATE_FAILED,    /* told; the owner closes */
};

struct gate {
    struct stream *stream;
    enum gate_phase phase;
    bool pumping; /* the input is being worked on: it goes on there */
    bool heard;   /* the peer has sent something */
    bool is_server;
    uint32_t header_ms;       /* 0: no header is awaited */
    uint32_t handshake_ms;    /* 0: the owner sees to that */
    struct deadline deadline; /* of the header, of the handshake */
    struct slice input;       /* read from the socket, not yet used; in the loop's read buffer */
    struct buf held;          /* … and kept while the owner doesn't read */
    struct loop_hook resumed; /* the owner reads again: what was held is worked on */
    const char *trouble;
    uint64_t unsent_bytes; /* plain ones whose records have not been given to the socket */
    void *tls;             /* OpenSSL's session; NULL: none */
    uint64_t records;      /* of plain bytes that were told */
    uint64_t chatter;      /* messages of TLS itself since the handshake */
    struct proxy_header header;
};

/* ---- stream.c ---- */

/* Gives the bytes to the kernel and queues what it does not take. The ceiling is not looked at, and
 * sent_bytes not counted: *ret_taken says what left at once (-1: the connection is broken). */
NODISCARD enum send_status stream_socket_send(struct stream *stream, const struct slice *parts,
                                              size_t count, ssize_t *ret_taken);

/* Reads the socket, or stops that, whatever the owner wants. Idempotent. */
void stream_socket_start(struct stream *stream);
void stream_socket_stop(struct stream *stream);

/* Tells the owner `ended`; no more is read. */
void stream_tell_end(struct stream *stream, enum stream_end end);

/* ---- gate.c ---- */

/* The stream's gate, made when it has none. NULL: out of memory. */
struct gate *gate_of(struct stream *stream);

/* The socket was accepted: what has to come first begins, and nobody is called. Or it is connected,
 * and this is the loop: the owner may be told already. */
void gate_begin(struct gate *gate);

/* Bytes came from the socket. */
void gate_input(struct gate *gate, struct slice bytes);

/* The socket ended, or broke. */
void gate_ended(struct gate *gate, enum stream_end end);

/* The owner wants bytes; does not any more. */
void gate_read_start(struct gate *gate);
void gate_read_stop(struct gate *gate);

/* The stream was closed: nothing is told any more. */
void gate_leave(struct gate *gate);

/* Frees it. */
void gate_free(struct gate *gate);

/* ---- tls_session.c ---- */

/* A new session of the context's present state, for `stream`'s gate. `host` only of a client. */
NODISCARD enum status tls_begin(struct gate *gate, struct tls_context *context, struct slice host);

/* Frees the session. */
void tls_end(struct gate *gate);

enum tls_step {
    TLS_GOES_ON, /* done (the handshake); told (bytes) */
    TLS_WAITS,   /* for more input */
    TLS_ENDED,   /* close_notify */
    TLS_BROKEN,  /* gate->trouble says why */
};

/* Takes the handshake a step further. */
enum tls_step tls_shake(struct gate *gate);

/* Reads at most a record and tells the owner its bytes. */
enum tls_step tls_read(struct gate *gate);

/* True while a record, or part of one, is kept inside. */
bool tls_has_input(const struct gate *gate);

/* As stream_send, of a stream that is not lost, within its ceiling. */
NODISCARD enum send_status tls_send(struct gate *gate, const struct slice *parts, size_t count);

/* Sends close_notify, once. */
void tls_finish(struct gate *gate);

#endif
