/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One queued event in memory: its content, its attempt, and the outcome that is written. It never
 * waits here for a retry: that is the journal's.
 *
 *   delivery_new -> (lane) -> delivery_begin -> head, body*, ended -> queue_finish -> freed
 */
#include "courier_impl.h"

#include "forward_head.h"
#include <postern/base/fault.h>
#include <stdio.h>
#include <stdlib.h>

/* An answer is of no use to us beyond its first bytes; one that goes on is cut off, so that it
 * doesn't hold a slot. */
#define ANSWER_MAX_BYTES (1u << 20)
/* Before an event for which there was no memory, or no connection of the pool, is tried again. */
#define NO_MEMORY_PAUSE_MS 1000u
/* Ceiling of the parsed head and the answer's, beside the content: the fields of both. */
#define DELIVERY_HEADS_BYTES (1u << 20)
/* What the arena adds to the five parts of the content at most. */
#define DELIVERY_PADDING_BYTES (5u * 16)

/* What the parser may meet in stored lines: what any configuration lets through at the door. */
static const struct http_limits stored_limits = {
    .head_bytes = 1u << 20, .target_bytes = 1u << 20, .fields = 10000, .chunk_overhead_bytes = 1};

/* ---- life ---- */

static bool copy_content(struct delivery *delivery, const struct queue_event *event)
{
    struct arena *arena = &delivery->arena;
    return arena_copy(arena, event->method, &delivery->method) &&
           arena_copy(arena, event->target, &delivery->target) &&
           arena_copy(arena, event->headers, &delivery->headers) &&
           arena_copy(arena, event->client, &delivery->client) &&
           arena_copy(arena, event->body, &delivery->body);
}

static size_t content_bytes(const struct queue_event *event)
{
    return event->method.len + event->target.len + event->headers.len + event->client.len +
           event->body.len;
}

static struct delivery *allocate(struct courier *courier, const struct queue_event *event)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery)
        return NULL;
    delivery->courier = courier;
    delivery->bytes = content_bytes(event);
    size_t padded_bytes = delivery->bytes + DELIVERY_PADDING_BYTES;
    arena_init(&delivery->arena, padded_bytes, padded_bytes);
    arena_init(&delivery->heads, EXCHANGE_CHUNK_BYTES, 2 * delivery->bytes + DELIVERY_HEADS_BYTES);
    buf_init(&delivery->head, 2 * delivery->bytes + EXCHANGE_TEXT_BYTES);
    return delivery;
}

struct delivery *delivery_new(struct courier *courier, size_t route,
                              const struct queue_event *event, uint64_t leased_until_ms)
{
    struct delivery *delivery = allocate(courier, event);
    if (!delivery)
        return NULL;
    delivery->lane = courier_lane(courier, route);
    delivery->lane->bytes += delivery->bytes;
    list_push_back(&courier->held, &delivery->held);
    courier->held_count++;
    courier->held_bytes += delivery->bytes;
    if (!copy_content(delivery, event)) {
        delivery_free(delivery);
        return NULL;
    }
    delivery->route = route;
    delivery->event_id = event->event_id;
    delivery->home = event->home;
    delivery->received_at_ms = event->received_at_ms;
    delivery->waits_since_ms = event->waits_since_ms;
    delivery->attempts = event->attempts;
    delivery->attempts_before = event->attempts_before;
    delivery->is_first = event->attempts == event->attempts_before;
    delivery->leased_until_ms = leased_until_ms;
    return delivery;
}

/* Content and heads are of no more use once the attempt is over; it counts for its lane no more. */
static void free_content(struct delivery *delivery)
{
    delivery->courier->held_bytes -= delivery->bytes;
    delivery->lane->bytes -= delivery->bytes;
    delivery->lane->from_journal -= delivery->from_journal;
    delivery->bytes = 0;
    delivery->from_journal = false;
    arena_done(&delivery->arena);
    arena_done(&delivery->heads);
    buf_done(&delivery->head);
}

void delivery_free(struct delivery *delivery)
{
    struct courier *courier = delivery->courier;
    free_content(delivery);
    list_remove(&delivery->held);
    courier->held_count--;
    courier_left(courier, delivery);
    free(delivery);
}

