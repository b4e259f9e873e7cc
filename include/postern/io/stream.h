/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream over a TCP socket, plain or TLS, one contract for clients, upstreams and Redis.
 * Knows no protocol of theirs. Also accepting and connecting.
 *
 * Order of calls towards the owner, all from the loop, never from inside a stream_* call:
 *   connected (after stream_connect, or when an accepted stream was arriving) -> bytes* / drained*
 *   -> ended (at most once) ; closed
 * exactly once after stream_close. The owner may call stream_close in any of them; after
 * stream_close only `closed` comes.
 *
 * With TLS (io/tls.h) bytes are the plain ones, in both directions. The peer's close_notify is
 * STREAM_END_EOF. A FIN without it is that as well on an accepted stream (HTTP's framing tells a
 * cut request), but STREAM_END_RESET on one that connected, where the end of the stream may be the
 * end of a response.
 */
#ifndef POSTERN_IO_STREAM_H
#define POSTERN_IO_STREAM_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/io/loop.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for libuv's uv_tcp_t (248 bytes), so that owners embed a stream without seeing uv.h;
 * asserted in stream.c. */
#define STREAM_HANDLE_BYTES 256

#define STREAM_READ_BYTES 65536u /* the loop's one read buffer, shared by all its streams */

struct stream;
struct tls_context;

enum stream_end {
    STREAM_END_EOF,   /* the peer sent its FIN; sending may still work */
    STREAM_END_RESET, /* the connection broke */
};

struct stream_handlers {
    /* A connect attempt ended, its TLS handshake included; or an accepted stream has arrived
     * (stream_is_arriving). STATUS_OK, or STATUS_UNAVAILABLE: refused, unreachable, no handshake,
     * not in time; stream_trouble may know more. On failure the owner closes. */
    void (*connected)(struct stream *stream, enum status status);
    /* Bytes arrived; borrowed until the call returns (they lie in the loop's shared read buffer).
     */
    void (*bytes)(struct stream *stream, struct slice bytes);
    /* No more bytes will come. The owner closes, now or after its last send. A connection that
     * breaks under a backlog is told here as well, even while reading is stopped. */
    void (*ended)(struct stream *stream, enum stream_end end);
    /* Everything accepted by stream_send has been handed to the kernel, after a send that answered
     * SEND_BACKLOG; or was lost with a connection whose end had been told already (the next send
     * says SEND_LOST). */
    void (*drained)(struct stream *stream);
    /* The stream's memory belongs to the owner again. */
    void (*closed)(struct stream *stream);
};

struct stream {
    const struct stream_handlers *on;
    struct loop *loop;
    size_t backlog_bytes;   /* accepted but not yet with the kernel; with TLS as it will leave */
    size_t backlog_ceiling; /* stream_send refuses to pass it; may be changed between sends */
    uint64_t sent_bytes; /* handed to the kernel, or lost in an attempt to: what may have left. With
                            TLS the plain bytes, all of a piece when some of it may have left */
    void *connecting;    /* io's own: the attempt in flight */
    void *gate;          /* io's own: what stands before the bytes (PROXY header, TLS) */
    bool open;           /* between stream_init and stream_close */
    bool reading;        /* the owner wants bytes */
    bool polling;        /* the socket is being read */
    bool end_told;
    bool lost;         /* a send failed; reading may still find what the peer sent before */
    bool finishing;    /* the FIN follows the backlog */
    bool owes_drained; /* a send answered SEND_BACKLOG */
    bool sealed;       /* TLS */
    alignas(16) unsigned char handle[STREAM_HANDLE_BYTES];
};

/* Prepares a stream on `loop` without a socket. `backlog_ceiling`: most bytes it may hold for a
 * slow peer. After it, stream_close has to be called before the memory goes, whatever happened in
 * between. */
NODISCARD enum status stream_init(struct stream *stream, struct loop *loop,
                                  const struct stream_handlers *on, size_t backlog_ceiling);

/* An address to listen on or connect to, resolved: sockaddr_in or sockaddr_in6 in opaque storage.
 */
struct address {
    alignas(8) unsigned char storage[28]; /* sizeof(struct sockaddr_in6), asserted */
};

/* Size of the longest text address_format writes, with NUL: "[ffff:…:ffff]:65535". */
#define ADDRESS_TEXT_SIZE 56

/* Reads "1.2.3.4:80" or "[::1]:80" (numeric only; port 0 lets the kernel choose). */
NODISCARD enum status address_parse(struct slice text, struct address *ret_address);

/* Writes the numeric form with the port. */
void address_format(const struct address *address, char ret_text[static ADDRESS_TEXT_SIZE]);

/* Writes only the host part, without brackets: what X-Forwarded-For takes. */
void address_format_host(const struct address *address, char ret_text[static ADDRESS_TEXT_SIZE]);

/* True for 127.0.0.0/8 (also mapped into IPv6) and ::1. */
bool address_is_loopback(const struct address *address);

