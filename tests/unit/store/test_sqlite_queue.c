/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's statements on a file, with the clock in the test's hand.
 */
#include "sqlite_queue.h"

#include "sqlite_file.h"

#define NOW_MS 1000000u
#define LEASE_MS 5000u

static struct sqlite_taking taking;
static bool outcomes_stuck;
static const struct uuid me = {{1}}, other = {{2}};

static void set_up(void)
{
    set_up_file();
    db.wall_ms = NOW_MS;
    arena_init(&taking.arena, 4096, SIZE_MAX);
    list_init(&taking.events);
}

static void tear_down(void)
{
    arena_done(&taking.arena);
    tear_down_file();
}

TestSuite(sqlite_queue, .init = set_up, .fini = tear_down);

static struct uuid id_of(uint8_t serial)
{
    return (struct uuid){{0, 0, 0, 0, 3, 0xe8, [15] = serial}};
}

static struct batch_row row_of(uint8_t serial)
{
    struct batch_row row = {.id = id_of(serial), .queued = true};
    for (size_t i = 0; i < ROW_FIELDS; i++)
        row.fields[i] = SLICE("x");
    row.fields[ROW_ROUTE] = SLICE("r");
    row.fields[ROW_STATE] = SLICE("queued");
    return row;
}

static void insert(const struct batch_row *row)
{
    cr_assert_eq(sqlite_db_insert(&db, row, &(struct sqlite_origin){.owner = me}), STATUS_OK);
}

static void insert_many(uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        struct batch_row row = row_of(i);
        insert(&row);
        db.wall_ms++;
    }
}

/* Takes and returns how many came. */
static size_t take(const struct uuid *owner, const char *route, uint32_t count)
{
    struct queue_want want = {.route = slice_str(route), .count = count, .lease_ms = LEASE_MS};
    taking.next_due_ms = UINT64_MAX;
    if (taking.bytes_max == 0)
        taking.bytes_max = 1u << 20;
    taking.bytes = 0;
    taking.takes_over = !outcomes_stuck;
    list_init(&taking.events);
    cr_assert_eq(sqlite_queue_take(&db, owner, &want, &taking), STATUS_OK);
    size_t taken = 0;
    for (struct list *link = taking.events.next; link != &taking.events; link = link->next)
        taken++;
    return taken;
}

static const struct queue_event *first_taken(void)
{
    return &container_of(taking.events.next, struct sqlite_taken, link)->event;
}

/* ---- taking ---- */

Test(sqlite_queue, the_oldest_due_come_first_and_only_once)
{
    insert_many(5);
    cr_assert_eq(take(&me, "r", 3), 3);
    cr_assert_eq(first_taken()->event_id.bytes[15], 0);
    cr_assert_eq(take(&other, "r", 3), 2);
    cr_assert_eq(first_taken()->event_id.bytes[15], 3);
    cr_assert_eq(take(&me, "r", 3), 0);
    cr_assert_eq(taking.next_due_ms, LEASE_MS, "when the other one may be dead");
    cr_assert_eq(take(&me, "elsewhere", 3), 0);
    cr_assert_eq(taking.next_due_ms, UINT64_MAX);
}

Test(sqlite_queue, what_is_taken_is_whole)
{
    struct batch_row row = row_of(1);
    row.fields[ROW_METHOD] = SLICE("PUT");
    row.fields[ROW_TARGET] = SLICE("/t?\xff");
    row.fields[ROW_HEADERS] = SLICE("A: b\r\n");
    row.fields[ROW_CLIENT] = SLICE("::1");
    row.fields[ROW_BODY] = SLICE("a\0b\xff");
    insert(&row);
    execute("UPDATE event SET attempts = 7, attempts_before = 5, last_replayed_at = 999999");
    cr_assert_eq(take(&me, "r", 9), 1);
    const struct queue_event *event = first_taken();
    cr_assert(uuid_eq(&event->event_id, &row.id));
    cr_assert(slice_eq(event->route, SLICE("r")));
    cr_assert(slice_eq(event->method, SLICE("PUT")));
    cr_assert(slice_eq(event->target, SLICE("/t?\xff")));
    cr_assert(slice_eq(event->headers, SLICE("A: b\r\n")));
    cr_assert(slice_eq(event->client, SLICE("::1")));
    cr_assert(slice_eq(event->body, SLICE("a\0b\xff")));
    cr_assert_eq(event->received_at_ms, 1000);
    cr_assert_eq(event->waits_since_ms, 999999);
    cr_assert_eq(event->attempts, 7);
    cr_assert_eq(event->attempts_before, 5);
}