void delivery_lose(struct delivery *delivery)
{
    delivery->courier->leases_lost += delivery->leased_until_ms > 0;
    delivery->leased_until_ms = 0;
}

void delivery_extend(struct delivery *delivery, uint64_t leased_until_ms)
{
    if (delivery->call.not_after_ms == delivery->leased_until_ms)
        delivery->call.not_after_ms = leased_until_ms;
    delivery->leased_until_ms = leased_until_ms;
}

/* ---- outcome ---- */

static const struct route_opts *route_of(const struct delivery *delivery)
{
    return &delivery->courier->gateway->config->routes[delivery->route];
}

static void on_written(struct queue_finish *finish)
{
    struct delivery *delivery = container_of(finish, struct delivery, finish);
    FAULT_POINT("after_outcome");
    delivery->courier->writing--;
    if (finish->status_of_write == STATUS_OK &&
        (finish->result == QUEUE_RETRY || finish->result == QUEUE_RETURNED))
        courier_look(delivery->courier, finish->retry_in_ms);
    delivery_free(delivery);
}

/* The only way into the queue: every outcome is counted and written once. */
static void write_outcome(struct delivery *delivery, struct queue_finish finish)
{
    struct courier *courier = delivery->courier;
    delivery->state = DELIVERY_WRITING;
    delivery->finish = finish;
    delivery->finish.event_id = delivery->event_id;
    delivery->finish.home = delivery->home;
    delivery->finish.attempt = delivery->attempts + 1;
    delivery->finish.answered = on_written;
    courier->results[finish.result]++;
    courier->writing++;
    queue_finish(courier->gateway->queue, &delivery->finish);
    free_content(delivery);
}

void delivery_return(struct delivery *delivery, uint64_t retry_in_ms)
{
    write_outcome(delivery,
                  (struct queue_finish){.result = QUEUE_RETURNED, .retry_in_ms = retry_in_ms});
}

void delivery_bury(struct delivery *delivery, const char *reason)
{
    write_outcome(delivery,
                  (struct queue_finish){.result = QUEUE_DEAD,
                                        .at_ms = delivery->courier->gateway->loop->clock.wall_ms,
                                        .error = slice_str(reason)});
}

/* ---- judging an attempt ---- */

static enum retry_event event_of(const struct delivery *delivery)
{
    if (delivery->status != 0)
        return RETRY_ANSWERED;
    switch (delivery->call.end) {
    case CALL_CONNECT_FAILED:
    case CALL_BUSY:
        return RETRY_CONNECT;
    case CALL_TIMED_OUT:
        return RETRY_TIMEOUT;
    case CALL_BAD_RESPONSE:
        return RETRY_BAD_RESPONSE;
    case CALL_COMPLETE:
    case CALL_BROKEN:
    case CALL_LAPSED: /* on_ended has no attempt to judge then */
    case CALL_NO_MEMORY:
        break;
    }
    return RETRY_BROKEN;
}

static const char *event_text(enum retry_event event)
{
    switch (event) {
    case RETRY_CONNECT:
        return "connection failed";
    case RETRY_TIMEOUT:
        return "timed out";
    case RETRY_BROKEN:
        return "connection broken";
    case RETRY_BAD_RESPONSE:
        return "not an HTTP answer";
    case RETRY_ANSWERED:
        break;
    }
    return "";
}

static struct slice write_error(struct delivery *delivery, enum retry_event event,
                                const char *reason)
{
    char what[32];
    if (event == RETRY_ANSWERED)
        (void)snprintf(what, sizeof what, "status %u", delivery->status);
    else
        (void)snprintf(what, sizeof what, "%s", event_text(event));
    int len = reason ? snprintf(delivery->error, sizeof delivery->error, "%s: %s", reason, what)
                     : snprintf(delivery->error, sizeof delivery->error, "%s", what);
    return slice_of(delivery->error, (size_t)len);
}

static uint64_t age_ms(const struct delivery *delivery)
{
    uint64_t wall_ms = delivery->courier->gateway->loop->clock.wall_ms;
    return wall_ms > delivery->waits_since_ms ? wall_ms - delivery->waits_since_ms : 0;
}

