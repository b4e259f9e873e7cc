/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake queue of sim.h: rows in memory, with the leases, fences and due times of queue.h on the
 * loop's clock. Answers come at the end of the turn, or when the test says so.
 */
#include "sim_impl.h"

#include <assert.h>
#include <string.h>

#define OWNER 1u

static struct sim_queue *queue_of(struct queue *base)
{
    return container_of(base, struct sim_queue, base);
}

static uint64_t now_ms(const struct sim_queue *queue)
{
    return loop_now_ms(queue->loop);
}

/* ---- rows ---- */

static struct slice keep(struct sim_event *event, struct slice bytes)
{
    char *at = event->bytes + event->used;
    assert(bytes.len <= sizeof event->bytes - event->used);
    if (bytes.len > 0)
        memcpy(at, bytes.data, bytes.len);
    event->used += bytes.len;
    return slice_of(at, bytes.len);
}

void sim_queue_insert(struct sim *sim, const struct journal_record *record)
{
    struct sim_queue *queue = &sim->queue;
    assert(queue->count < SIM_MAX);
    struct sim_event *event = &queue->events[queue->count++];
    event->view = (struct queue_event){
        .event_id = record->event_id,
        .route = keep(event, record->route),
        .method = keep(event, record->method),
        .target = keep(event, record->target),
        .headers = keep(event, record->headers),
        .client = keep(event, record->client),
        .body = keep(event, record->body),
        .received_at_ms = record->received_at_ms,
        .waits_since_ms = record->received_at_ms,
        .has_key = record->has_key,
        .key = record->key,
        .window_ends_at_ms = record->window_ends_at_ms,
    };
    event->state = SIM_QUEUED;
    event->owner = record->lease_ms > 0 && !record->ownerless ? OWNER : 0;
    event->due_ms = now_ms(queue) + record->lease_ms;
}

static struct sim_event *find(struct sim_queue *queue, const struct uuid *id)
{
    for (size_t i = 0; i < queue->count; i++)
        if (uuid_eq(&queue->events[i].view.event_id, id))
            return &queue->events[i];
    return NULL;
}

/* ---- answering ---- */

static uint32_t want_for(struct queue_take *take, struct slice route, uint32_t *ret_lease_ms)
{
    for (size_t i = 0; i < take->want_count; i++) {
        if (!slice_eq(take->wants[i].route, route))
            continue;
        *ret_lease_ms = take->wants[i].lease_ms;
        return take->wants[i].count;
    }
    return 0;
}

static void answer_take(struct sim_queue *queue)
{
    struct queue_take *take = queue->take;
    uint32_t taken = 0, lease_ms = 0;
    queue->take = NULL;
    take->next_due_ms = UINT64_MAX;
    take->status = queue->mode == SIM_DOWN ? STATUS_UNAVAILABLE : STATUS_OK;
    for (size_t i = 0; i < queue->count && take->status == STATUS_OK; i++) {
        struct sim_event *event = &queue->events[i];
        if (event->state != SIM_QUEUED)
            continue;
        uint32_t want = want_for(take, event->view.route, &lease_ms);
        if (event->due_ms > now_ms(queue)) {
            uint64_t in_ms = event->due_ms - now_ms(queue);
            take->next_due_ms = in_ms < take->next_due_ms ? in_ms : take->next_due_ms;
        } else if (taken < want) {
            taken++;
            event->owner = OWNER;
            event->due_ms = now_ms(queue) + lease_ms;
            queue->base.stats.taken++;
            take->event(take, &event->view);
        }
    }
    take->ended(take);
}

static void apply(struct sim_event *event, const struct queue_finish *finish, uint64_t at_ms)
{
    event->due_ms = at_ms + finish->retry_in_ms;
    event->view.attempts = finish->attempted ? finish->attempt : event->view.attempts;
    event->attempt_rows += finish->attempted;
    event->permanent = finish->permanent;
    memcpy(event->error, finish->error.data, finish->error.len);
    event->error[finish->error.len] = '\0';
    if (finish->result == QUEUE_DELIVERED)
        event->state = SIM_DELIVERED;
    else if (finish->result == QUEUE_DEAD)
        event->state = SIM_DEAD;
    event->waited_ms = finish->retry_in_ms;
}

static void answer_finish(struct sim_queue *queue, struct queue_finish *finish)
{
    struct sim_event *event = find(queue, &finish->event_id);
    bool ours = event && event->state == SIM_QUEUED && event->owner == OWNER &&
                event->view.attempts + 1 == finish->attempt;
    finish->status_of_write = ours ? STATUS_OK : STATUS_REFUSED;
    if (ours)
        apply(event, finish, now_ms(queue));
    else
        queue->base.stats.fenced++;
    finish->answered(finish);
}

static void answer_renew(struct sim_queue *queue)
{
    struct queue_renew *renew = queue->renew;
    queue->renew = NULL;
    renew->status = queue->mode == SIM_DOWN ? STATUS_UNAVAILABLE : STATUS_OK;
    for (size_t i = 0; i < renew->count && renew->status == STATUS_OK; i++) {
        struct sim_event *event = find(queue, &renew->leases[i].event_id);
        renew->leases[i].lost = !event || event->state != SIM_QUEUED || event->owner != OWNER;
        if (!renew->leases[i].lost)
            event->due_ms = now_ms(queue) + renew->leases[i].lease_ms;
    }
    renew->ended(renew);
}

