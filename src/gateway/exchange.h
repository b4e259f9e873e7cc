/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request and its response in flight. The table of steps is in exchange.c; intake.c has
 * the steps up to the claim (of them door.c and limits.c those that decide who may pass),
 * dispatch.c those that do the work, respond.c the answer.
 *
 *   client
 *     |
 *   conn_on_bytes -> http1_next -> exchange_begin -> exchange_body* -> exchange_body_end
 *                                                                            |
 *     .----------------------------------------------------------------------'
 *     v
 *   receive~> -> admit~> -> verify~> -> key -> claim~> <----> park~>  (a copy in flight waits for
 *     |            |          |          |     |  |  \                 the first)
 *     | refused    | over the | no right |     |  |   '- duplicate, 409 -> repeat~>  (its rate)
 *     |            | rate     | signa-   |  no |  |                          |
 *     |            |          | ture; a  | key |  '- 422, 429, 503 --------. |
 *     |            |          | hand-    |     |                           | |
 *     |            |          | shake    |     | first                     | |
 *     |            |          |          v     v                           | |
 *     |            |          |      proxy, observe: forward~>             | |
 *     |            |          |      queue: enqueue~>                      | |
 *     v            v          v                                            v v
 *   respond~> <--------------------------------------------------------------
 *
 *            proxy, observe: forward~> <=> upstream     queue: enqueue~>
 *                   success |       \ anything else       |       \ failed
 *                           v        v          committed |        v
 *                       record~>  release~>               |    release~>
 *                           |        |     courier <------|        |
 *                           v        |                    v        |
 *                       settle~>     |                settle~>     |
 *                           v        v                    v        v
 *                         respond~> -------------------------------------> done
 *
 *   ~> may wait; one callback resumes it.
 *
 * Order that must not be swapped: verify before key before claim (what is not verified touches no
 * store but the limiter's cells); journal before settle (truth before index: a crash between them
 * can repeat an event, as C7 says, never lose one), both before the answer that promises them.
 * After a claim exists every way out passes settle or release, or the lease ends. An op is owed
 * exactly one answer; an exchange whose step was left early gets it by the step's `late`, and is
 * freed when it is done and owed nothing.
 */
#ifndef POSTERN_SRC_GATEWAY_EXCHANGE_H
#define POSTERN_SRC_GATEWAY_EXCHANGE_H

#include "client.h"
#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/gateway/gateway.h>
#include <postern/io/work.h>

/* First chunk of the arena: a usual request's head and its response's fit. */
#define EXCHANGE_CHUNK_BYTES 8192u
/* Ceiling of the arena, beside two heads at their limits: key parts, the upstream's head. */
#define EXCHANGE_ARENA_BYTES (256u * 1024)
/* Ceiling of one written head, beside the received one: what is ours. */
#define EXCHANGE_TEXT_BYTES (128u * 1024)
/* Buffers of a spare exchange above this are freed. */
#define EXCHANGE_KEEP_BYTES 16384u

enum ex_state {
    EX_RECEIVE,
    EX_ADMIT,
    EX_VERIFY,
    EX_KEY,
    EX_CLAIM,
    EX_PARK,
    EX_REPEAT,
    EX_FORWARD,
    EX_ENQUEUE,
    EX_RECORD,
    EX_SETTLE,
    EX_RELEASE,
    EX_RESPOND,
    EX_DONE,
    EX_STATES,
    EX_WAIT = EX_STATES /* not a state: a callback will resume this step */
};

/* What a vanished client means while a step waits. */
enum gone_rule {
    GONE_ABORT, /* nothing was claimed: the exchange ends (a claim that comes late is given back) */
    GONE_DETACH, /* the work goes on, its answer goes nowhere */
};

struct exchange;
struct ex_limits;
struct handshake_answer;

struct ex_step {
    const char *name;
    enum ex_state (*begin)(struct exchange *ex);  /* on entering: decide, or submit and wait */
    enum ex_state (*finish)(struct exchange *ex); /* the answer came while we waited */
    void (*late)(
        struct exchange *ex); /* the answer came after we had left: undo it, or say why not */
    enum ex_state (*timeout)(struct exchange *ex);   /* the deadline came first */
    uint64_t (*deadline)(const struct exchange *ex); /* monotonic ms; 0: none of its own, and the
                                                        comment in the table says whose */
    enum gone_rule gone;
};