bool delivery_is_too_old(const struct delivery *delivery)
{
    return age_ms(delivery) > route_of(delivery)->retry.max_age_ms;
}

/* Splitmix64: jitter has to spread, not to be secret, and a test replays it. */
static uint64_t next_chance(struct gateway *gateway)
{
    uint64_t z = gateway->jitter += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct retry_verdict judge(const struct delivery *delivery, enum retry_event event)
{
    const struct route_opts *route = route_of(delivery);
    struct retry_attempt attempt = {
        .event = event,
        .status = delivery->status,
        .success = event == RETRY_ANSWERED && route_is_success(route, delivery->status),
        .number = delivery->attempts + 1 - delivery->attempts_before,
        .age_ms = age_ms(delivery),
        .has_retry_after = delivery->has_retry_after,
        .retry_after_ms = delivery->retry_after_ms,
    };
    return retry_judge(&route->retry, &attempt, next_chance(delivery->courier->gateway));
}

static enum queue_result result_of(enum retry_decision decision)
{
    switch (decision) {
    case RETRY_DONE:
        return QUEUE_DELIVERED;
    case RETRY_AGAIN:
        return QUEUE_RETRY;
    case RETRY_GIVE_UP:
        break;
    }
    return QUEUE_DEAD;
}

static void finish_attempt(struct delivery *delivery)
{
    enum retry_event event = event_of(delivery);
    struct retry_verdict verdict = judge(delivery, event);
    uint64_t now_us = delivery->courier->gateway->loop->clock.mono_us;
    bool failed = event != RETRY_ANSWERED || delivery->status >= 500;
    struct queue_finish finish = {
        .result = result_of(verdict.decision),
        .attempted = true,
        .at_ms = delivery->began_wall_ms,
        .retry_in_ms = verdict.wait_ms,
        .status = delivery->status,
        .duration_ms = (uint32_t)((now_us - delivery->began_us) / 1000),
        .permanent = verdict.permanent,
        .response = slice_of(delivery->response, delivery->response_bytes),
    };
    if (verdict.decision != RETRY_DONE)
        finish.error = write_error(delivery, event, verdict.reason);
    struct lane *lane = delivery->lane;
    deadline_clear(&delivery->courier->gateway->loop->deadlines, &delivery->cut_at);
    FAULT_POINT("after_attempt");
    lane_ended(lane, delivery, failed);
    write_outcome(delivery, finish);
    lane_pump(lane);
}

/* ---- the attempt ---- */

void delivery_cut(struct delivery *delivery)
{
    struct upstream_call *call = &delivery->call;
    upstream_cancel(call);
    call->end = call->any_sent ? CALL_BROKEN : CALL_CONNECT_FAILED;
    finish_attempt(delivery);
}

static void on_cut(struct deadline *deadline)
{
    delivery_cut(container_of(deadline, struct delivery, cut_at));
}

/* From here on its status is known: the rest is waited for as long as the head was, no longer. */
static void on_head(struct upstream_call *call)
{
    struct delivery *delivery = container_of(call, struct delivery, call);
    const struct config *config = courier_config(delivery->courier);
    delivery->cut_at.expired = on_cut;
    courier_set(delivery->courier, &delivery->cut_at,
                config->upstreams[delivery->lane->index].timeout_ms);
    const struct http_field *after = http_field_by_id(&call->reader.head, FIELD_RETRY_AFTER);
    delivery->status = call->reader.head.status;
    if (after)
        delivery->has_retry_after =
            retry_after_parse(after->value, delivery->courier->gateway->loop->clock.wall_ms,
                              &delivery->retry_after_ms);
}

static void on_body(struct upstream_call *call, struct slice piece)
{
    struct delivery *delivery = container_of(call, struct delivery, call);
    size_t room = sizeof delivery->response - delivery->response_bytes;
    size_t len = piece.len < room ? piece.len : room;
    memcpy(delivery->response + delivery->response_bytes, piece.data, len);
    delivery->response_bytes += len;
    delivery->answer_bytes += piece.len;
    if (delivery->answer_bytes > ANSWER_MAX_BYTES)
        delivery_cut(delivery);
}

static bool never_began(const struct delivery *delivery)
{
    enum call_end end = delivery->call.end;
    return delivery->status == 0 && !delivery->call.any_sent &&
           (end == CALL_BUSY || end == CALL_NO_MEMORY || end == CALL_LAPSED);
}

static void on_ended(struct upstream_call *call)
{
    struct delivery *delivery = container_of(call, struct delivery, call);
    struct lane *lane = delivery->lane;
    if (!never_began(delivery)) {
        finish_attempt(delivery);
        return;
    }
    lane_abandoned(lane, delivery);
    if (call->end == CALL_LAPSED) {
        delivery_lose(delivery);
        delivery_free(delivery);
    } else {
        delivery_return(delivery, NO_MEMORY_PAUSE_MS);
    }
    lane_pump(lane);
}

static const struct upstream_call_handlers handlers = {
    .head = on_head,
    .body = on_body,
    .ended = on_ended,
};

/* The request as text again. HTTP/1.0, since it may have come without a Host. */
static enum status write_stored(struct delivery *delivery)
{
    struct buf *text = &delivery->head;
    const struct slice parts[] = {delivery->method, SLICE(" "), delivery->target,
                                  SLICE(" HTTP/1.0\r\n"), delivery->headers};
    enum status status = STATUS_OK;
    buf_clear(text);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == STATUS_OK; i++)
        status = buf_append(text, parts[i]);
    return status == STATUS_OK ? http1_write_head_end(text) : status;
}

