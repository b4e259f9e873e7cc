/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of an upstream: slots and the queue for them, the choice of an endpoint, deadlines,
 * ends. What happens on a connection is in upstream_conn.c.
 *
 * A call:
 *
 *   submit ──> QUEUED ──slot──> NAME ──address──> CONNECTING ──connected──> SENT ──> told: ended
 *      └────────slot free────────┴──── an idle connection, sent at once ─────^
 *
 * A connection (c: it is closed; nothing else brings it back):
 *
 *               refused, too late: c, the call tries elsewhere
 *                  ^
 *   conn_open ──> connecting ──> busy ──────────────── response complete, may be kept ──┐
 *                                ^ │                                                    v
 *                                │ ├─ lost before a byte left: c, the call begins again │
 *                                │ ├─ lost later, time-out, not HTTP, cancelled: c      │
 *                                │ └─ complete, may not be kept: c                      │
 *                                │                                                      │
 *                                └── conn_reuse ── idle (last in, first out) <──────────┘
 *                                                   └─ end, any byte, idle for too long: c
 *
 * No callback comes from inside a call of the interface: what ends in there is put on `ended` and
 * told at the end of the turn, when queued calls get the slots that became free.
 */
#include "upstream_impl.h"

#include <assert.h>
#include <stdlib.h>

static struct upstream_pool *pool_of(const struct upstream_call *call)
{
    return upstream_pool_of(call->upstream);
}

uint64_t upstream_timeout_ms(const struct upstream_call *call)
{
    return call->timeout_ms > 0 ? call->timeout_ms : pool_of(call)->opts->timeout_ms;
}

void upstream_enter(struct upstream_call *call, enum call_state state, struct list *list,
                    uint64_t timeout_ms)
{
    struct loop *loop = pool_of(call)->loop;
    list_remove(&call->link);
    if (list)
        list_push_back(list, &call->link);
    call->state = (uint8_t)state;
    if (timeout_ms > 0)
        deadline_set(&loop->deadlines, &call->deadline, loop_now_ms(loop) + timeout_ms);
    else
        deadline_clear(&loop->deadlines, &call->deadline);
}

static bool has_free_slot(const struct upstream_pool *pool)
{
    return pool->upstream.stats.in_flight < pool->opts->concurrency;
}

static void release_slot(struct upstream_pool *pool)
{
    pool->upstream.stats.in_flight--;
    if (!list_is_empty(&pool->queue))
        loop_defer(pool->loop, &pool->turn_end);
}

static void tell(struct upstream_call *call, enum call_end end)
{
    upstream_enter(call, CALL_STATE_NONE, NULL, 0);
    call->end = end;
    call->on->ended(call);
}

static void tell_later(struct upstream_call *call, enum call_end end)
{
    struct upstream_pool *pool = pool_of(call);
    upstream_enter(call, CALL_STATE_ENDED, &pool->ended, 0);
    call->end = end;
    loop_defer(pool->loop, &pool->turn_end);
}

void upstream_end(struct upstream_call *call, enum call_end end)
{
    release_slot(pool_of(call));
    tell(call, end);
}

void upstream_end_later(struct upstream_call *call, enum call_end end)
{
    release_slot(pool_of(call));
    tell_later(call, end);
}

/* The next endpoint in turn that isn't shunned; the next one at all when every one is. */
static struct endpoint *next_endpoint(struct upstream_pool *pool)
{
    size_t count = pool->opts->endpoint_count, chosen = pool->next_endpoint;
    for (size_t i = 0; i < count; i++) {
        size_t candidate = (pool->next_endpoint + i) % count;
        if (pool->endpoints[candidate].shunned_until_ms <= loop_now_ms(pool->loop)) {
            chosen = candidate;
            break;
        }
    }
    pool->next_endpoint = (chosen + 1) % count;
    return &pool->endpoints[chosen];
}

static size_t address_count(const struct endpoint *endpoint)
{
    return endpoint->resolver.count > 0 ? endpoint->resolver.count : 1;
}

/* Counts a connect that failed. True while the call may try another: there are that many addresses,
 * and CONNECTS_MAX isn't reached. */
static bool may_connect_again(struct upstream_call *call)
{
    const struct upstream_pool *pool = pool_of(call);
    size_t addresses = 0;
    for (size_t i = 0; i < pool->opts->endpoint_count && addresses < CONNECTS_MAX; i++)
        addresses += address_count(&pool->endpoints[i]);
    call->connects++;
    return call->connects < addresses && call->connects < CONNECTS_MAX;
}

/* A name may have addresses where nobody listens (localhost as ::1): the endpoint is passed over
 * only when as many connects in a row failed as it has addresses. */
static void note_failure(struct endpoint *endpoint)
{
    if (++endpoint->failures < address_count(endpoint))
        return;
    endpoint->failures = 0;
    endpoint->shunned_until_ms = loop_now_ms(endpoint->pool->loop) + ENDPOINT_SHUNNED_MS;
}

void upstream_note_success(struct endpoint *endpoint)
{
    endpoint->failures = 0;
    endpoint->shunned_until_ms = 0;
}

