/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive beside the queue it puts events into, the same tests against SQLite and PostgreSQL:
 * what is replayed is delivered, what is cancelled is not.
 */
#include "support/archive_rig.h"

#include <criterion/criterion.h>

static struct queue *queue;
static bool is_up, closed;

static void on_changed(void *arg, bool up, struct slice detail)
{
    (void)arg;
    (void)detail;
    is_up = up;
}

static bool is_queue_up(void)
{
    return is_up;
}

static void open_queue(void)
{
    static const struct uuid owner = {{7}};
    struct pg_listener listener = {.changed = on_changed};
    is_up = rig.is_sqlite;
    cr_assert_eq(rig.is_sqlite ? queue_sqlite_open(rig.loop, rig.store, &owner, &queue)
                               : queue_postgres_open(rig.loop, &rig.postgres, listener, &queue),
                 STATUS_OK);
    rig_run_until(is_queue_up);
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static bool is_closed(void)
{
    return closed;
}

static void close_queue(void)
{
    queue->backend->close(queue, on_closed, NULL);
    rig_run_until(is_closed);
}

static void open_sqlite(void)
{
    archive_rig_open_sqlite();
    open_queue();
}

static void open_postgres(void)
{
    archive_rig_open_postgres();
    open_queue();
}

static void close_all(void)
{
    close_queue();
    archive_rig_close();
}

TestSuite(sqlite, .init = open_sqlite, .fini = close_all);
TestSuite(postgres, .init = open_postgres, .fini = close_all);

#define BOTH(name)                                                                                 \
    static void name(void);                                                                        \
    Test(sqlite, name)                                                                             \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    Test(postgres, name)                                                                           \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    static void name(void)

/* ---- taking and finishing ---- */

static struct queue_event taken; /* the last one; its slices are not valid any more */
static size_t taken_count;
static bool ended;

static void on_event(struct queue_take *take, const struct queue_event *event)
{
    (void)take;
    taken = *event;
    taken_count++;
}

static void on_ended(struct queue_take *take)
{
    (void)take;
    ended = true;
}

static bool has_ended(void)
{
    return ended;
}

static size_t take(void)
{
    struct queue_want want = {.route = SLICE("a"), .count = 10, .lease_ms = 60000};
    struct queue_take op = {.wants = &want,
                            .want_count = 1,
                            .bytes_max = 1 << 20,
                            .event = on_event,
                            .ended = on_ended};
    taken_count = 0;
    ended = false;
    queue_take(queue, &op);
    rig_run_until(has_ended);
    cr_assert_eq(op.status, STATUS_OK);
    return taken_count;
}

static void on_answered(struct queue_finish *finish)
{
    (void)finish;
    ended = true;
}

/* Of the event taken last. */
static enum status finish(enum queue_result result)
{
    struct queue_finish op = {.event_id = taken.event_id,
                              .home = taken.home,
                              .result = result,
                              .attempt = taken.attempts + 1,
                              .attempted = true,
                              .at_ms = rig.loop->clock.wall_ms,
                              .status = 204,
                              .answered = on_answered};
    ended = false;
    queue_finish(queue, &op);
    rig_run_until(has_ended);
    return op.status_of_write;
}

/* ---- tests ---- */

static struct changing changing;
static struct showing showing;

BOTH(a_replayed_event_is_delivered_again)
{
    struct uuid id = put_event("a", "dead");
    for (uint32_t attempts = 1; attempts <= 2; attempts++) {
        cr_assert_eq(take(), 0);
        cr_assert_eq(change_now(&changing, ARCHIVE_REPLAY_SAME, by_id(&id)), 1);
        uint64_t replayed_ms = event_now(&id)->last_replayed_at_ms;
        cr_assert_eq(take(), 1);
        cr_assert(uuid_eq(&taken.event_id, &id));
        cr_assert_eq(taken.attempts, attempts);
        cr_assert_eq(taken.attempts_before, attempts, "max_attempts counts those after");
        cr_assert_eq(taken.waits_since_ms, replayed_ms);
        cr_assert_eq(finish(QUEUE_DELIVERED), STATUS_OK);
        cr_assert(slice_eq(event_now(&id)->state, SLICE("delivered")));
        cr_assert_eq(event_now(&id)->attempts, attempts + 1);
    }
    show_submit(&showing, &id);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(showing.attempts, 2);
    cr_assert(showing.in_order);
    cr_assert_eq(showing.last_attempts[ARCHIVE_RIG_ATTEMPTS - 1].attempt, 3);
    cr_assert_eq(showing.last_attempts[ARCHIVE_RIG_ATTEMPTS - 1].status, 204);
}

BOTH(a_copy_is_delivered_for_itself)
{
    struct uuid id = put_event("a", "delivered");
    cr_assert_eq(change_now(&changing, ARCHIVE_REPLAY_NEW, by_id(&id)), 1);
    cr_assert_eq(take(), 1);
    cr_assert(uuid_eq(&taken.event_id, &changing.new_ids[0]));
    cr_assert_eq(taken.attempts, 0);
    cr_assert_eq(taken.attempts_before, 0);
    cr_assert_eq(finish(QUEUE_DELIVERED), STATUS_OK);
    cr_assert_eq(event_now(&changing.new_ids[0])->attempts, 1);
    cr_assert_eq(event_now(&id)->attempts, 1);
}

BOTH(what_is_cancelled_is_not_taken)
{
    struct uuid id = put_queued("a", 0);
    cr_assert_eq(change_now(&changing, ARCHIVE_CANCEL, by_id(&id)), 1);
    cr_assert_eq(take(), 0);
    cr_assert_eq(change_now(&changing, ARCHIVE_REPLAY_SAME, by_id(&id)), 1);
    cr_assert_eq(take(), 1);
}

BOTH(what_is_taken_is_neither_replayed_nor_cancelled)
{
    struct uuid id = put_queued("a", 0);
    cr_assert_eq(take(), 1);
    cr_assert_eq(change_now(&changing, ARCHIVE_REPLAY_SAME, by_id(&id)), 0);
    cr_assert_eq(changing.change.skipped, 1);
    cr_assert_eq(change_now(&changing, ARCHIVE_CANCEL, by_id(&id)), 0);
    cr_assert_eq(finish(QUEUE_RETRY), STATUS_OK, "the lease is still its own");
    cr_assert_eq(change_now(&changing, ARCHIVE_CANCEL, by_id(&id)), 1);
    cr_assert_eq(finish(QUEUE_DELIVERED), STATUS_REFUSED, "another attempt than the one counted");
    cr_assert(slice_eq(event_now(&id)->state, SLICE("cancelled")));
}

BOTH(replays_are_taken_at_their_pace)
{
    for (int i = 0; i < 3; i++)
        put_event("a", "dead");
    changing.change.per_second = 1;
    cr_assert_eq(change_now(&changing, ARCHIVE_REPLAY_SAME, by_route("a")), 3);
    cr_assert_eq(take(), 1);
    rig_run_for(1000);
    cr_assert_eq(take(), 1);
}
