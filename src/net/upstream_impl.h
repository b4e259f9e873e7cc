/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of an upstream tell each other: upstream.c has the calls (slots, queue,
 * choice of an endpoint, ends), upstream_conn.c the connections (connect, send, read, pool). The
 * life of a connection is drawn in upstream.c.
 */
#ifndef POSTERN_NET_UPSTREAM_IMPL_H
#define POSTERN_NET_UPSTREAM_IMPL_H

#include <postern/base/buf.h>
#include <postern/io/resolve.h>
#include <postern/io/stream.h>
#include <postern/net/upstream.h>

/* An endpoint none of whose addresses took the last connects is passed over for that long, unless
 * that is so of all endpoints. Short: it only has to keep a burst of calls from each finding out
 * for itself. */
#define ENDPOINT_SHUNNED_MS 1000u

/* Connects one call may try, over all endpoints and their addresses. Each may cost the connect
 * time-out, and somebody waits. */
#define CONNECTS_MAX 4u

/* Most of a request's body given to the socket at once; what the kernel doesn't take of it is
 * copied, so this bounds the memory of an upload to a slow upstream. */
#define SEND_PIECE_BYTES ((size_t)256 * 1024)

/* Where a call is; upstream_call.state. It is a member of the list named here. */
enum call_state {
    CALL_STATE_NONE,       /* not ours: before submit, after the end */
    CALL_STATE_QUEUED,     /* pool.queue: no slot yet */
    CALL_STATE_NAME,       /* endpoint.waiting: for the look-up of its name */
    CALL_STATE_CONNECTING, /* pool.begun: its connection is not there yet */
    CALL_STATE_SENT,       /* pool.begun: its request is being sent, or was */
    CALL_STATE_ENDED,      /* pool.ended: to be told at the end of the turn */
};

struct endpoint {
    struct upstream_pool *pool;
    const struct upstream_endpoint *opts;
    struct resolver resolver;
    struct buf host_line;      /* "Host: …" and the empty line; the end of any head sent there */
    struct list idle;          /* connections, the one used last first */
    struct list waiting;       /* calls */
    uint64_t shunned_until_ms; /* monotonic */
    size_t failures;           /* connects that failed in a row */
};

/* The real upstream behind the interface. */
struct upstream_pool {
    struct upstream upstream;
    struct loop *loop;
    const struct upstream_opts *opts;
    struct endpoint *endpoints; /* opts->endpoint_count */
    size_t next_endpoint;       /* round robin */
    struct list queue, begun, ended;
    struct loop_hook turn_end;   /* tells `ended`, gives free slots to `queue` */
    struct deadline idle_expiry; /* of the connection that has been idle longest */
    size_t conn_count;           /* all of them, those being closed included */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct upstream_conn {
    struct stream stream;
    struct endpoint *endpoint;
    struct address address;     /* of it, that is connected to */
    struct upstream_call *call; /* NULL: idle, or being closed */
    struct list link;           /* in endpoint.idle */
    struct loop_hook resumed;   /* tells what was held during a pause */
    struct buf held;            /* read, but not yet told because the call was paused */
    uint64_t idle_since_ms;     /* monotonic */
    uint64_t sent_before_bytes; /* of the stream, when this call's request began */
    size_t body_given;          /* bytes of the request's body the stream has accepted */
    bool head_told;
};

/* ---- upstream.c, for upstream_conn.c ---- */

/* Has a begun call that holds no connection look for one (again). It may end, but only at the end
 * of the turn. */
void upstream_begin(struct upstream_call *call);

/* Ends a begun call that holds no connection, and tells it now: only from the loop. */
void upstream_end(struct upstream_call *call, enum call_end end);

/* Ends a begun call that holds no connection; it is told at the end of the turn. */
void upstream_end_later(struct upstream_call *call, enum call_end end);

/* A connect to `endpoint` failed: has the call, which holds no connection, try elsewhere, or end at
 * the end of the turn. */
void upstream_try_elsewhere(struct upstream_call *call, struct endpoint *endpoint);

/* A connect to `endpoint` worked. */
void upstream_note_success(struct endpoint *endpoint);

/* A connection's memory was freed. */
void upstream_conn_gone(struct upstream_pool *pool);

/* Moves the call to another state and its list (NULL: none), and sets its deadline (0: none). The
 * one place that assigns call->state. */
void upstream_enter(struct upstream_call *call, enum call_state state, struct list *list,
                    uint64_t timeout_ms);

/* True when the call's time to begin is over, by the clock rather than by the turn. */
bool upstream_has_lapsed(const struct upstream_call *call);

/* Milliseconds the call waits for an answer, or for a slot. */
uint64_t upstream_timeout_ms(const struct upstream_call *call);

static inline struct upstream_pool *upstream_pool_of(struct upstream *upstream)
{
    return container_of(upstream, struct upstream_pool, upstream);
}

/* ---- upstream_conn.c, for upstream.c ---- */

/* Opens a connection to the endpoint's next address for `call`. */
NODISCARD enum status conn_open(struct endpoint *endpoint, struct upstream_call *call);

/* Sends the call on an idle connection to the endpoint. False when there is none that works. */
bool conn_reuse(struct endpoint *endpoint, struct upstream_call *call);

/* Parts the connection from its call, noting in the call if anything of it was sent. Returns the
 * call. */
struct upstream_call *conn_detach(struct upstream_conn *conn);

/* Closes a connection that has no call. */
void conn_close(struct upstream_conn *conn);

/* The attempt to connect failed or took too long: its call tries elsewhere. */
void conn_connect_failed(struct upstream_conn *conn);

/* Stops reading; what was read already is held. */
void conn_pause(struct upstream_conn *conn);

/* Tells what was held and reads on, at the end of the turn. */
void conn_resume(struct upstream_conn *conn);

/* pool.idle_expiry's callback: closes what has been idle for too long. */
void conn_expire_idle(struct deadline *deadline);

#endif
