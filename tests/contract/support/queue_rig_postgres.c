/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue rig's PostgreSQL: a server of the test's own, a journal on it, and queues with the
 * options that rig.postgres has at the time.
 */
#include "queue_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void on_changed(void *arg, bool up, struct slice text)
{
    (void)arg;
    qrig.ups += up;
    qrig.downs += !up;
    snprintf(qrig.detail, sizeof qrig.detail, "%.*s", (int)text.len, text.data);
}

static void open_journal(void)
{
    rig_prepare_postgres();
    rig.postgres.owner = queue_owner(0);
    pg_server_run(&rig.server);
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
}

struct queue *queue_rig_open_postgres(const struct uuid *owner)
{
    struct queue *queue;
    struct pg_opts opts = rig.postgres;
    opts.owner = *owner;
    cr_assert_eq(
        queue_postgres_open(rig.loop, &opts, (struct pg_listener){.changed = on_changed}, &queue),
        STATUS_OK);
    return queue;
}

static struct queue *opened;

static bool is_open(void)
{
    return opened->stats.up;
}

static struct queue *open_and_await(const struct uuid *owner)
{
    opened = queue_rig_open_postgres(owner);
    rig_run_until(is_open);
    return opened;
}

const struct queue_kind queue_kind_postgres = {.open_journal = open_journal,
                                               .open_queue = open_and_await};
