/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work's arrows: forward, record, settle, release, with everything late, lost or refused.
 */
#include "sim.h"
#include <criterion/criterion.h>

#define DURABLE "    ack: durable\n"

static void assert_retry_is_served(struct sim *sim)
{
    size_t call = sim->upstream.call_count;
    struct sim_client *retry = sim_post(sim, "event", "");
    cr_assert_eq(sim->upstream.call_count, call + 1,
                 "a failed first attempt never makes the retry a duplicate");
    sim_answer(sim, call, 200, "ok");
    cr_assert(sim_got(retry, "accepted"));
    sim_client_free(retry);
}

static void assert_retry_is_duplicate(struct sim *sim)
{
    struct sim_client *retry = sim_post(sim, "event", "");
    cr_assert(sim_got(retry, "duplicate"));
    sim_client_free(retry);
}

Test(forward, a_failure_is_relayed_and_released)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 422, "wrong");
    cr_assert_eq(sim_status(client), 422);
    cr_assert(sim_got(client, "Postern-Outcome: failed"));
    cr_assert(sim_got(client, "\r\n\r\nwrong"));
    cr_assert_eq(sim->journal.row_count, 0);
    assert_retry_is_served(sim);
    sim_client_free(client);
    sim_close(sim);
}

struct end_case {
    enum call_end end;
    unsigned status;
    enum outcome outcome;
};

