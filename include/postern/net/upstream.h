/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to one upstream: endpoints in turn, pooled keep-alive connections, a cap on calls in flight
 * with a bounded queue behind it, time-outs, responses streamed with back-pressure. One per worker
 * and configured upstream. Knows no webhook.
 *
 *   submit -> [queued] -> connect or reuse -> request out -> head -> body* -> ended
 *
 * A call is begun again on another connection only when no byte of its request had left the socket,
 * or when a pooled connection turned out to be closed before any byte was written. After the
 * request was (even partly) sent, it is never repeated.
 */
#ifndef POSTERN_NET_UPSTREAM_H
#define POSTERN_NET_UPSTREAM_H

#include <postern/base/arena.h>
#include <postern/base/list.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/io/loop.h>
#include <postern/io/tls.h>
#include <postern/net/http1.h>

struct upstream_endpoint {
    struct slice host; /* name or numeric, without brackets */
    uint16_t port;
    bool secure;            /* https: TLS by the upstream's `tls` */
    struct slice authority; /* for the Host field: as written in the config, "10.0.0.5:8000" */
};

struct upstream_opts {
    struct slice name;
    const struct upstream_endpoint *endpoints; /* at least 1 */
    size_t endpoint_count;
    uint32_t connect_timeout_ms; /* of one attempt, the look-up of a name included; a call whose
                                    attempt fails tries other endpoints and addresses, few in all */
    uint32_t timeout_ms;  /* from the request's first byte out to the response's head, and between
                             pieces of its body; of a queued call, the wait for a slot */
    uint32_t concurrency; /* calls in flight per worker; > 0 */
    uint32_t queue_max;   /* calls waiting for a slot; 0: refuse at once */
    uint32_t idle_timeout_ms;        /* a pooled connection unused for that long is closed */
    uint32_t idle_max;               /* pooled connections kept */
    struct tls_client_opts tls;      /* for secure endpoints; `enabled` when there is one */
    struct tls_context *tls_context; /* filled in by main from `tls`; borrowed */
};

enum call_end {
    CALL_COMPLETE,       /* the whole response was received */
    CALL_BUSY,           /* no slot: the queue was full, or the wait in it exceeded timeout_ms */
    CALL_CONNECT_FAILED, /* refused, unreachable, name unknown, or not connected in time; nothing
                            was sent */
    CALL_TIMED_OUT,      /* sent, and no head (or no further piece) in time */
    CALL_BROKEN, /* sent at least partly, then the connection broke or closed before the response
                    ended */
    CALL_BAD_RESPONSE, /* what came isn't HTTP/1 */
    CALL_LAPSED,       /* not_after_ms had come; nothing was sent */
    CALL_NO_MEMORY,
};

struct upstream_call;

struct upstream_call_handlers {
    /* The response's head (call->reader.head): at most once. Until it returns from here, nothing
     * else is told. */
    void (*head)(struct upstream_call *call);
    /* A piece of the body; borrowed for the call. */
    void (*body)(struct upstream_call *call, struct slice piece);
    /* The end; exactly once per submit that answered OP_PENDING, unless cancelled. `end` and
     * `any_sent` are set, and the struct may be reused or freed at once. May come after head and
     * body, in the same turn. */
    void (*ended)(struct upstream_call *call);
};

/* Owned by the caller, alive until `ended` or upstream_cancel. Fill the upper half, zero the rest.
 */
struct upstream_call {
    const struct upstream_call_handlers *on;
    struct slice head; /* in: request line and all fields but Host, without the empty line (it may
                          be sent to any endpoint) */
    struct slice
        body; /* in: whole body, framed by a Content-Length in `head`; borrowed until the end */
    bool is_head_request; /* in: the response has no body */
    struct arena *arena;  /* in: the response head goes here */
    uint32_t timeout_ms;  /* in: 0 = the upstream's own */
    /* in: monotonic; from this instant on its request isn't begun (0: it may be at any time). The
     * clock is asked right before the first byte; the caller may move it until then. */
    uint64_t not_after_ms;
    /* out */
    enum call_end end;
    bool any_sent; /* a byte of the request may have reached the upstream */
    struct http1_reader reader;
    /* private */
    struct list link;
    struct deadline deadline;
    struct upstream_conn *conn;
    struct upstream *upstream;
    uint8_t state;
    uint8_t connects; /* that failed */
    bool paused;
};

/* Counters of one upstream on this loop, for metrics. */
struct upstream_stats {
    uint64_t connects, connect_failures, reuses,
        restarts; /* restarts: calls begun again before a byte was sent */
    uint32_t in_flight, queued, idle;
    uint64_t tls_failures;   /* connections that TLS ended, before they were there or after */
    const char *tls_trouble; /* why, of the last one; static storage, NULL: none yet */
};

/* The interface, so that tests run the gateway on a fake. */
struct upstream_backend {
    /* Takes the call. OP_READY: ended already (call->end says how: busy), no callback comes. */
    enum op_status (*submit)(struct upstream *upstream, struct upstream_call *call);
    /* Stops body pieces (and the end) from coming until resumed; at most one read buffer is held
     * back. The call's time stands still. A connection that breaks is told all the same. */
    void (*pause)(struct upstream_call *call);
    void (*resume)(struct upstream_call *call);
    /* Ends the call without a callback; its connection is closed unless it had not begun. */
    void (*cancel)(struct upstream_call *call);
    /* Cancels nothing: answers every pending call, closes connections, frees; `closed` runs when
     * done. */
    void (*close)(struct upstream *upstream, void (*closed)(void *arg), void *arg);
};

struct upstream {
    const struct upstream_backend *backend;
    struct upstream_stats stats;
};

/* Makes a real one; `opts` is borrowed until it is closed. STATUS_INVALID: an endpoint's host is
 * none. */
NODISCARD enum status upstream_open(struct loop *loop, const struct upstream_opts *opts,
                                    struct upstream **ret_upstream);

/* Begins a call; see upstream_backend.submit. */
static inline enum op_status upstream_submit(struct upstream *upstream, struct upstream_call *call)
{
    call->upstream = upstream;
    return upstream->backend->submit(upstream, call);
}

/* Back-pressure on a call that has told its head. Idempotent. */
static inline void upstream_pause(struct upstream_call *call)
{
    call->upstream->backend->pause(call);
}

/* Lets pieces come again; they come from the loop, never from inside this call. Idempotent. */
static inline void upstream_resume(struct upstream_call *call)
{
    call->upstream->backend->resume(call);
}

/* Ends a pending call; no callback comes after this, and `any_sent` is set. Harmless after the
 * end. */
static inline void upstream_cancel(struct upstream_call *call)
{
    call->upstream->backend->cancel(call);
}

/* Answers every pending call from the loop (queued: CALL_BUSY; nothing sent: CALL_CONNECT_FAILED;
 * else CALL_BROKEN), refuses new ones as busy, closes, frees; `closed` comes last, from the loop.
 */
static inline void upstream_close(struct upstream *upstream, void (*closed)(void *arg), void *arg)
{
    upstream->backend->close(upstream, closed, arg);
}

#endif