/* Connects for the call, or has it wait for the name. False when the name is unknown. */
static bool connect_to(struct endpoint *endpoint, struct upstream_call *call)
{
    if (!resolver_refresh(&endpoint->resolver)) {
        if (!endpoint->resolver.running)
            return false;
        upstream_enter(call, CALL_STATE_NAME, &endpoint->waiting,
                       endpoint->pool->opts->connect_timeout_ms);
        return true;
    }
    if (conn_open(endpoint, call) != STATUS_OK)
        upstream_end_later(call, CALL_NO_MEMORY);
    return true;
}

bool upstream_has_lapsed(const struct upstream_call *call)
{
    return call->not_after_ms > 0 && loop_exact_ms(pool_of(call)->loop) >= call->not_after_ms;
}

void upstream_begin(struct upstream_call *call)
{
    struct upstream_pool *pool = pool_of(call);
    if (upstream_has_lapsed(call)) {
        upstream_end_later(call, CALL_LAPSED);
        return;
    }
    do {
        struct endpoint *endpoint = next_endpoint(pool);
        if (conn_reuse(endpoint, call) || connect_to(endpoint, call))
            return;
        note_failure(endpoint);
    } while (may_connect_again(call));
    upstream_end_later(call, CALL_CONNECT_FAILED);
}

static void try_again(struct upstream_call *call)
{
    if (may_connect_again(call))
        upstream_begin(call);
    else
        upstream_end_later(call, CALL_CONNECT_FAILED);
}

void upstream_try_elsewhere(struct upstream_call *call, struct endpoint *endpoint)
{
    note_failure(endpoint);
    try_again(call);
}

static void on_resolved(struct resolver *resolver)
{
    struct endpoint *endpoint = container_of(resolver, struct endpoint, resolver);
    struct list waiting, *link;
    list_init(&waiting);
    list_move_all(&waiting, &endpoint->waiting);
    while ((link = list_pop_front(&waiting))) {
        struct upstream_call *call = container_of(link, struct upstream_call, link);
        if (!connect_to(endpoint, call))
            upstream_try_elsewhere(call, endpoint);
    }
}

static void on_deadline(struct deadline *deadline)
{
    struct upstream_call *call = container_of(deadline, struct upstream_call, deadline);
    struct upstream_conn *conn = call->conn;
    switch ((enum call_state)call->state) {
    case CALL_STATE_QUEUED:
        call->upstream->stats.queued--;
        tell(call, CALL_BUSY);
        return;
    case CALL_STATE_NAME:
        try_again(call);
        return;
    case CALL_STATE_CONNECTING:
        conn_connect_failed(conn);
        return;
    case CALL_STATE_SENT:
        conn_detach(conn);
        conn_close(conn);
        upstream_end(call, CALL_TIMED_OUT);
        return;
    case CALL_STATE_NONE:
    case CALL_STATE_ENDED:
        break;
    }
    assert(false); /* a call that waits for nothing has no deadline */
}

static enum op_status submit(struct upstream *upstream, struct upstream_call *call)
{
    struct upstream_pool *pool = upstream_pool_of(upstream);
    assert(call->state == CALL_STATE_NONE);
    call->deadline.expired = on_deadline;
    call->conn = NULL;
    call->any_sent = false;
    call->connects = 0;
    call->paused = false;
    /* A call that comes while others wait goes behind them, even if a slot is free already. */
    if (has_free_slot(pool) && list_is_empty(&pool->queue) && !pool->closing) {
        upstream->stats.in_flight++;
        upstream_begin(call);
        return OP_PENDING;
    }
    if (pool->closing || upstream->stats.queued >= pool->opts->queue_max) {
        call->end = CALL_BUSY;
        return OP_READY;
    }
    upstream->stats.queued++;
    upstream_enter(call, CALL_STATE_QUEUED, &pool->queue, upstream_timeout_ms(call));
    return OP_PENDING;
}

static void begin_queued(struct upstream_pool *pool)
{
    while (has_free_slot(pool) && !list_is_empty(&pool->queue)) {
        struct upstream_call *call =
            container_of(list_pop_front(&pool->queue), struct upstream_call, link);
        pool->upstream.stats.queued--;
        pool->upstream.stats.in_flight++;
        upstream_begin(call);
    }
}

static void pause(struct upstream_call *call)
{
    if (call->paused)
        return;
    call->paused = true;
    if (call->state != CALL_STATE_SENT)
        return;
    deadline_clear(&pool_of(call)->loop->deadlines, &call->deadline);
    conn_pause(call->conn);
}

static void resume(struct upstream_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    if (call->state != CALL_STATE_SENT)
        return;
    struct loop *loop = pool_of(call)->loop;
    deadline_set(&loop->deadlines, &call->deadline, loop_now_ms(loop) + upstream_timeout_ms(call));
    conn_resume(call->conn);
}

/* Takes the call off its connection, if it has one, and closes that. */
static void drop_conn(struct upstream_call *call)
{
    struct upstream_conn *conn = call->conn;
    if (!conn)
        return;
    conn_detach(conn);
    conn_close(conn);
}

