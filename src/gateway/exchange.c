/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step table and its driver: who may change an exchange's state (enter), who decides what comes
 * next (the steps), and when an exchange's memory may be used again (reap). No decision about
 * webhooks is made here.
 */
#include "exchange.h"
#include "access.h"
#include "door.h"
#include <assert.h>
#include <stdlib.h>

/* An answer that needs no undoing; the comment in the table says why. */
static void late_ignore(struct exchange *ex)
{
    (void)ex;
}

/* A step that only decides never waits, so nothing of it can come. */
static enum ex_state never(struct exchange *ex)
{
    (void)ex;
    assert(false && "a deciding step was resumed");
    return EX_WAIT;
}

static uint64_t deadline_none(const struct exchange *ex)
{
    (void)ex;
    return 0;
}

static enum ex_state timeout_park(struct exchange *ex)
{
    waiters_leave(&ex->waiter);
    return finish_park(ex);
}

const struct ex_step ex_steps[EX_STATES] = {
    /* The body; late: nothing is owed by a client. */
    [EX_RECEIVE] = {"receive", begin_receive, finish_receive, late_ignore, timeout_receive,
                    deadline_receive, GONE_ABORT},
    /* late: what was taken is taken, the request did come. */
    [EX_ADMIT] = {"admit", begin_admit, finish_admit, late_ignore, timeout_admit, deadline_limiter,
                  GONE_ABORT},
    /* late: nothing hangs on a signature any more. */
    [EX_VERIFY] = {"verify", begin_verify, finish_verify, late_ignore, timeout_verify,
                   deadline_verify, GONE_ABORT},
    [EX_KEY] = {"key", begin_key, never, late_ignore, never, deadline_none, GONE_ABORT},
    /* late: a claim granted after we left is given back, or kept when settle will need it. */
    [EX_CLAIM] = {"claim", begin_claim, finish_claim, late_claim, timeout_claim, deadline_store,
                  GONE_ABORT},
    /* A wake-up is a hint, not an answer that is owed. */
    [EX_PARK] = {"park", begin_park, finish_park, late_ignore, timeout_park, deadline_park,
                 GONE_ABORT},
    /* late: as for admit. */
    [EX_REPEAT] = {"repeat", begin_repeat, finish_repeat, late_ignore, timeout_repeat,
                   deadline_limiter, GONE_ABORT},
    /* Deadlines are the upstream's own (connect, head, between pieces); late: the rest of the
       answer. */
    [EX_FORWARD] = {"forward", begin_forward, finish_forward, late_forward, never, deadline_none,
                    GONE_DETACH},
    /* late: now it is certain, the claim is settled or released. */
    [EX_ENQUEUE] = {"enqueue", begin_enqueue, finish_enqueue, late_enqueue, timeout_enqueue,
                    deadline_enqueue, GONE_DETACH},
    /* late: the record is written after all, which is what we wanted. */
    [EX_RECORD] = {"record", begin_record, finish_record, late_ignore, timeout_record,
                   deadline_record, GONE_DETACH},
    /* late: settled after all, or the store will be told again by its own. */
    [EX_SETTLE] = {"settle", begin_settle, finish_settle, late_ignore, timeout_settle,
                   deadline_store, GONE_DETACH},
    /* late: released after all. */
    [EX_RELEASE] = {"release", begin_release, finish_release, late_ignore, timeout_release,
                    deadline_store, GONE_DETACH},
    /* The client's socket; late: it has everything, or is gone. */
    [EX_RESPOND] = {"respond", begin_respond, finish_respond, late_ignore, timeout_respond,
                    deadline_respond, GONE_DETACH},
    [EX_DONE] = {"done", never, never, late_ignore, never, deadline_none, GONE_DETACH},
};

static void list_if_free(struct exchange *ex)
{
    if (ex->state != EX_DONE || ex->owed > 0 || ex->listed)
        return;
    ex->listed = true;
    list_push_back(&ex->gateway->finished, &ex->link);
    loop_defer(ex->gateway->loop, &ex->gateway->reap);
}

