/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of the queue suites: opens and closes queues, fills them through the journal, and runs
 * their operations to the end.
 */
#include "queue_rig.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>

struct queue_rig qrig;

/* ---- opening and closing ---- */

struct uuid queue_owner(size_t index)
{
    return (struct uuid){{(uint8_t)(index + 1)}}; /* the first one is also the journal's */
}

void queue_rig_open_queues(void)
{
    for (size_t i = 0; i < RIG_QUEUES; i++) {
        struct uuid owner = queue_owner(i);
        qrig.queues[i] = qrig.kind->open_queue(&owner);
    }
}

static size_t open_queues;

static void on_closed(void *arg)
{
    (void)arg;
    open_queues--;
}

static bool are_closed(void)
{
    return open_queues == 0;
}

void queue_rig_close_queues(void)
{
    for (size_t i = 0; i < RIG_QUEUES; i++)
        open_queues += qrig.queues[i] != NULL;
    for (size_t i = 0; i < RIG_QUEUES; i++)
        if (qrig.queues[i])
            qrig.queues[i]->backend->close(qrig.queues[i], on_closed, NULL);
    rig_run_until(are_closed);
    memset(qrig.queues, 0, sizeof qrig.queues);
}

void queue_rig_open(const struct queue_kind *kind)
{
    qrig.kind = kind;
    kind->open_journal();
    queue_rig_open_queues();
}

void queue_rig_close(void)
{
    if (!rig.is_sqlite)
        pg_server_remove(&rig.server); /* first: after a failed test nothing else may work */
    queue_rig_close_queues();
    rig_close();
}

/* ---- asking ---- */

long long queue_number_of(const char *sql, struct slice bytes)
{
    if (!rig.is_sqlite)
        return rig_number_of(sql, bytes);
    queue_rig_close_queues();
    long long number = rig_number_of(sql, bytes);
    queue_rig_open_queues();
    return number;
}

long long queue_number(const char *sql)
{
    return queue_number_of(sql, (struct slice){0});
}