Test(forward, each_way_a_call_fails)
{
    const struct end_case cases[] = {
        {CALL_CONNECT_FAILED, 502, OUTCOME_FAILED_CONNECT},
        {CALL_BROKEN, 502, OUTCOME_FAILED_BROKEN},
        {CALL_BAD_RESPONSE, 502, OUTCOME_FAILED_BAD_RESPONSE},
        {CALL_TIMED_OUT, 504, OUTCOME_FAILED_TIMEOUT},
        {CALL_BUSY, 503, OUTCOME_REJECTED_BUSY},
        {CALL_LAPSED, 503, OUTCOME_REJECTED_BUSY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim *sim = sim_open("", "");
        struct sim_client *client = sim_post(sim, "event", "");
        sim_end(sim, 0, cases[i].end);
        cr_assert_eq(sim_status(client), cases[i].status, "case %zu", i);
        cr_assert(sim_got(client, "application/problem+json"));
        cr_assert_eq(sim_ended(sim, cases[i].outcome), 1);
        assert_retry_is_served(sim);
        sim_client_free(client);
        sim_close(sim);
    }
}

Test(forward, busy_at_once)
{
    struct sim *sim = sim_open("", "");
    sim->upstream.busy = true;
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 503);
    sim->upstream.busy = false;
    assert_retry_is_served(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(forward, hold_keeps_the_claim_of_a_timeout_until_its_lease_ends)
{
    struct sim *sim =
        sim_open("    on_timeout: hold\n    in_flight: conflict\n    lease: 30s\n", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_end(sim, 0, CALL_TIMED_OUT);
    cr_assert_eq(sim_status(client), 504);
    cr_assert_eq(sim->dedup.calls[SIM_RELEASE], 0);
    struct sim_client *soon = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(soon), 409);
    sim_pass(sim, 30000);
    assert_retry_is_served(sim);
    sim_client_free(client);
    sim_client_free(soon);
    sim_close(sim);
}

Test(forward, success_is_what_the_route_says)
{
    struct sim *sim = sim_open("    success: [200, 204, 4xx]\n", "");
    struct sim_client *a = sim_post(sim, "a", "");
    sim_answer(sim, 0, 404, "");
    cr_assert(sim_got(a, "accepted"));
    struct sim_client *b = sim_post(sim, "b", "");
    sim_answer(sim, 1, 202, "");
    cr_assert(sim_got(b, "failed"));
    sim_client_free(a);
    sim_client_free(b);
    sim_close(sim);
}

Test(forward, the_client_leaves_and_the_work_goes_on)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_leave(client);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 1);
    assert_retry_is_duplicate(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(forward, a_long_call_renews_its_lease)
{
    struct sim *sim = sim_open("    lease: 6s\n    in_flight: conflict\n", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, 20000);
    cr_assert_geq(sim->dedup.calls[SIM_RENEW], 9);
    struct sim_client *copy = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(copy), 409, "still ours after three leases");
    sim_answer(sim, 0, 200, "ok");
    cr_assert(sim_got(client, "accepted"));
    unsigned renewals = sim->dedup.calls[SIM_RENEW];
    sim_pass(sim, 20000);
    cr_assert_eq(sim->dedup.calls[SIM_RENEW], renewals, "nothing renews what is settled");
    sim_client_free(client);
    sim_client_free(copy);
    sim_close(sim);
}

/* A gateway that stood still must not begin what may be another's by now. */
Test(forward, begins_within_its_lease_only_and_renewals_move_the_end)
{
    struct sim *sim = sim_open("    lease: 6s\n", "");
    uint64_t asked_ms = loop_now_ms(sim->loop);
    struct sim_client *client = sim_post(sim, "event", "");
    const struct upstream_call *call = sim->upstream.calls[0];
    cr_assert_eq(call->not_after_ms, asked_ms + 6000);
    sim_pass(sim, 2000);
    cr_assert_eq(call->not_after_ms, asked_ms + 8000);
    sim->dedup.mode[SIM_RENEW] = SIM_LATER;
    sim_pass(sim, 2000);
    cr_assert_eq(call->not_after_ms, asked_ms + 8000, "nothing is sure before the answer");
    sim_pass(sim, 1000);
    sim_dedup_flush(sim);
    cr_assert_eq(call->not_after_ms, asked_ms + 10000, "counted from the question");
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

Test(forward, a_lost_lease_is_not_moved)
{
    struct sim *sim = sim_open("    lease: 6s\n", "");
    uint64_t asked_ms = loop_now_ms(sim->loop);
    struct sim_client *client = sim_post(sim, "event", "");
    struct dedup_op other = {.key = client->ex->key, .token = {{9}}, .lease_ms = 60000};
    struct dedup_op ours = {.key = client->ex->key, .token = client->ex->event_id};
    key_table_release(sim->dedup.table, &ours, loop_now_ms(sim->loop));
    key_table_claim(sim->dedup.table, &other, loop_now_ms(sim->loop));
    sim_pass(sim, 3000);
    cr_assert_eq(sim_tally(sim, TALLY_LEASE_LOST), 1,
                 "a store that answers at once is heard as well");
    cr_assert_eq(sim->upstream.calls[0]->not_after_ms, asked_ms + 6000);
    sim_end(sim, 0, CALL_LAPSED);
    cr_assert_eq(sim_status(client), 503);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_BUSY), 1);
    struct dedup_op check = {.key = other.key, .token = other.token, .lease_ms = 1};
    key_table_renew(sim->dedup.table, &check, loop_now_ms(sim->loop));
    cr_assert_eq(check.hold, HOLD_KEPT, "the other owner still has it");
    sim_client_free(client);
    sim_close(sim);
}

Test(forward, what_is_only_observed_begins_at_any_time)
{
    struct sim *sim = sim_open("    mode: observe\n", "");
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim->upstream.calls[0]->not_after_ms, 0);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

Test(forward, a_renewal_unanswered_is_not_doubled_and_may_come_after_the_end)
{
    struct sim *sim = sim_open("    lease: 6s\n", "");
    sim->dedup.mode[SIM_RENEW] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, 9000);
    cr_assert_eq(sim->dedup.calls[SIM_RENEW], 1);
    sim_answer(sim, 0, 200, "ok");
    sim_pass(sim, 300); /* the settle waits behind it, and is not waited for */
    cr_assert(client->answered);
    cr_assert_eq(sim->gateway.exchanges, 1);
    sim_dedup_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    sim_client_free(client);
    sim_close(sim);
}