/* Nothing of the exchange may fire any more but the answers it is owed. */
static void conclude(struct exchange *ex)
{
    struct gateway *gw = ex->gateway;
    if (!ex->enqueuing)
        deadline_clear(&gw->loop->deadlines, &ex->renew_at);
    loop_undefer(&ex->settled_in);
    waiters_leave(&ex->waiter);
    if (ex->calling) {
        upstream_cancel(&ex->call);
        ex->calling = false;
        ex->owed--;
    }
    gw->body_bytes -= ex->body_counted;
    ex->body_counted = 0;
    if (ex->begun) {
        size_t route = exchange_route_index(ex);
        uint64_t us = gw->loop->clock.mono_us - ex->started_us;
        account_timer(gw->account, route, TIMER_TOTAL, us);
        exchange_count(ex);
        access_log(ex, us);
    }
    list_if_free(ex);
}

/* The one place that changes an exchange's state. */
static void enter(struct exchange *ex, enum ex_state state)
{
    deadline_clear(&ex->gateway->loop->deadlines, &ex->deadline);
    ex->state = state;
    if (state == EX_DONE)
        conclude(ex);
}

static void run(struct exchange *ex, enum ex_state next)
{
    while (next != EX_WAIT) {
        enter(ex, next);
        if (next == EX_DONE)
            return;
        next = ex_steps[next].begin(ex);
    }
    uint64_t at_ms = ex_steps[ex->state].deadline(ex);
    if (at_ms)
        deadline_set(&ex->gateway->loop->deadlines, &ex->deadline, at_ms);
}

static void on_deadline(struct deadline *deadline)
{
    struct exchange *ex = container_of(deadline, struct exchange, deadline);
    run(ex, ex_steps[ex->state].timeout(ex));
}

void exchange_continue(struct exchange *ex, enum ex_state from)
{
    if (ex->state == from)
        run(ex, ex_steps[from].finish(ex));
}

void exchange_resume(struct exchange *ex, enum ex_state from)
{
    assert(ex->owed > 0);
    ex->owed--;
    if (ex->state == from) {
        run(ex, ex_steps[from].finish(ex));
        return;
    }
    ex_steps[from].late(ex);
    list_if_free(ex);
}

enum ex_state exchange_end(struct exchange *ex, enum outcome outcome)
{
    ex->outcome = outcome;
    bool keep_pending = outcome == OUTCOME_FAILED_TIMEOUT && ex->route->on_timeout == TIMEOUT_HOLD;
    return ex->claimed == CLAIM_NONE || keep_pending ? EX_RESPOND : EX_RELEASE;
}

enum ex_state exchange_work(const struct exchange *ex)
{
    return ex->route->mode == ROUTE_QUEUE ? EX_ENQUEUE : EX_FORWARD;
}

uint64_t exchange_lap_us(struct exchange *ex)
{
    uint64_t now_us = ex->gateway->loop->clock.mono_us;
    uint64_t lap_us = now_us - ex->step_us;
    ex->step_us = now_us;
    return lap_us;
}

void exchange_count(struct exchange *ex)
{
    if (ex->counted)
        return;
    struct gateway *gw = ex->gateway;
    ex->counted = true;
    account_ended(gw->account, exchange_route_index(ex), ex->outcome);
    if (ex->outcome == OUTCOME_DUPLICATE)
        journal_count_duplicate(gw->journal, &ex->claim.first.event_id, gw->loop->clock.wall_ms);
}

size_t exchange_route_index(const struct exchange *ex)
{
    return ex->route ? (size_t)(ex->route - ex->gateway->config->routes) : SIZE_MAX;
}

/* ---- life ---- */

static struct exchange *allocate(struct gateway *gw)
{
    struct exchange *ex = calloc(1, sizeof *ex);
    if (!ex)
        return NULL;
    ex->gateway = gw;
    const struct http_limits *http = &gw->config->http;
    size_t heads_bytes = 4 * (http->head_bytes + http->fields * sizeof(struct http_field));
    arena_init(&ex->arena, EXCHANGE_CHUNK_BYTES, heads_bytes + EXCHANGE_ARENA_BYTES);
    buf_init(&ex->body, 0);
    buf_init(&ex->text, 2 * http->head_bytes + EXCHANGE_TEXT_BYTES);
    buf_init(&ex->held, gw->config->response_buffer_bytes + STREAM_READ_BYTES);
    buf_init(&ex->note, DEDUP_NOTE_MAX);
    buf_init(&ex->first_note, DEDUP_NOTE_MAX);
    return ex;
}