/* Tri-state of the claim, decides between settle and release. */
enum ex_claim {
    CLAIM_NONE,   /* no key, or an observed duplicate: nothing to settle */
    CLAIM_HELD,   /* ours */
    CLAIM_UNSURE, /* the store did not answer and the event passes all the same: settle will try */
};

struct exchange {
    struct list link; /* in the gateway's spare or finished list */
    struct gateway *gateway;
    struct client *client; /* NULL once it is gone or answered */
    /* Of the connection; and who that is, or whom a trusted proxy says it speaks for. Numeric, in
     * the arena: they outlive the client. */
    struct slice peer, client_address;
    bool via_proxy; /* the peer is a trusted proxy */
    bool secure;    /* the client's scheme is https */
    enum ex_state state;
    uint8_t owed;             /* callbacks still to come: freed only at zero */
    bool listed;              /* on the finished list */
    struct deadline deadline; /* of the present step */

    /* the request */
    struct arena arena;
    struct http_head request;
    struct buf body;
    size_t body_counted;            /* of the gateway's body_bytes */
    bool discard_body;              /* refused already: the rest of the body is not kept */
    bool begun;                     /* counted as received */
    const struct route_opts *route; /* NULL: no match */
    struct uuid event_id;
    uint64_t received_wall_ms, started_us, step_us, forwarded_us;

    /* the door */
    struct ex_limits
        *limits;       /* in the arena; NULL: the route has no rate limit, or not asked yet */
    struct work check; /* of a signature, off the loop */
    enum verify_result verified;
    size_t secret;                            /* which one fitted */
    const struct handshake_answer *handshake; /* in the arena; NULL: it is none */

    /* key and claim */
    bool has_key;
    struct event_key key;
    enum ex_claim claimed;
    enum outcome marked;                /* observe: what it would have been, or OUTCOME_NONE */
    enum outcome bypass;                /* why it passes without a claim, or OUTCOME_NONE */
    struct dedup_op claim, renew, hold; /* hold: settle or release */
    bool renewing, lease_lost;
    uint64_t claim_ends_ms, renew_began_ms; /* monotonic: no work begins once the claim's lease has
                                               ended; counted from before it was asked for */
    struct deadline renew_at;
    struct waiter waiter;
    uint64_t park_until_ms;
    uint32_t park_polls;
    /* What is kept beside the key: its head from the claim on, whole once the first response is in
     * it. Stores borrow both, so neither changes once it was given. */
    struct fingerprint fingerprint;
    char note_head[NOTE_HEAD_LEN];
    size_t note_head_len; /* 0: the route keeps no notes */
    bool mismatch_told;
    struct buf note;
    struct buf first_note; /* what the store has beside a key that isn't ours */

    /* the work */
    struct upstream_call call;
    bool calling;                /* the call is owed its end */
    struct loop_hook settled_in; /* goes on at the end of the turn in which the head came */
    uint16_t status;             /* of the upstream's answer; 0 without one */
    struct buf text;             /* the head being sent: upstream's, then the client's */
    struct buf held;             /* body pieces of the answer, until they may go out */
    bool answer_complete, answer_broken;
    struct journal_op record;
    bool enqueuing; /* the append of a queue's event is not certain yet: the claim is kept */
    uint64_t leased_until_ms; /* monotonic: the queued row's lease */
    bool reserved;            /* the courier keeps a place for its first attempt */

    /* the end */
    enum outcome outcome;
    bool counted;                  /* in the books */
    bool answering, waiting_drain; /* respond has begun; the client's socket is behind */
    bool chunked;                  /* we frame the answer's body */
    uint16_t own_status;           /* of our own answer; 0: the upstream's is relayed */
    uint64_t sent_bytes;
};

/* The step table, for the driver and for the test that walks it. */
extern const struct ex_step ex_steps[EX_STATES];

/* A fresh exchange for `client`, with an arena for its head; NULL when out of memory. */
struct exchange *exchange_new(struct gateway *gateway, struct client *client);

/* The request's head is complete (its slices lie in ex->arena): finds the route and begins to
 * receive the body. Returns true when the client should be sent 100 Continue now. The answer may
 * begin inside the call. */
bool exchange_begin(struct exchange *ex, const struct http_head *head);

/* A piece of the body. The answer (413) may begin inside. */
void exchange_body(struct exchange *ex, struct slice piece);

/* The body is complete. The whole exchange may happen inside, up to client->ops->answered. */
void exchange_body_end(struct exchange *ex);

/* The request can't be served as it is: answers with `outcome` and ends. Allowed until
 * exchange_body_end; nothing happens when it was refused before. */
