/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a worker's journal and queue over the spool while the SQLite thread is stuck in the
 * middle of something: PostgreSQL's halves are gone long before it comes back.
 */
#include "sqlite_store.h"
#include "support/spooled_rig.h"

#include <criterion/criterion.h>
#include <semaphore.h>

static sem_t entered, opened;
static struct sqlite_seat seat;
static bool is_gate_over;

static enum status wait_at_gate(struct sqlite_request *request, struct sqlite_db *db)
{
    (void)request;
    (void)db;
    sem_post(&entered);
    sem_wait(&opened);
    return STATUS_OK;
}

static void on_gate_over(struct sqlite_request *request)
{
    (void)request;
    is_gate_over = true;
}

/* The thread waits, as on a disk that hangs, until open_gate. */
static void close_gate(void)
{
    static struct sqlite_request gate = {.run = wait_at_gate, .returned = on_gate_over};
    sem_init(&entered, 0, 0);
    sem_init(&opened, 0, 0);
    cr_assert_eq(sqlite_seat_open(&seat, rig.loop, spooled.store), STATUS_OK);
    sqlite_seat_submit(&seat, &gate);
    sem_wait(&entered);
}

static unsigned closed;

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

static bool is_all_over(void)
{
    return is_gate_over && closed == 2;
}

/* Closes the worker; the thread goes on when PostgreSQL's journal and queue are gone. */
static void close_behind_gate(void)
{
    struct spooled_worker *worker = &spooled.workers[0];
    worker->queue->backend->close(worker->queue, on_closed, NULL);
    worker->journal->backend->close(worker->journal, on_closed, NULL);
    rig_run_for(100);
    cr_assert_lt(closed, 2);
    sem_post(&opened);
    rig_run_until(is_all_over);
    sqlite_seat_close(&seat);
    qrig.queues[0] = NULL;
    rig.journal = NULL;
    spooled.count = 0;
}

static void open_away(void)
{
    spooled_rig_prepare();
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
}

TestSuite(spooled_closing, .init = open_away, .fini = spooled_rig_close);

Test(spooled_closing, outcomes_come_back_after_postgresqls_queue_is_gone)
{
    struct append append;
    struct finish finish;
    event_init(&append, "r");
    append.record.lease_ms = 60000;
    cr_assert_eq(append_now(&append), STATUS_OK);
    close_gate();
    finish_init(&finish, &append.record.event_id, 1, QUEUE_DELIVERED);
    finish.op.home = QUEUE_HOME_SPOOL;
    finish_submit(0, &finish);
    rig_run_for(10);
    close_behind_gate();
    cr_assert_eq(finish.answers, 1);
    cr_assert_eq(finish.op.status_of_write, STATUS_OK);
}

static unsigned drained;

static void on_drained(void *arg)
{
    (void)arg;
    drained++;
}

Test(spooled_closing, a_flush_ends_after_postgresqls_journal_is_gone)
{
    struct append append;
    close_gate();
    append_init(&append);
    append_submit(&append);
    rig_run_for(10);
    journal_drain(rig.journal, loop_now_ms(rig.loop) + 60000, on_drained, NULL);
    rig_run_for(10);
    cr_assert_eq(drained, 0);
    close_behind_gate();
    cr_assert_eq(drained, 1);
    cr_assert_eq(append.op.status, STATUS_OK);
}