Test(sqlite_queue, a_row_that_came_leased_is_due_when_that_ends)
{
    struct batch_row row = row_of(1);
    row.lease_ms = 300;
    insert(&row);
    cr_assert_eq(take(&other, "r", 1), 0);
    cr_assert_eq(taking.next_due_ms, 300);
    db.wall_ms += 299;
    cr_assert_eq(take(&other, "r", 1), 0);
    db.wall_ms += 1;
    cr_assert_eq(take(&other, "r", 1), 1);
}

Test(sqlite_queue, an_ended_lease_is_kept_while_its_outcome_may_be_on_its_way)
{
    insert_many(2);
    cr_assert_eq(take(&me, "r", 1), 1);
    db.wall_ms += 2 * LEASE_MS;
    outcomes_stuck = true;
    cr_assert_eq(take(&other, "r", 9), 1, "only what was never leased");
    outcomes_stuck = false;
    cr_assert_eq(take(&other, "r", 9), 1);
}

Test(sqlite_queue, a_lease_that_is_nobodys_brings_no_outcome)
{
    struct batch_row row = row_of(1);
    row.lease_ms = LEASE_MS;
    row.ownerless = true;
    insert(&row);
    cr_assert_eq(take(&me, "r", 1), 0);
    db.wall_ms += LEASE_MS;
    outcomes_stuck = true;
    cr_assert_eq(take(&me, "r", 1), 1);
}

Test(sqlite_queue, bytes_bound_a_take_but_one_comes)
{
    char body[100] = {0};
    for (uint8_t i = 0; i < 4; i++) {
        struct batch_row row = row_of(i);
        row.fields[ROW_BODY] = slice_of(body, sizeof(body));
        insert(&row);
    }
    taking.bytes_max = 50;
    cr_assert_eq(take(&me, "r", 4), 1);
    cr_assert_eq(taking.next_due_ms, 0, "there is more right now");
    taking.bytes_max = 202;
    cr_assert_eq(take(&me, "r", 4), 2, "at the bound");
    taking.bytes_max = 201;
    cr_assert_eq(take(&me, "r", 4), 1, "what was left");
}

Test(sqlite_queue, a_doubtful_row_is_left_alone)
{
    struct batch_row row = row_of(1);
    struct sqlite_origin origin = {.owner = me, .doubtful = true};
    cr_assert_eq(sqlite_db_insert(&db, &row, &origin), STATUS_OK);
    cr_assert_eq(number("SELECT doubtful FROM event"), 1);
    cr_assert_eq(take(&me, "r", 1), 0);
    execute("UPDATE event SET doubtful = 0");
    cr_assert_eq(take(&me, "r", 1), 1);
}

Test(sqlite_queue, leases_found_at_the_opening_are_void)
{
    insert_many(2);
    struct batch_row delivered = row_of(9);
    delivered.queued = false;
    delivered.fields[ROW_STATE] = SLICE("delivered");
    insert(&delivered);
    cr_assert_eq(take(&me, "r", 1), 1);
    execute("UPDATE event SET next_attempt_at = 9e15 WHERE lease_until IS NULL AND state ="
            " 'queued'");
    sqlite_db_close(&db);
    open_file();
    cr_assert_eq(number("SELECT count(*) FROM event WHERE lease_until IS NOT NULL"), 0);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE lease_owner IS NOT NULL"), 0);
    db.wall_ms = (uint64_t)number("SELECT min(next_attempt_at) FROM event");
    cr_assert_eq(take(&other, "r", 9), 1, "one that waits for its retry goes on waiting");
    cr_assert_eq(number("SELECT attempts FROM event WHERE state = 'delivered'"), 1);
}

/* ---- finishing ---- */

static struct queue_finish finish_of(uint8_t serial, enum queue_result result)
{
    return (struct queue_finish){.event_id = id_of(serial),
                                 .result = result,
                                 .attempt = 1,
                                 .attempted = true,
                                 .at_ms = NOW_MS,
                                 .retry_in_ms = 700,
                                 .status = 503,
                                 .duration_ms = 12,
                                 .error = SLICE("answer 503"),
                                 .response = SLICE("no\0t")};
}

static void take_one(void)
{
    insert_many(1);
    cr_assert_eq(take(&me, "r", 1), 1);
}

Test(sqlite_queue, delivered)
{
    struct queue_finish finish = finish_of(0, QUEUE_DELIVERED);
    finish.status = 204;
    finish.error = finish.response = (struct slice){0};
    take_one();
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'delivered' AND attempts = 1"
                        " AND response_status = 204 AND duration_ms = 12 AND next_attempt_at IS"
                        " NULL AND lease_until IS NULL AND last_error IS NULL AND error_category"
                        " IS NULL"),
                 1);
    cr_assert_eq(number("SELECT count(*) FROM delivery WHERE attempt = 1 AND received_at = 1000"
                        " AND at = 1000000 AND status = 204 AND duration_ms = 12 AND error IS NULL"
                        " AND response IS NULL"),
                 1);
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK, "sent again");
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
}