static void release_memory(struct exchange *ex)
{
    arena_done(&ex->arena);
    buf_done(&ex->body);
    buf_done(&ex->text);
    buf_done(&ex->held);
    buf_done(&ex->note);
    buf_done(&ex->first_note);
    free(ex);
}

static void empty(struct buf *buf)
{
    buf_clear(buf);
    buf_trim(buf, EXCHANGE_KEEP_BYTES);
}

/* Back to the state of a new one, with the memory kept. In place: it is large. */
static void recycle(struct exchange *ex)
{
    struct gateway *gateway = ex->gateway;
    struct arena arena = ex->arena;
    struct buf kept[] = {ex->body, ex->text, ex->held, ex->note, ex->first_note};
    memset(ex, 0, sizeof *ex);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        empty(&kept[i]);
    ex->gateway = gateway;
    ex->arena = arena;
    arena_reset(&ex->arena);
    ex->body = kept[0];
    ex->text = kept[1];
    ex->held = kept[2];
    ex->note = kept[3];
    ex->first_note = kept[4];
}

struct exchange *exchange_new(struct gateway *gw, struct client *client)
{
    struct list *spare = list_pop_front(&gw->spare);
    struct exchange *ex = spare ? container_of(spare, struct exchange, link) : allocate(gw);
    if (!ex)
        return NULL;
    if (spare)
        gw->spare_count--;
    gw->exchanges++;
    ex->client = client;
    ex->state = EX_RECEIVE;
    ex->deadline.expired = on_deadline;
    ex->started_us = gw->loop->clock.mono_us;
    ex->step_us = ex->started_us;
    return ex;
}

void exchange_reap(struct gateway *gw)
{
    struct list *link;
    while ((link = list_pop_front(&gw->finished)) != NULL) {
        struct exchange *ex = container_of(link, struct exchange, link);
        gw->exchanges--;
        if (gw->spare_count >= GATEWAY_SPARE_EXCHANGES || gw->draining) {
            release_memory(ex);
            continue;
        }
        recycle(ex);
        list_push_front(&gw->spare, &ex->link);
        gw->spare_count++;
    }
}

void exchange_free_spare(struct gateway *gw)
{
    struct list *link;
    while ((link = list_pop_front(&gw->spare)) != NULL)
        release_memory(container_of(link, struct exchange, link));
    gw->spare_count = 0;
}

/* ---- what the client's side tells ---- */

bool exchange_begin(struct exchange *ex, const struct http_head *head)
{
    struct gateway *gw = ex->gateway;
    const struct config *config = gw->config;
    ex->request = *head;
    size_t index =
        route_find(config->routes, config->route_count, head->host, head->method, head->path);
    ex->route = index == SIZE_MAX ? NULL : &config->routes[index];
    ex->event_id = uuid_v7(&gw->ids, gw->loop->clock.wall_ms);
    ex->received_wall_ms = uuid_time_ms(&ex->event_id);
    ex->started_us = gw->loop->clock.mono_us;
    ex->step_us = ex->started_us;
    ex->begun = true;
    account_received(gw->account, index);
    if (!door_identify(ex)) {
        exchange_refuse(ex, OUTCOME_REJECTED_BUSY);
        return false;
    }
    run(ex, EX_RECEIVE);
    return ex->state == EX_RECEIVE && head->expect_continue;
}

void exchange_body_end(struct exchange *ex)
{
    exchange_continue(ex, EX_RECEIVE);
}

void exchange_refuse(struct exchange *ex, enum outcome outcome)
{
    if (ex->state != EX_RECEIVE)
        return; /* refused before: the answer is on its way */
    if (!ex->begun) {
        ex->begun = true;
        account_received(ex->gateway->account, SIZE_MAX);
    }
    ex->outcome = outcome;
    ex->client->close_after = true;
    run(ex, EX_RESPOND);
}

void exchange_client_gone(struct exchange *ex)
{
    ex->client = NULL;
    if (!ex->begun) {
        run(ex, EX_DONE);
        return;
    }
    if (ex_steps[ex->state].gone == GONE_ABORT) {
        ex->outcome = OUTCOME_REJECTED_CLIENT_GONE;
        run(ex, EX_DONE);
        return;
    }
    account_tally(ex->gateway->account, TALLY_CLIENT_GONE);
    exchange_continue(ex, EX_RESPOND);
}

void exchange_client_drained(struct exchange *ex)
{
    ex->waiting_drain = false;
    exchange_continue(ex, EX_RESPOND);
}
