/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One settle with nobody waiting but a counter; its op is allocated, since its event may be long
 * delivered when a slow store answers.
 */
#include "late_settle.h"

#include "note.h"
#include <stdlib.h>

struct settling {
    struct dedup_op op;
    struct gateway *gateway;
    void (*over)(void *arg);
    void *arg;
    char note[];
};

static void end(struct settling *settling)
{
    struct gateway *gateway = settling->gateway;
    gateway->late_settles--;
    if (gateway->late_settles == 0)
        loop_defer(gateway->loop, &gateway->reap);
    if (settling->over)
        settling->over(settling->arg);
    free(settling);
}

/* Settled, or the store owes it and pays when it is back (dedup.h), or the key is another's. */
static void on_answered(struct dedup_op *op)
{
    end(container_of(op, struct settling, op));
}

static struct dedup_op op_of(const struct late_event *event, uint64_t wall_ms, struct slice note)
{
    return (struct dedup_op){
        .route = event->route->name,
        .key = event->key,
        .token = event->event_id,
        .window_ms = event->window_ends_at_ms - wall_ms,
        .noted = note_is_kept(event->route),
        .note = note,
        .note_essential = note.len,
        .done = {.event_id = event->event_id,
                 .status = 202,
                 .accepted_at_ms = event->received_at_ms},
        .answered = on_answered,
    };
}

void late_settle(struct gateway *gateway, const struct late_event *event, void (*over)(void *arg),
                 void *arg)
{
    uint64_t wall_ms = gateway->loop->clock.wall_ms;
    bool is_open = event->window_ends_at_ms > wall_ms;
    size_t note_len = note_is_kept(event->route) ? event->note.len : 0;
    struct settling *settling = is_open ? malloc(sizeof *settling + note_len) : NULL;
    if (!settling) {
        if (over)
            over(arg);
        return;
    }
    if (note_len > 0)
        memcpy(settling->note, event->note.data, note_len);
    settling->op = op_of(event, wall_ms, slice_of(settling->note, note_len));
    settling->gateway = gateway;
    settling->over = over;
    settling->arg = arg;
    gateway->late_settles++;
    account_tally(gateway->account, TALLY_LATE_SETTLE);
    if (dedup_settle(gateway->dedup, &settling->op) == OP_READY)
        end(settling);
}