static void answer_upkeep(struct sim_queue *queue)
{
    struct queue_upkeep *upkeep = queue->upkeep;
    queue->upkeep = NULL;
    upkeep->status = queue->mode == SIM_DOWN ? STATUS_UNAVAILABLE : STATUS_OK;
    upkeep->ended(upkeep);
}

static bool is_orphan(const struct sim_queue *queue, const struct sim_event *event)
{
    return event->state == SIM_QUEUED && event->view.attempts == 0 &&
           event->due_ms <= now_ms(queue);
}

/* The fake journal has it. */
static struct slice note_of(struct sim_queue *queue, const struct uuid *event_id)
{
    const struct sim_journal *journal = &container_of(queue, struct sim, queue)->journal;
    for (size_t i = 0; i < journal->row_count; i++)
        if (uuid_eq(&journal->rows[i].event_id, event_id))
            return slice_str(journal->rows[i].note);
    return SLICE("");
}

/* All of them, from the start; the fake tells what it was given as key. */
static void answer_orphans(struct sim_queue *queue)
{
    struct queue_orphans *orphans = queue->orphans;
    queue->orphans = NULL;
    orphans->status = queue->mode == SIM_DOWN ? STATUS_UNAVAILABLE : STATUS_OK;
    orphans->more = false;
    for (size_t i = 0; i < queue->count && orphans->status == STATUS_OK; i++) {
        struct sim_event *event = &queue->events[i];
        if (!is_orphan(queue, event))
            continue;
        struct queue_orphan orphan = {.event_id = event->view.event_id,
                                      .route = event->view.route,
                                      .key = event->view.key,
                                      .received_at_ms = event->view.received_at_ms,
                                      .window_ends_at_ms = event->view.window_ends_at_ms,
                                      .note = note_of(queue, &event->view.event_id)};
        orphans->orphan(orphans, &orphan);
    }
    orphans->ended(orphans);
}

/* Outcomes of a queue that is away wait in it, as in the real ones. */
static void answer_all(struct sim_queue *queue)
{
    struct list finishes;
    list_init(&finishes);
    if (queue->mode != SIM_DOWN)
        list_move_all(&finishes, &queue->finishes);
    for (struct list *link; (link = list_pop_front(&finishes));)
        answer_finish(queue, container_of(link, struct queue_finish, link));
    if (queue->take)
        answer_take(queue);
    if (queue->renew)
        answer_renew(queue);
    if (queue->upkeep)
        answer_upkeep(queue);
    if (queue->orphans)
        answer_orphans(queue);
}

static void on_turn_end(struct loop_hook *hook)
{
    struct sim_queue *queue = container_of(hook, struct sim_queue, hook);
    if (queue->mode != SIM_LATER)
        answer_all(queue);
}

void sim_queue_flush(struct sim *sim)
{
    answer_all(&sim->queue);
    sim_turn(sim);
}

/* ---- the interface ---- */

static void takes(struct queue *base, struct queue_take *take)
{
    struct sim_queue *queue = queue_of(base);
    assert(!queue->take);
    queue->take = take;
    queue->takes++;
    loop_defer(queue->loop, &queue->hook);
}

/* The slices are the caller's only until this returns; the fake has kept what it tells. */
static void finishes(struct queue *base, struct queue_finish *finish)
{
    static char errors[SIM_MAX][QUEUE_ERROR_BYTES + 1];
    static size_t next;
    struct sim_queue *queue = queue_of(base);
    char *error = errors[next++ % SIM_MAX];
    assert(finish->error.len <= QUEUE_ERROR_BYTES && finish->response.len <= QUEUE_RESPONSE_BYTES);
    if (finish->error.len > 0)
        memcpy(error, finish->error.data, finish->error.len);
    finish->error.data = error;
    list_push_back(&queue->finishes, &finish->link);
    loop_defer(queue->loop, &queue->hook);
}

static void renews(struct queue *base, struct queue_renew *renew)
{
    struct sim_queue *queue = queue_of(base);
    assert(!queue->renew);
    queue->renew = renew;
    loop_defer(queue->loop, &queue->hook);
}

static void tidies(struct queue *base, struct queue_upkeep *upkeep)
{
    struct sim_queue *queue = queue_of(base);
    assert(!queue->upkeep);
    queue->upkeep = upkeep;
    loop_defer(queue->loop, &queue->hook);
}

static void looks(struct queue *base, struct queue_orphans *orphans)
{
    struct sim_queue *queue = queue_of(base);
    assert(!queue->orphans);
    queue->orphans = orphans;
    loop_defer(queue->loop, &queue->hook);
}

static const struct queue_backend backend = {
    .name = "sim",
    .take = takes,
    .finish = finishes,
    .renew = renews,
    .upkeep = tidies,
    .orphans = looks,
};

void sim_queue_open(struct sim *sim)
{
    struct sim_queue *queue = &sim->queue;
    queue->base.backend = &backend;
    queue->base.stats.up = true;
    queue->loop = sim->loop;
    queue->hook.run = on_turn_end;
    list_init(&queue->finishes);
}

void sim_queue_close(struct sim *sim)
{
    loop_undefer(&sim->queue.hook);
}

void sim_queue_steal(struct sim *sim, size_t i)
{
    sim->queue.events[i].owner = OWNER + 1;
}