Test(forward, a_lost_lease_is_counted_once_and_the_new_owner_kept)
{
    struct sim *sim = sim_open("    lease: 6s\n", "");
    struct sim_client *client = sim_post(sim, "event", "");
    struct dedup_op other = {.key = client->ex->key, .token = {{9}}, .lease_ms = 60000};
    struct dedup_op ours = {.key = client->ex->key, .token = client->ex->event_id};
    key_table_release(sim->dedup.table, &ours, loop_now_ms(sim->loop));
    key_table_claim(sim->dedup.table, &other, loop_now_ms(sim->loop));
    sim_pass(sim, 5000);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_tally(sim, TALLY_LEASE_LOST), 1);
    struct dedup_op check = {.key = other.key, .token = other.token, .lease_ms = 1};
    key_table_renew(sim->dedup.table, &check, loop_now_ms(sim->loop));
    cr_assert_eq(check.hold, HOLD_KEPT, "the other owner still has it");
    sim_client_free(client);
    sim_close(sim);
}

/* ---- settle and release ---- */

Test(settle, unanswered_in_time_is_answered_to_the_client_all_the_same)
{
    struct sim *sim = sim_open("", "");
    sim->dedup.mode[SIM_SETTLE] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert(!client->answered, "the answer waits for the settle");
    sim_pass(sim, 300);
    cr_assert(sim_got(client, "accepted"));
    cr_assert_eq(sim_tally(sim, TALLY_SETTLE_UNKNOWN), 1);
    sim_dedup_flush(sim);
    assert_retry_is_duplicate(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(settle, the_store_lost_meanwhile)
{
    struct sim *sim = sim_open("", "");
    sim->dedup.mode[SIM_SETTLE] = SIM_DOWN;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert(sim_got(client, "accepted"));
    cr_assert_eq(sim_tally(sim, TALLY_SETTLE_UNKNOWN), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(release, unanswered_in_time)
{
    struct sim *sim = sim_open("", "");
    sim->dedup.mode[SIM_RELEASE] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 500, "no");
    cr_assert(!client->answered, "a retry that comes at once must find the key free");
    sim_pass(sim, 300);
    cr_assert_eq(sim_status(client), 500);
    cr_assert_eq(sim_tally(sim, TALLY_RELEASE_UNKNOWN), 1);
    sim_dedup_flush(sim);
    sim->dedup.mode[SIM_RELEASE] = SIM_NOW;
    assert_retry_is_served(sim);
    sim_client_free(client);
    sim_close(sim);
}

/* ---- record ---- */

Test(record, async_is_buffered_before_the_settle)
{
    struct sim *sim = sim_open("", "dedup: {redis: {url: \"redis://127.0.0.1:1\"}}\n"
                                   "journal: {postgres: {url: \"postgresql://127.0.0.1/x\"}}\n");
    sim->dedup.mode[SIM_SETTLE] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "Authorization: Bearer hush\r\nX-A: b\r\n");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim->journal.row_count, 1);
    cr_assert_eq(sim->journal.rows[0].level, JOURNAL_BUFFERED);
    cr_assert_str_eq(sim->journal.rows[0].outcome, "accepted");
    cr_assert_null(strstr(sim->journal.rows[0].headers, "hush"));
    cr_assert_not_null(strstr(sim->journal.rows[0].headers, "X-A: b\r\n"));
    sim_dedup_flush(sim);
    cr_assert(client->answered);
    sim_client_free(client);
    sim_close(sim);
}

Test(record, embedded_async_waits_until_a_kill_would_not_lose_it)
{
    struct sim *sim = sim_open("    ack: async\n", "");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim->journal.rows[0].level, JOURNAL_WRITTEN);
    cr_assert_eq(sim->dedup.calls[SIM_SETTLE], 0, "truth before index");
    sim_journal_flush(sim);
    cr_assert(client->answered);
    sim_client_free(client);
    sim_close(sim);
}

