/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema's phases on one worker's link. A fresh link is used for batches only once the schema
 * is ours; the housekeeper also makes the coming days' partitions first. Its hourly round runs
 * between batches; one that could not get its locks is tried again a minute later. The server's
 * clock is read before the next batch, every ten seconds: leases of new rows are counted by it, and
 * it may be set, or our machine may have stood still; an idle link finds out so that the server
 * doesn't answer any more.
 *
 *   CHECKING -> [OPENING] -> READY <-> ADDING_DAYS                    (a batch met a missing day)
 *                            READY <-> READING_CLOCK                           (every 10 s)
 *                            READY -> UPKEEP_DAYS -> UPKEEP_TIDY -> READY      (every hour)
 */
#include "pg_front.h"

#include <stdio.h>

#define CLOCK_INTERVAL_MS 10000u
#define UPKEEP_INTERVAL_MS 3600000u
#define UPKEEP_RETRY_MS 60000u

static int64_t today(const struct postgres_front *self)
{
    return (int64_t)(pg_front_loop(self)->clock.wall_ms / PG_DAY_MS);
}

static void add_coming_days(struct postgres_front *self, enum phase phase)
{
    int64_t days[PG_SCHEMA_DAYS_AHEAD + 1];
    for (int i = 0; i <= PG_SCHEMA_DAYS_AHEAD; i++)
        days[i] = today(self) + i;
    self->phase = phase;
    pg_schema_add_days(&self->schema, days, PG_SCHEMA_DAYS_AHEAD + 1);
}

static void tidy(struct postgres_front *self)
{
    uint64_t wall_ms = pg_front_loop(self)->clock.wall_ms;
    uint64_t first_ms = wall_ms > self->retention_ms ? wall_ms - self->retention_ms : 0;
    self->phase = PHASE_UPKEEP_TIDY;
    pg_schema_tidy(&self->schema, (int64_t)(first_ms / PG_DAY_MS), today(self));
}

static void set_upkeep(struct postgres_front *self, uint32_t in_ms)
{
    deadline_set(&pg_front_loop(self)->deadlines, &self->upkeep,
                 loop_now_ms(pg_front_loop(self)) + in_ms);
}

static void clock_was_read(struct postgres_front *self)
{
    self->clock_due = false;
    deadline_set(&pg_front_loop(self)->deadlines, &self->clock,
                 loop_now_ms(pg_front_loop(self)) + CLOCK_INTERVAL_MS);
}

static void become_ready(struct postgres_front *self)
{
    self->phase = PHASE_READY;
    self->upkeep_due = self->housekeeper;
    clock_was_read(self);
    front_up(&self->front);
    if (list_is_empty(&self->front.queue))
        pg_link_proven(&self->link);
    pg_front_tell_up(self);
}

/* A lock that was not free in time is no reason to drop anything. */
static void upkeep_failed(struct postgres_front *self, const char *detail)
{
    char text[PG_DETAIL_SIZE];
    snprintf(text, sizeof(text), "partitions: %.200s", detail);
    self->phase = PHASE_READY;
    set_upkeep(self, UPKEEP_RETRY_MS);
    pg_front_tell_trouble(self, true, text);
    front_pump(&self->front);
}

static void phase_failed(struct postgres_front *self, const char *detail)
{
    if (self->phase >= PHASE_UPKEEP_DAYS)
        upkeep_failed(self, detail);
    else
        pg_link_drop(&self->link, detail);
}

static void phase_done(struct postgres_front *self)
{
    switch (self->phase) {
    case PHASE_CHECKING:
        if (self->housekeeper)
            add_coming_days(self, PHASE_OPENING);
        else
            become_ready(self);
        return;
    case PHASE_OPENING:
        become_ready(self);
        return;
    case PHASE_READING_CLOCK:
        self->phase = PHASE_READY;
        clock_was_read(self);
        break;
    case PHASE_UPKEEP_DAYS:
        tidy(self);
        return;
    case PHASE_ADDING_DAYS:
        self->days_made = true;
        self->phase = PHASE_READY;
        break;
    case PHASE_UPKEEP_TIDY:
        self->phase = PHASE_READY;
        break;
    case PHASE_OFFLINE:
    case PHASE_READY:
        break;
    }
    front_pump(&self->front);
}

/* When the link was lost, its own handler has all to do. */
static void on_schema_ended(struct pg_schema *schema, enum status status, const char *detail)
{
    struct postgres_front *self = container_of(schema, struct postgres_front, schema);
    if (status == STATUS_OK)
        phase_done(self);
    else if (status != STATUS_UNAVAILABLE)
        phase_failed(self, detail);
}

static void on_upkeep(struct deadline *deadline)
{
    struct postgres_front *self = container_of(deadline, struct postgres_front, upkeep);
    self->upkeep_due = true;
    front_pump(&self->front);
}

static void on_clock(struct deadline *deadline)
{
    struct postgres_front *self = container_of(deadline, struct postgres_front, clock);
    self->clock_due = true;
    front_pump(&self->front);
}

void pg_upkeep_add_days(struct postgres_front *self)
{
    const struct batch *batch = self->front.in_flight;
    int64_t days[PG_SCHEMA_DAYS_MAX];
    size_t count = 0;
    for (; count < self->chunk && batch->done + count < batch->count; count++)
        days[count] = (int64_t)(uuid_time_ms(&batch->rows[batch->done + count]->id) / PG_DAY_MS);
    pg_schema_add_days(&self->schema, days, count);
}

void pg_upkeep_start(struct postgres_front *self)
{
    self->upkeep_due = false;
    set_upkeep(self, UPKEEP_INTERVAL_MS);
    add_coming_days(self, PHASE_UPKEEP_DAYS);
}

void pg_upkeep_read_clock(struct postgres_front *self)
{
    self->phase = PHASE_READING_CLOCK;
    pg_schema_read_clock(&self->schema);
}

void pg_upkeep_check(struct postgres_front *self)
{
    self->phase = PHASE_CHECKING;
    pg_schema_check(&self->schema);
}

void pg_upkeep_init(struct postgres_front *self)
{
    self->upkeep.expired = on_upkeep;
    self->clock.expired = on_clock;
    pg_schema_init(&self->schema, &self->link);
    self->schema.ended = on_schema_ended;
}
