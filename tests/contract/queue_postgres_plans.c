/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much PostgreSQL reads for statements about events that are known, on a day whose statistics
 * mislead: it was analyzed while all its events were delivered, and then a large queue came, ours
 * among it. What misled plans read is the queue, once or once for each outcome (pg_rows.h).
 */
#include "support/queue_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define OTHERS 20000
#define OURS 300u
#define LONG_MS 60000u

static void open_rig(void)
{
    queue_rig_open(&queue_kind_postgres);
}

TestSuite(queue_postgres_plans, .init = open_rig, .fini = queue_rig_close);

#define INSERT_OTHERS(state)                                                                       \
    "INSERT INTO event (id, received_at, route, method, target, headers, content_type, body,"      \
    " client, mode, state, outcome, response_status, duration_ms, attempts, next_attempt_at)"      \
    " SELECT gen_random_uuid(), date_trunc('milliseconds', now()), 'other', 'POST', '/', '', '',"  \
    " '{}', '', 'queue', '" state "', 'accepted', 202, 0, 0, now() FROM generate_series(1, 20000)"

static void mislead(void)
{
    queue_execute(
        "DO $$ DECLARE part text; BEGIN FOR part IN SELECT inhrelid::regclass FROM"
        " pg_inherits WHERE inhparent = 'event'::regclass LOOP EXECUTE format('ALTER TABLE %s SET"
        " (autovacuum_enabled = false)', part); END LOOP; END $$");
    queue_execute(INSERT_OTHERS("delivered"));
    queue_execute("ANALYZE event");
}

#define OF_EVENTS " FROM pg_stat_user_indexes WHERE relname LIKE 'event\\_2%'"

static long long looks(void)
{
    return queue_number("SELECT sum(idx_scan)::bigint" OF_EVENTS " AND indexrelname LIKE '%pkey'");
}

static long long entries_read(void)
{
    return queue_number("SELECT sum(idx_tup_read)::bigint" OF_EVENTS);
}

/* A session tells its figures when it ends something and has not for a second. */
static void await_looks(long long count, const struct uuid *leased)
{
    while (looks() < count) {
        (void)renew_one(0, leased, LONG_MS);
        rig_run_for(50);
    }
}

static void take_ours(void)
{
    (void)queue_put("ours");
    queue_execute(INSERT_OTHERS("queued"));
    queue_put_many("ours", OURS);
    size_t count = 0;
    while (count < OURS + 1)
        count += take_some(0, "ours", OURS + 1, LONG_MS);
}

Test(queue_postgres_plans, outcomes_and_leases_are_looked_up)
{
    static struct finish finishes[OURS];
    static struct queue_lease leases[OURS + 1];
    mislead();
    take_ours();
    for (size_t i = 0; i <= OURS; i++)
        leases[i] = (struct queue_lease){.event_id = qrig.taken[i].event_id, .lease_ms = LONG_MS};
    const struct uuid kept = leases[OURS].event_id;
    await_looks(looks() + 1, &kept);
    long long before = looks(), read_before = entries_read();
    cr_assert_eq(renew_now(0, leases, OURS + 1), STATUS_OK);
    for (size_t i = 0; i < OURS; i++) {
        finish_init(&finishes[i], &leases[i].event_id, 1, QUEUE_DELIVERED);
        finish_submit(0, &finishes[i]);
    }
    for (size_t i = 0; i < OURS; i++)
        cr_assert_eq(finish_await(&finishes[i]), STATUS_OK);
    await_looks(before + 2 * OURS, &kept);
    long long read = entries_read() - read_before;
    cr_assert_lt(read, OTHERS / 2, "%lld index entries were read", read);
}