void exchange_refuse(struct exchange *ex, enum outcome outcome);

/* The client vanished: from here on ex->client is not touched. */
void exchange_client_gone(struct exchange *ex);

/* The client's socket took everything. */
void exchange_client_drained(struct exchange *ex);

/* For the steps: ends with `outcome`; returns the state to go to (release first when a claim is
 * held and the outcome is a failure). */
enum ex_state exchange_end(struct exchange *ex, enum outcome outcome);

/* For the steps: the state that does a route's work: forward or enqueue. */
enum ex_state exchange_work(const struct exchange *ex);

/* For the steps: renews the claim, if it is ours, until it is settled or released. */
void exchange_keep_claim(struct exchange *ex);

/* For the steps: the instant from which on no work may begin, since the key may be another's by
 * then; 0: never, there is no claim, or what it says does not matter. */
uint64_t exchange_work_ends_ms(const struct exchange *ex);

/* Settles (`accepted`) or releases a claim whose exchange has left; the answer is only owed. */
void exchange_hold_late(struct exchange *ex, bool accepted);

/* For callbacks: an owed answer came that belongs to step `from`. */
void exchange_resume(struct exchange *ex, enum ex_state from);

/* For callbacks that are no owed answer (a wake-up, the end of the turn): goes on if the exchange
 * is still in `from`. */
void exchange_continue(struct exchange *ex, enum ex_state from);

/* Microseconds since the last call of this on the exchange; for step timers. */
uint64_t exchange_lap_us(struct exchange *ex);

/* Enters the outcome in the books, once: before the answer is sent, so that who has the answer
 * finds it counted. A duplicate is counted in the first event's row of the journal as well. */
void exchange_count(struct exchange *ex);

/* The index of the route, or SIZE_MAX. */
size_t exchange_route_index(const struct exchange *ex);

/* Frees the exchanges that are done and owed nothing; the gateway's reap hook. */
void exchange_reap(struct gateway *gateway);

/* Frees the spare exchanges. */
void exchange_free_spare(struct gateway *gateway);

/* Steps, by file. */
enum ex_state begin_receive(struct exchange *ex), finish_receive(struct exchange *ex);
enum ex_state timeout_receive(struct exchange *ex);
uint64_t deadline_receive(const struct exchange *ex);
enum ex_state begin_admit(struct exchange *ex), finish_admit(struct exchange *ex);
enum ex_state timeout_admit(struct exchange *ex);
uint64_t deadline_limiter(const struct exchange *ex);
enum ex_state begin_verify(struct exchange *ex), finish_verify(struct exchange *ex);
enum ex_state timeout_verify(struct exchange *ex);
uint64_t deadline_verify(const struct exchange *ex);
enum ex_state begin_key(struct exchange *ex);
enum ex_state begin_claim(struct exchange *ex), finish_claim(struct exchange *ex);
enum ex_state timeout_claim(struct exchange *ex);
void late_claim(struct exchange *ex);
uint64_t deadline_store(const struct exchange *ex);
enum ex_state begin_park(struct exchange *ex), finish_park(struct exchange *ex);
uint64_t deadline_park(const struct exchange *ex);
enum ex_state begin_repeat(struct exchange *ex), finish_repeat(struct exchange *ex);
enum ex_state timeout_repeat(struct exchange *ex);
enum ex_state begin_forward(struct exchange *ex), finish_forward(struct exchange *ex);
void late_forward(struct exchange *ex);
enum ex_state begin_enqueue(struct exchange *ex), finish_enqueue(struct exchange *ex);
enum ex_state timeout_enqueue(struct exchange *ex);
void late_enqueue(struct exchange *ex);
uint64_t deadline_enqueue(const struct exchange *ex);
enum ex_state begin_record(struct exchange *ex), finish_record(struct exchange *ex);
enum ex_state timeout_record(struct exchange *ex);
uint64_t deadline_record(const struct exchange *ex);
enum ex_state begin_settle(struct exchange *ex), finish_settle(struct exchange *ex);
enum ex_state timeout_settle(struct exchange *ex);
enum ex_state begin_release(struct exchange *ex), finish_release(struct exchange *ex);
enum ex_state timeout_release(struct exchange *ex);
enum ex_state begin_respond(struct exchange *ex), finish_respond(struct exchange *ex);
enum ex_state timeout_respond(struct exchange *ex);
uint64_t deadline_respond(const struct exchange *ex);

#endif