static void execute_on_file(const char *sql)
{
    struct sqlite3 *handle;
    cr_assert_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

void queue_execute(const char *sql)
{
    if (!rig.is_sqlite) {
        pg_server_execute(&rig.server, sql);
        return;
    }
    queue_rig_close_queues();
    cr_assert(rig_drain());
    rig_close_fronts();
    execute_on_file(sql);
    rig_open_fronts(1);
    queue_rig_open_queues();
}

/* ---- events ---- */

void event_init(struct append *append, const char *route)
{
    append_init(append);
    append->record.route = slice_str(route);
    append->record.mode = SLICE("queue");
    append->record.state = SLICE("queued");
    append->record.response_status = 202;
    append->record.queued = true;
}

/* The clock that writes due times may be some milliseconds ahead of the one that reads them. */
#define CLOCKS_APART_MS 20u

struct uuid queue_put(const char *route)
{
    struct uuid id = queue_put_leased(route, 0);
    rig_run_for(CLOCKS_APART_MS);
    return id;
}

struct uuid queue_put_leased(const char *route, uint32_t lease_ms)
{
    struct append append;
    event_init(&append, route);
    append.record.lease_ms = lease_ms;
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(append.op.home, QUEUE_HOME_JOURNAL);
    return append.record.event_id;
}

void queue_put_many(const char *route, size_t count)
{
    static struct append appends[TAKEN_MAX];
    cr_assert_leq(count, TAKEN_MAX);
    for (size_t i = 0; i < count; i++) {
        event_init(&appends[i], route);
        cr_assert(append_submit(&appends[i]));
    }
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(append_await(&appends[i]), STATUS_OK);
    rig_run_for(CLOCKS_APART_MS);
}

/* ---- taking ---- */

static void on_event(struct queue_take *take, const struct queue_event *event)
{
    cr_assert_eq(take, &qrig.take);
    cr_assert_not(qrig.take_ended);
    cr_assert_lt(qrig.count, TAKEN_MAX);
    struct taken *taken = &qrig.taken[qrig.count++];
    *taken = (struct taken){.event_id = event->event_id,
                            .attempts = event->attempts,
                            .attempts_before = event->attempts_before};
    snprintf(taken->route, sizeof taken->route, "%.*s", (int)event->route.len, event->route.data);
    if (qrig.look)
        qrig.look(event);
}

static void on_take_ended(struct queue_take *take)
{
    cr_assert_eq(take, &qrig.take);
    qrig.take_ended = true;
}

static bool has_take_ended(void)
{
    return qrig.take_ended;
}

void take_wants(size_t queue, const struct queue_want *wants, size_t count, size_t bytes_max)
{
    qrig.take = (struct queue_take){.wants = wants,
                                    .want_count = count,
                                    .bytes_max = bytes_max,
                                    .event = on_event,
                                    .ended = on_take_ended};
    qrig.take_ended = false;
    qrig.count = 0;
    queue_take(qrig.queues[queue], &qrig.take);
    cr_assert_not(qrig.take_ended, "never from inside");
    rig_run_until(has_take_ended);
}

size_t take_of(size_t queue, const char *route, uint32_t count, uint32_t lease_ms)
{
    struct queue_want want = {slice_str(route), count, lease_ms};
    take_wants(queue, &want, 1, SIZE_MAX);
    cr_assert_eq(qrig.take.status, STATUS_OK);
    return qrig.count;
}

size_t take_some(size_t queue, const char *route, uint32_t count, uint32_t lease_ms)
{
    uint64_t until_ms = loop_now_ms(rig.loop) + 10000;
    while (take_of(queue, route, count, lease_ms) == 0) {
        cr_assert_lt(loop_now_ms(rig.loop), until_ms, "nothing came");
        rig_run_for(5);
    }
    return qrig.count;
}

bool was_taken(const struct uuid *event_id)
{
    for (size_t i = 0; i < qrig.count; i++)
        if (uuid_eq(&qrig.taken[i].event_id, event_id))
            return true;
    return false;
}

/* ---- outcomes ---- */

static void on_answered(struct queue_finish *op)
{
    container_of(op, struct finish, op)->answers++;
}

void finish_init(struct finish *finish, const struct uuid *event_id, uint32_t attempt,
                 enum queue_result result)
{
    bool is_delivered = result == QUEUE_DELIVERED, is_returned = result == QUEUE_RETURNED;
    *finish = (struct finish){.op = {.event_id = *event_id,
                                     .result = result,
                                     .attempt = attempt,
                                     .attempted = !is_returned,
                                     .at_ms = rig.loop->clock.wall_ms,
                                     .status = is_delivered ? 200 : 503,
                                     .duration_ms = 12,
                                     .error = is_delivered ? SLICE("") : SLICE("status_503"),
                                     .answered = on_answered}};
}

void finish_submit(size_t queue, struct finish *finish)
{
    finish->answers = 0;
    queue_finish(qrig.queues[queue], &finish->op);
    cr_assert_eq(finish->answers, 0, "never from inside");
}

static struct finish *awaited;

static bool is_answered(void)
{
    return awaited->answers > 0;
}

enum status finish_await(struct finish *finish)
{
    awaited = finish;
    rig_run_until(is_answered);
    cr_assert_eq(finish->answers, 1);
    return finish->op.status_of_write;
}

enum status finish_now(size_t queue, struct finish *finish)
{
    finish_submit(queue, finish);
    return finish_await(finish);
}

enum status end_attempt(size_t queue, const struct uuid *event_id, uint32_t attempt,
                        enum queue_result result)
{
    struct finish finish;
    finish_init(&finish, event_id, attempt, result);
    return finish_now(queue, &finish);
}

/* ---- leases and upkeep ---- */

static bool renew_ended;

static void on_renewed(struct queue_renew *renew)
{
    (void)renew;
    renew_ended = true;
}

static bool has_renew_ended(void)
{
    return renew_ended;
}

enum status renew_now(size_t queue, struct queue_lease *leases, size_t count)
{
    struct queue_renew renew = {.leases = leases, .count = count, .ended = on_renewed};
    renew_ended = false;
    queue_renew(qrig.queues[queue], &renew);
    cr_assert_not(renew_ended, "never from inside");
    rig_run_until(has_renew_ended);
    return renew.status;
}

bool renew_one(size_t queue, const struct uuid *event_id, uint32_t lease_ms)
{
    struct queue_lease lease = {.event_id = *event_id, .lease_ms = lease_ms};
    cr_assert_eq(renew_now(queue, &lease, 1), STATUS_OK);
    return !lease.lost;
}

static bool upkeep_ended;

static void on_upkept(struct queue_upkeep *upkeep)
{
    (void)upkeep;
    upkeep_ended = true;
}

static bool has_upkeep_ended(void)
{
    return upkeep_ended;
}

const struct queue_upkeep *upkeep_with(size_t queue, const struct queue_route *routes, size_t count)
{
    static struct queue_upkeep upkeep;
    upkeep = (struct queue_upkeep){.routes = routes, .route_count = count, .ended = on_upkept};
    upkeep_ended = false;
    queue_upkeep(qrig.queues[queue], &upkeep);
    cr_assert_not(upkeep_ended, "never from inside");
    rig_run_until(has_upkeep_ended);
    cr_assert_eq(upkeep.status, STATUS_OK);
    return &upkeep;
}