/* And parsed: the same reader that let it in, so that the same fields have the same meaning. */
static enum status parse_stored(struct delivery *delivery, struct http_head *ret_head)
{
    enum status status = write_stored(delivery);
    if (status != STATUS_OK)
        return status;
    struct http1_reader reader;
    struct slice input = buf_slice(&delivery->head), piece;
    arena_reset(&delivery->heads); /* the pool had no room for it before, perhaps */
    http1_init_request(&reader, &delivery->heads, &stored_limits);
    if (http1_next(&reader, &input, &piece) != HTTP1_HEAD)
        return reader.fault == HTTP_FAULT_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_INVALID;
    *ret_head = reader.head;
    return STATUS_OK;
}

static enum status write_head(struct delivery *delivery)
{
    struct http_head request;
    struct gateway *gw = delivery->courier->gateway;
    enum status status = parse_stored(delivery, &request);
    if (status != STATUS_OK)
        return status;
    struct forward forward = {
        .request = &request,
        .body = delivery->body,
        .client = delivery->client,
        .from_journal = true,
        .event_id = delivery->event_id,
        .attempt = delivery->attempts + 1,
        .marked = OUTCOME_NONE,
        .signer = gw->signers[delivery->route],
        .wall_ms = gw->loop->clock.wall_ms,
    };
    buf_clear(&delivery->head);
    return write_forward_head(&delivery->head, &forward);
}

/* Nothing was sent. A row that no version of this program has written is not tried for ever. */
static void give_up_unsent(struct delivery *delivery, enum status status)
{
    lane_abandoned(delivery->lane, delivery);
    if (status == STATUS_INVALID)
        delivery_bury(delivery, "the stored request can't be read");
    else
        delivery_return(delivery, NO_MEMORY_PAUSE_MS);
}

bool delivery_begin(struct delivery *delivery)
{
    const struct loop *loop = delivery->courier->gateway->loop;
    delivery->state = DELIVERY_CALLING;
    delivery->began_us = loop->clock.mono_us;
    delivery->began_wall_ms = loop->clock.wall_ms;
    enum status status = write_head(delivery);
    if (status != STATUS_OK) {
        give_up_unsent(delivery, status);
        return true;
    }
    delivery->call = (struct upstream_call){
        .on = &handlers,
        .head = buf_slice(&delivery->head),
        .body = delivery->body,
        .is_head_request = slice_eq(delivery->method, SLICE("HEAD")),
        .arena = &delivery->heads,
        .not_after_ms = delivery->leased_until_ms,
    };
    FAULT_POINT("before_attempt");
    if (upstream_submit(delivery->lane->upstream, &delivery->call) == OP_PENDING)
        return true;
    delivery->state = DELIVERY_WAITING;
    return false;
}
