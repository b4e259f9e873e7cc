/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The claim's arrows: first, duplicate, in flight, unknown, and each answer that comes after the
 * exchange has left.
 */
#include "sim.h"
#include <criterion/criterion.h>

#define STORE_TIMEOUT_MS 300 /* beyond dedup.redis.timeout's default of 250 ms */

static struct sim_client *accept_one(struct sim *sim, const char *body)
{
    size_t call = sim->upstream.call_count;
    struct sim_client *client = sim_post(sim, body, "");
    sim_answer(sim, call, 200, "ok");
    cr_assert(client->answered);
    return client;
}

Test(claim, first_is_forwarded_settled_and_then_a_duplicate)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *first = accept_one(sim, "event");
    cr_assert_eq(sim_status(first), 200);
    cr_assert(sim_got(first, "Postern-Outcome: accepted"));
    cr_assert(sim_got(first, "\r\n\r\nok"));
    struct sim_client *second = sim_post(sim, "event", "");
    cr_assert(second->answered);
    cr_assert(sim_got(second, "Postern-Outcome: duplicate"));
    char id[UUID_TEXT_LEN + 1] = {0};
    uuid_format(&sim->journal.rows[0].event_id, id);
    cr_assert(sim_got(first, id));
    cr_assert(sim_got(second, id), "a duplicate names the first event");
    cr_assert_eq(sim->upstream.call_count, 1);
    cr_assert_eq(sim->journal.duplicate_count, 1);
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 1);
    cr_assert_eq(sim_ended(sim, OUTCOME_DUPLICATE), 1);
    sim_client_free(first);
    sim_client_free(second);
    sim_close(sim);
}

Test(claim, the_window_ends_exactly)
{
    struct sim *sim = sim_open("    window: 60s\n", "");
    struct sim_client *first = accept_one(sim, "event");
    sim_pass(sim, 59900);
    struct sim_client *inside = sim_post(sim, "event", "");
    cr_assert(sim_got(inside, "duplicate"));
    sim_pass(sim, 200);
    struct sim_client *after = accept_one(sim, "event");
    cr_assert_eq(sim->upstream.call_count, 2);
    sim_client_free(first);
    sim_client_free(inside);
    sim_client_free(after);
    sim_close(sim);
}