static void cancel(struct upstream_call *call)
{
    drop_conn(call);
    switch ((enum call_state)call->state) {
    case CALL_STATE_QUEUED:
        call->upstream->stats.queued--;
        break;
    case CALL_STATE_NAME:
    case CALL_STATE_CONNECTING:
    case CALL_STATE_SENT:
        release_slot(pool_of(call));
        break;
    case CALL_STATE_NONE:
    case CALL_STATE_ENDED:
        break;
    }
    upstream_enter(call, CALL_STATE_NONE, NULL, 0);
}

/* Ends every call of a list at the end of the turn; `queued` ones hold no slot. */
static void end_all(struct list *calls, bool queued)
{
    while (!list_is_empty(calls)) {
        struct upstream_call *call = container_of(calls->next, struct upstream_call, link);
        if (queued) {
            call->upstream->stats.queued--;
            tell_later(call, CALL_BUSY);
            continue;
        }
        drop_conn(call);
        upstream_end_later(call, call->any_sent ? CALL_BROKEN : CALL_CONNECT_FAILED);
    }
}

static void close_upstream(struct upstream *upstream, void (*closed)(void *arg), void *arg)
{
    struct upstream_pool *pool = upstream_pool_of(upstream);
    pool->closing = true;
    pool->closed = closed;
    pool->closed_arg = arg;
    deadline_clear(&pool->loop->deadlines, &pool->idle_expiry);
    end_all(&pool->queue, true);
    end_all(&pool->begun, false);
    for (size_t i = 0; i < pool->opts->endpoint_count; i++) {
        struct endpoint *endpoint = &pool->endpoints[i];
        end_all(&endpoint->waiting, false);
        while (!list_is_empty(&endpoint->idle))
            conn_close(container_of(endpoint->idle.next, struct upstream_conn, link));
    }
    loop_defer(pool->loop, &pool->turn_end);
}

static void free_pool(struct upstream_pool *pool)
{
    loop_undefer(&pool->turn_end);
    for (size_t i = 0; i < pool->opts->endpoint_count; i++) {
        resolver_done(&pool->endpoints[i].resolver);
        buf_done(&pool->endpoints[i].host_line);
    }
    free(pool->endpoints);
    free(pool);
}

void upstream_conn_gone(struct upstream_pool *pool)
{
    pool->conn_count--;
    if (pool->closing)
        loop_defer(pool->loop, &pool->turn_end);
}

static void on_turn_end(struct loop_hook *hook)
{
    struct upstream_pool *pool = container_of(hook, struct upstream_pool, turn_end);
    while (!list_is_empty(&pool->ended)) {
        struct upstream_call *call =
            container_of(list_pop_front(&pool->ended), struct upstream_call, link);
        tell(call, call->end);
    }
    begin_queued(pool);
    if (!pool->closing || pool->conn_count > 0)
        return;
    void (*closed)(void *arg) = pool->closed;
    void *arg = pool->closed_arg;
    free_pool(pool);
    closed(arg);
}

static enum status init_endpoint(struct endpoint *endpoint, struct upstream_pool *pool,
                                 const struct upstream_endpoint *from)
{
    endpoint->pool = pool;
    endpoint->opts = from;
    list_init(&endpoint->idle);
    list_init(&endpoint->waiting);
    enum status status =
        resolver_init(&endpoint->resolver, pool->loop, from->host, from->port, on_resolved);
    if (status != STATUS_OK)
        return status;
    buf_init(&endpoint->host_line, from->authority.len + sizeof "Host: \r\n\r\n");
    status = http1_write_field(&endpoint->host_line, SLICE("Host"), from->authority);
    return status != STATUS_OK ? status : http1_write_head_end(&endpoint->host_line);
}

static const struct upstream_backend backend = {
    .submit = submit,
    .pause = pause,
    .resume = resume,
    .cancel = cancel,
    .close = close_upstream,
};

static void init_pool(struct upstream_pool *pool, struct loop *loop,
                      const struct upstream_opts *opts)
{
    pool->upstream.backend = &backend;
    pool->loop = loop;
    pool->opts = opts;
    pool->turn_end.run = on_turn_end;
    pool->idle_expiry.expired = conn_expire_idle;
    list_init(&pool->queue);
    list_init(&pool->begun);
    list_init(&pool->ended);
}

enum status upstream_open(struct loop *loop, const struct upstream_opts *opts,
                          struct upstream **ret_upstream)
{
    assert(opts->endpoint_count > 0 && opts->concurrency > 0);
    struct upstream_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return STATUS_NO_MEMORY;
    init_pool(pool, loop, opts);
    pool->endpoints = calloc(opts->endpoint_count, sizeof *pool->endpoints);
    if (!pool->endpoints) {
        free(pool);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < opts->endpoint_count; i++) {
        enum status status = init_endpoint(&pool->endpoints[i], pool, &opts->endpoints[i]);
        if (status != STATUS_OK) {
            free_pool(pool);
            return status;
        }
    }
    *ret_upstream = &pool->upstream;
    return STATUS_OK;
}