/* Makes the stream a TLS client of `context`, which is borrowed for the call: before
 * stream_connect. `host` is for SNI and the check of the certificate, unless the context has a name
 * of its own. STATUS_INVALID: the host is too long or none. */
NODISCARD enum status stream_secure(struct stream *stream, struct tls_context *context,
                                    struct slice host);

/* Begins connecting; `connected` will come exactly once unless stream_close comes first, also when
 * the kernel refuses at once. No time-out of its own: the owner has a deadline. TCP_NODELAY is set.
 * STATUS_NO_MEMORY: not begun, `connected` won't come. */
NODISCARD enum status stream_connect(struct stream *stream, const struct address *address);

/* Starts (or starts again) delivering bytes; from `connected` or stream_accept on (they come after
 * `connected` where that comes). Idempotent, and nothing after `ended`. */
void stream_read_start(struct stream *stream);

/* Stops delivering bytes: back-pressure. The peer's end is not told either until reading starts
 * again. Idempotent. */
void stream_read_stop(struct stream *stream);

enum send_status {
    SEND_DONE,    /* all with the kernel */
    SEND_BACKLOG, /* all accepted; some copied and still to be sent: `drained` will come */
    SEND_FULL,    /* nothing accepted: backlog and pieces together would pass the ceiling (the
                     kernel isn't asked: a send above the ceiling is always refused) */
    SEND_LOST,    /* the connection is broken; the owner closes (`ended` need not come). Whether
                     anything of this send left is to be seen from sent_bytes */
};

/* Sends `count` (1 … 8) pieces in order, in one system call if the kernel takes them. The pieces
 * are borrowed for the call; what the kernel did not take is copied. */
NODISCARD enum send_status stream_send(struct stream *stream, const struct slice *parts,
                                       size_t count);

/* Shuts the sending side down (FIN) once the backlog is sent. Reading goes on. */
void stream_finish(struct stream *stream);

/* Closes; what is in the backlog is thrown away. `closed` comes later in the loop, exactly once.
 * Calling it twice is a mistake. */
void stream_close(struct stream *stream);

/* Closes so that the peer sees a reset instead of an orderly end (for a response that can't be
 * completed). */
void stream_abort(struct stream *stream);

/* The peer's address, from a PROXY header's end on the one told there; IPv4 through a dual-stack
 * socket is told as IPv4. STATUS_UNAVAILABLE when it is gone already. */
NODISCARD enum status stream_peer(const struct stream *stream, struct address *ret_address);

/* True while an accepted stream still has to send its PROXY header or to shake hands: `connected`
 * will come, by the time the listener allows for it. */
bool stream_is_arriving(const struct stream *stream);

/* Why `connected` failed or the stream broke, where TLS or the PROXY header is the reason; for
 * people. Static storage; "" when there is nothing to say. */
const char *stream_trouble(const struct stream *stream);

/* What became of the streams accepted on a loop before their bytes counted. */
struct stream_counts {
    uint64_t handshakes;        /* TLS, completed */
    uint64_t failed_handshakes; /* refused, broken off, or not in time; not those of peers that said
                                   nothing and left */
    uint64_t bad_proxy_headers; /* likewise; and those of peers that may send none */
};

/* Since the loop was opened; loop thread. */
struct stream_counts stream_counts_of(const struct loop *loop);

/* Counts a stream that was accepted, and is about to be closed because its peer may not send a
 * PROXY header: who sends none is known to this folder, who may is not. */
void stream_count_untrusted(const struct stream *stream);

/* A listening socket. `pending` runs when a connection waits: the owner calls stream_accept once
 * per call. The first four are set before listener_open, the rest is filled in by it. */
struct listener {
    void (*pending)(struct listener *listener);
    struct tls_context *tls;  /* borrowed; NULL: plain */
    bool proxy_header;        /* streams begin with a PROXY header (v1 or v2), before TLS */
    uint32_t proxy_header_ms; /* within that time */
    struct loop *loop;
    struct address address; /* as bound: the real port after listener_open */
    uint64_t failures;      /* accepts that failed; not those for want of descriptors: libuv takes
                               and closes such connections untold */
    void *impl;
};

/* Binds and listens with SO_REUSEADDR and SO_REUSEPORT (each worker has its own listener on the
 * same address), IPv6 sockets dual-stack. `listener->pending` has to be set. STATUS_IO: errno says
 * why. */
NODISCARD enum status listener_open(struct listener *listener, struct loop *loop,
                                    const struct address *address, int backlog);

/* True when somebody listens on `address` already. With SO_REUSEPORT a second process of the same
 * user would silently share it, which is meant for this process's workers only; to be asked before
 * the first of them opens. */
bool address_is_taken(const struct address *address);

/* Stops listening; no `pending` after this. The struct may be freed at once. */
void listener_close(struct listener *listener);

/* Takes the waiting connection into `stream` (after stream_init); TCP_NODELAY is set. It is
 * arriving when the listener has TLS or expects a PROXY header. On failure the owner closes the
 * stream. */
NODISCARD enum status stream_accept(struct listener *listener, struct stream *stream);

#endif