Test(claim, store_down_passes_and_says_so)
{
    struct sim *sim = sim_open("    on_store_error: pass\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_DOWN;
    struct sim_client *client = accept_one(sim, "event");
    cr_assert(sim_got(client, "Postern-Outcome: bypassed"));
    cr_assert_eq(sim_ended(sim, OUTCOME_BYPASSED_STORE), 1);
    cr_assert_eq(sim->dedup.calls[SIM_SETTLE], 1,
                 "what was accepted is settled if the store is back");
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *retry = sim_post(sim, "event", "");
    cr_assert(sim_got(retry, "duplicate"));
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
}

Test(claim, store_down_rejects)
{
    struct sim *sim = sim_open("    on_store_error: reject\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_DOWN;
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 503);
    cr_assert(sim_got(client, "Retry-After: "));
    cr_assert_eq(sim->upstream.call_count, 0);
    cr_assert_eq(sim_ended(sim, OUTCOME_UNKNOWN_STORE), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(claim, granted_after_a_rejection_is_given_back)
{
    struct sim *sim = sim_open("    on_store_error: reject\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert(!client->answered);
    sim_pass(sim, STORE_TIMEOUT_MS);
    cr_assert_eq(sim_status(client), 503);
    cr_assert_eq(sim->gateway.exchanges, 1, "the answer is still owed");
    sim_dedup_flush(sim);
    cr_assert_eq(sim_tally(sim, TALLY_CLAIM_LATE), 1);
    cr_assert_eq(sim->dedup.calls[SIM_RELEASE], 1);
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *retry = accept_one(sim, "event");
    cr_assert(sim_got(retry, "accepted"), "the retry is served at once");
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
}

Test(claim, a_slow_release_of_a_late_claim_is_waited_for)
{
    struct sim *sim = sim_open("    on_store_error: reject\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    sim->dedup.mode[SIM_RELEASE] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, STORE_TIMEOUT_MS);
    sim_dedup_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 1, "the release's answer is owed as well");
    sim_dedup_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    sim_client_free(client);
    sim_close(sim);
}

Test(claim, granted_late_to_an_event_that_passed_is_kept_and_settled)
{
    struct sim *sim = sim_open("    on_store_error: pass\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, STORE_TIMEOUT_MS);
    cr_assert_eq(sim->upstream.call_count, 1, "it passed");
    sim_dedup_flush(sim);
    cr_assert_eq(sim->dedup.calls[SIM_RELEASE], 0);
    sim_answer(sim, 0, 200, "ok");
    cr_assert(sim_got(client, "bypassed"));
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *retry = sim_post(sim, "event", "");
    cr_assert(sim_got(retry, "duplicate"));
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
}

Test(claim, late_to_an_event_that_passed_and_failed_is_released)
{
    struct sim *sim = sim_open("    on_store_error: pass\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, STORE_TIMEOUT_MS);
    sim_dedup_flush(sim);
    sim_answer(sim, 0, 500, "no");
    cr_assert_eq(sim_status(client), 500);
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *retry = sim_post(sim, "event", "");
    cr_assert_eq(sim->upstream.call_count, 2, "not a duplicate: the first failed");
    sim_answer(sim, 1, 200, "ok");
    cr_assert(sim_got(retry, "accepted"));
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
}

Test(claim, client_gone_while_claiming_gives_the_claim_back)
{
    struct sim *sim = sim_open("", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_leave(client);
    sim_dedup_flush(sim);
    cr_assert_eq(sim->upstream.call_count, 0);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_CLIENT_GONE), 1);
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *retry = accept_one(sim, "event");
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
}

Test(claim, a_late_duplicate_changes_nothing)
{
    struct sim *sim = sim_open("    on_store_error: reject\n", "");
    struct sim_client *first = accept_one(sim, "event");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    struct sim_client *second = sim_post(sim, "event", "");
    sim_pass(sim, STORE_TIMEOUT_MS);
    sim_dedup_flush(sim);
    cr_assert_eq(sim->dedup.calls[SIM_RELEASE], 0);
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *third = sim_post(sim, "event", "");
    cr_assert(sim_got(third, "duplicate"));
    sim_client_free(first);
    sim_client_free(second);
    sim_client_free(third);
    sim_close(sim);
}

/* ---- copies of an event in flight ---- */

Test(in_flight, conflict_is_409)
{
    struct sim *sim = sim_open("    in_flight: conflict\n", "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copy = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(copy), 409);
    cr_assert(sim_got(copy, "Postern-Outcome: in-flight"));
    cr_assert(sim_got(copy, "Retry-After: 1"));
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* The inbox of woken waiters runs as a deferred hook of the manual loop. */
Test(in_flight, waits_for_the_outcome_and_is_a_duplicate)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copies[20];
    for (size_t i = 0; i < 20; i++)
        copies[i] = sim_post(sim, "event", "");
    cr_assert_eq(sim_tally(sim, TALLY_PARKED), 20);
    sim_answer(sim, 0, 200, "ok");
    sim_turn(sim);
    for (size_t i = 0; i < 20; i++) {
        cr_assert(sim_got(copies[i], "duplicate"), "copy %zu", i);
        sim_client_free(copies[i]);
    }
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_client_free(first);
    sim_close(sim);
}

Test(in_flight, takes_over_a_released_claim_one_at_a_time)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *second = sim_post(sim, "event", "");
    struct sim_client *third = sim_post(sim, "event", "");
    sim_answer(sim, 0, 500, "no");
    sim_turn(sim);
    cr_assert_eq(sim_status(first), 500);
    cr_assert_eq(sim->upstream.call_count, 2, "one of the copies took over");
    sim_answer(sim, 1, 200, "ok");
    sim_turn(sim);
    cr_assert(sim_got(second, "accepted"));
    cr_assert(sim_got(third, "duplicate"));
    sim_client_free(first);
    sim_client_free(second);
    sim_client_free(third);
    sim_close(sim);
}

Test(in_flight, the_budget_ends_in_409)
{
    struct sim *sim = sim_open("    in_flight_wait: 2s\n", "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copy = sim_post(sim, "event", "");
    sim_pass(sim, 1950);
    cr_assert(!copy->answered);
    sim_pass(sim, 100);
    cr_assert_eq(sim_status(copy), 409);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* Another node's outcome wakes nobody here: polling finds it. */
Test(in_flight, another_nodes_outcome_is_polled)
{
    struct sim *sim = sim_open("", "");
    struct dedup_op other = {.lease_ms = 10000, .window_ms = 60000};
    struct sim_client *probe = sim_post(sim, "event", "");
    other.key = probe->ex->key;
    sim_answer(sim, 0, 500, "no");
    sim_client_free(probe);
    other.token.bytes[0] = 7;
    key_table_claim(sim->dedup.table, &other, loop_now_ms(sim->loop));
    cr_assert_eq(other.verdict, VERDICT_FIRST);
    struct sim_client *copy = sim_post(sim, "event", "");
    cr_assert(!copy->answered);
    other.done.event_id = other.token;
    key_table_settle(sim->dedup.table, &other, loop_now_ms(sim->loop));
    sim_pass(sim, 60);
    cr_assert(sim_got(copy, "duplicate"));
    sim_client_free(copy);
    sim_close(sim);
}

Test(in_flight, client_gone_while_parked)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copy = sim_post(sim, "event", "");
    sim_leave(copy);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_CLIENT_GONE), 1);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* ---- keys ---- */

Test(key, missing_pass_payload_reject)
{
    struct sim *pass = sim_open("    key: {header: X-Id}\n", "");
    struct sim_client *client = sim_post(pass, "event", "");
    sim_answer(pass, 0, 200, "ok");
    cr_assert(sim_got(client, "bypassed"));
    cr_assert_eq(pass->dedup.calls[SIM_CLAIM], 0);
    cr_assert(!pass->journal.rows[0].has_key);
    sim_client_free(client);
    sim_close(pass);

    struct sim *payload = sim_open("    key: {header: X-Id}\n    missing: payload\n", "");
    client = accept_one(payload, "event");
    cr_assert(sim_got(client, "accepted"));
    sim_client_free(client);
    sim_close(payload);

    struct sim *reject = sim_open("    key: {header: X-Id}\n    missing: reject\n", "");
    client = sim_post(reject, "event", "");
    cr_assert_eq(sim_status(client), 400);
    cr_assert_eq(reject->upstream.call_count, 0);
    sim_client_free(client);
    sim_close(reject);
}

Test(key, an_empty_body_has_no_payload_key)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *one = sim_post(sim, "", "");
    struct sim_client *two = sim_post(sim, "", "");
    cr_assert_eq(sim->upstream.call_count, 2);
    sim_answer(sim, 0, 200, "");
    sim_answer(sim, 1, 200, "");
    cr_assert(sim_got(one, "bypassed") && sim_got(two, "bypassed"));
    sim_client_free(one);
    sim_client_free(two);
    sim_close(sim);
}

Test(observe, passes_everything_and_marks)
{
    struct sim *sim = sim_open("    mode: observe\n", "");
    struct sim_client *first = accept_one(sim, "event");
    struct sim_client *second = accept_one(sim, "event");
    cr_assert(sim_got(first, "Postern-Outcome: accepted"));
    cr_assert(sim_got(second, "Postern-Outcome: duplicate"));
    cr_assert(sim_got(second, "\r\n\r\nok"), "the upstream's answer, not ours");
    cr_assert_not_null(strstr(sim->upstream.heads[1], "Postern-Outcome: duplicate"));
    cr_assert_eq(sim->upstream.call_count, 2);
    cr_assert_eq(sim->journal.row_count, 1);
    cr_assert_eq(sim->journal.duplicate_count, 1);
    sim->dedup.mode[SIM_CLAIM] = SIM_DOWN;
    struct sim_client *third = accept_one(sim, "event");
    cr_assert(sim_got(third, "bypassed"));
    sim_client_free(first);
    sim_client_free(second);
    sim_client_free(third);
    sim_close(sim);
}

Test(observe, refuses_nothing_that_its_settings_would)
{
    struct sim *sim = sim_open(
        "    mode: observe\n    key: {header: X-Id}\n    missing: reject\n    ack: durable\n", "");
    sim->journal.base.stats.up = false;
    sim->journal.mode = SIM_DOWN;
    struct sim_client *client = accept_one(sim, "event");
    cr_assert_eq(sim_status(client), 200);
    cr_assert(sim_got(client, "Postern-Outcome: bypassed"));
    cr_assert_eq(sim_tally(sim, TALLY_RECORD_UNCONFIRMED), 1);
    sim_client_free(client);
    sim_close(sim);
}