Test(record, durable_answers_after_the_commit)
{
    struct sim *sim = sim_open(DURABLE, "");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim->journal.rows[0].level, JOURNAL_DURABLE);
    cr_assert_eq(sim->dedup.calls[SIM_SETTLE], 0);
    sim_journal_flush(sim);
    cr_assert(sim_got(client, "accepted"));
    sim_client_free(client);
    sim_close(sim);
}

/* The upstream has it, so the claim is settled: a release would deliver it twice. The sender is
 * told that the record failed. */
Test(record, durable_that_fails_is_503_and_settled)
{
    struct sim *sim = sim_open(DURABLE, "");
    sim->journal.answer = STATUS_UNAVAILABLE;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_status(client), 503);
    cr_assert_eq(sim_ended(sim, OUTCOME_FAILED_JOURNAL), 1);
    cr_assert_eq(sim_tally(sim, TALLY_RECORD_UNCONFIRMED), 1);
    sim->journal.answer = STATUS_OK;
    assert_retry_is_duplicate(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(record, durable_unanswered_in_time_is_503_and_its_late_answer_ignored)
{
    struct sim *sim = sim_open(DURABLE, "");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    sim_pass(sim, 10100);
    cr_assert_eq(sim_status(client), 503);
    cr_assert_eq(sim->gateway.exchanges, 1);
    sim_journal_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    sim_client_free(client);
    sim_close(sim);
}

Test(record, durable_with_the_journal_down_is_refused_before_the_upstream)
{
    struct sim *sim = sim_open(DURABLE, "");
    sim->journal.base.stats.up = false;
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 503);
    cr_assert(sim_got(client, "Retry-After: "));
    cr_assert_eq(sim->upstream.call_count, 0);
    cr_assert_eq(sim->dedup.calls[SIM_CLAIM], 0);
    sim->journal.base.stats.up = true;
    assert_retry_is_served(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(record, async_that_is_dropped_is_counted_and_the_event_accepted)
{
    struct sim *sim = sim_open("", "");
    sim->journal.answer = STATUS_FULL;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert(sim_got(client, "accepted"));
    cr_assert_eq(sim_tally(sim, TALLY_RECORD_UNCONFIRMED), 1);
    sim_client_free(client);
    sim_close(sim);
}

/* ---- what the upstream sees ---- */

Test(head, is_rebuilt)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client =
        sim_post(sim, "event",
                 "X-Keep: yes\r\nConnection: close, X-Drop\r\nX-Drop: no\r\nKeep-Alive: 5\r\n"
                 "Postern-Event-Id: forged\r\nX-Forwarded-For: 203.0.113.1\r\nTE: trailers\r\n");
    const char *head = sim->upstream.heads[0];
    cr_assert_not_null(strstr(head, "POST /hook HTTP/1.1\r\n"));
    cr_assert_not_null(strstr(head, "X-Keep: yes\r\n"));
    cr_assert_null(strstr(head, "X-Drop"));
    cr_assert_null(strstr(head, "Keep-Alive"));
    cr_assert_null(strstr(head, "trailers"));
    cr_assert_null(strstr(head, "forged"));
    cr_assert_not_null(strstr(head, "Postern-Event-Id: "));
    cr_assert_not_null(strstr(head, "Postern-Attempt: 1\r\n"));
    cr_assert_not_null(strstr(head, "X-Forwarded-For: 192.0.2.7\r\n"));
    cr_assert_not_null(strstr(head, "X-Forwarded-Host: sim\r\n"));
    cr_assert_not_null(strstr(head, "X-Forwarded-Proto: http\r\n"));
    cr_assert_not_null(strstr(head, "traceparent: 00-"));
    cr_assert_not_null(strstr(head, "Content-Length: 5\r\n"));
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

Test(head, a_traceparent_is_passed_on)
{
    struct sim *sim = sim_open("", "");
    const char *trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    struct sim_client *client = sim_post(sim, "event", trace);
    const char *found = strstr(sim->upstream.heads[0], trace);
    cr_assert_not_null(found);
    cr_assert_null(strstr(found + 1, "traceparent"));
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}
