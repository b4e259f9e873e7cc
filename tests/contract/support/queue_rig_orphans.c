/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue rig's looks for orphans: page after page, and what they told.
 */
#include "queue_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ENDED_MS 20u /* by then a lease of a millisecond has ended, on any of the clocks */

void queue_bereave(void)
{
    if (rig.is_sqlite)
        queue_execute("SELECT 1");
    else
        rig_run_for(ENDED_MS);
}

static void on_orphan(struct queue_orphans *look, const struct queue_orphan *orphan)
{
    cr_assert_eq(look, &qrig.look_op);
    cr_assert_lt(qrig.orphan_count, TAKEN_MAX);
    struct told_orphan *told = &qrig.orphans[qrig.orphan_count++];
    told->orphan = *orphan;
    told->note_len = orphan->note.len;
    told->note_ends = told->note_len > 0 ? (uint8_t)orphan->note.data[told->note_len - 1] : 0;
    snprintf(told->route, sizeof told->route, "%.*s", (int)orphan->route.len, orphan->route.data);
}

static void on_look_ended(struct queue_orphans *look)
{
    cr_assert_eq(look, &qrig.look_op);
    qrig.looks_ended++;
}

static unsigned ended_before;

static void ask(size_t queue)
{
    ended_before = qrig.looks_ended;
    queue_orphans(qrig.queues[queue], &qrig.look_op);
    cr_assert_eq(qrig.looks_ended, ended_before, "never from inside");
}

void look_begin(size_t queue, const struct queue_route *routes, size_t count, uint32_t limit)
{
    qrig.look_op = (struct queue_orphans){.routes = routes,
                                          .route_count = count,
                                          .from_start = true,
                                          .limit = limit,
                                          .orphan = on_orphan,
                                          .ended = on_look_ended};
    qrig.orphan_count = 0;
    ask(queue);
}

void look_further(size_t queue)
{
    qrig.look_op.from_start = false;
    qrig.look_op.after_us = qrig.look_op.until_us;
    qrig.look_op.after_id = qrig.look_op.until_id;
    ask(queue);
}

static bool has_look_ended(void)
{
    return qrig.looks_ended > ended_before;
}

enum status look_await(void)
{
    rig_run_until(has_look_ended);
    cr_assert_eq(qrig.looks_ended, ended_before + 1);
    return qrig.look_op.status;
}

static size_t look_to_the_end(size_t queue)
{
    cr_assert_eq(look_await(), STATUS_OK);
    while (qrig.look_op.more) {
        size_t before = qrig.orphan_count;
        look_further(queue);
        cr_assert_eq(look_await(), STATUS_OK);
        cr_assert_leq(qrig.orphan_count - before, qrig.look_op.limit);
    }
    return qrig.orphan_count;
}

size_t look_through(size_t queue, const struct queue_route *routes, size_t count, uint32_t limit)
{
    look_begin(queue, routes, count, limit);
    return look_to_the_end(queue);
}

size_t look_again(size_t queue)
{
    look_further(queue);
    return look_to_the_end(queue);
}

bool is_orphaned(const struct uuid *event_id)
{
    for (size_t i = 0; i < qrig.orphan_count; i++)
        if (uuid_eq(&qrig.orphans[i].orphan.event_id, event_id))
            return true;
    return false;
}