Test(sqlite_queue, a_retry_waits_and_counts)
{
    struct queue_finish finish = finish_of(0, QUEUE_RETRY);
    take_one();
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 1 AND"
                        " lease_until IS NULL AND last_error = 'answer 503' AND error_category ="
                        " 'transient' AND next_attempt_at = 1000701"),
                 1);
    cr_assert_eq(number("SELECT count(*) FROM delivery WHERE error = 'answer 503' AND response ="
                        " x'6e6f0074'"),
                 1);
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK, "sent again");
    cr_assert_eq(take(&me, "r", 1), 0);
    cr_assert_eq(taking.next_due_ms, 700);
    db.wall_ms += 700;
    cr_assert_eq(take(&me, "r", 1), 1);
    cr_assert_eq(first_taken()->attempts, 1);
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK, "and again");
    cr_assert_eq(number("SELECT lease_until IS NOT NULL FROM event"), 1, "the new lease stands");
}

Test(sqlite_queue, dead_with_and_without_an_attempt)
{
    struct queue_finish tried = finish_of(0, QUEUE_DEAD), untried = finish_of(1, QUEUE_DEAD);
    tried.permanent = true;
    untried.attempted = false;
    insert_many(2);
    cr_assert_eq(take(&me, "r", 2), 2);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sqlite_queue_finish(&db, &me, &tried), STATUS_OK);
        cr_assert_eq(sqlite_queue_finish(&db, &me, &untried), STATUS_OK);
    }
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'dead' AND attempts = 1 AND"
                        " error_category = 'permanent' AND next_attempt_at IS NULL"),
                 1);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'dead' AND attempts = 0 AND"
                        " error_category = 'transient'"),
                 1);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
}

Test(sqlite_queue, returned_counts_nothing)
{
    struct queue_finish finish = finish_of(0, QUEUE_RETURNED);
    finish.attempted = false;
    take_one();
    execute("UPDATE event SET last_error = 'before'");
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK);
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK, "sent again");
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0 AND"
                        " lease_until IS NULL AND last_error = 'before' AND next_attempt_at ="
                        " 1000701"),
                 1);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 0);
}

Test(sqlite_queue, an_outcome_of_a_lost_lease_is_fenced)
{
    struct queue_finish finish = finish_of(0, QUEUE_DELIVERED), gone = finish_of(99, QUEUE_DEAD);
    take_one();
    cr_assert_eq(sqlite_queue_finish(&db, &other, &finish), STATUS_REFUSED);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0"), 1);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1, "but the attempt was made");
    finish.attempt = 2;
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_REFUSED, "of another attempt");
    cr_assert_eq(sqlite_queue_finish(&db, &me, &gone), STATUS_REFUSED);
    cr_assert_eq(number("SELECT count(*) FROM delivery WHERE event_id <> x'0000000003e8000000000000"
                        "00000000'"),
                 0, "nothing is noted of what is gone");
}

Test(sqlite_queue, an_ended_lease_nobody_took_still_counts)
{
    struct queue_finish finish = finish_of(0, QUEUE_DELIVERED);
    take_one();
    db.wall_ms += 2 * LEASE_MS;
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK);
}

Test(sqlite_queue, what_was_settled_otherwise_stays)
{
    struct queue_finish delivered = finish_of(0, QUEUE_DELIVERED), dead = finish_of(0, QUEUE_DEAD);
    take_one();
    cr_assert_eq(sqlite_queue_finish(&db, &me, &delivered), STATUS_OK);
    cr_assert_eq(sqlite_queue_finish(&db, &me, &dead), STATUS_REFUSED);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'delivered'"), 1);
}

/* ---- renewing ---- */

Test(sqlite_queue, renewed_or_lost)
{
    struct queue_lease lease = {.event_id = id_of(0), .lease_ms = 90000};
    struct queue_finish finish = finish_of(0, QUEUE_RETRY);
    take_one();
    cr_assert_eq(sqlite_queue_renew(&db, &me, &lease), STATUS_OK);
    cr_assert_not(lease.lost);
    db.wall_ms += 89999;
    cr_assert_eq(take(&other, "r", 1), 0);
    cr_assert_eq(sqlite_queue_renew(&db, &other, &lease), STATUS_OK);
    cr_assert(lease.lost);
    cr_assert_eq(sqlite_queue_finish(&db, &me, &finish), STATUS_OK);
    cr_assert_eq(sqlite_queue_renew(&db, &me, &lease), STATUS_OK);
    cr_assert(lease.lost, "it was given up with the outcome");
}
