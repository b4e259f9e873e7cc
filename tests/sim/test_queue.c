/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue routes: what a 202 promises, and the life of a queued event from its first attempt to its
 * last, over whole retry schedules (days in milliseconds).
 */
#include "queue_moves.h"

#define HOUR_MS UINT64_C(3600000)

/* ---- accepting ---- */

Test(queue, accepted_when_durable_and_delivered_from_memory)
{
    struct sim *sim = open_queue("");
    sim_turn(sim);
    unsigned takes = sim->queue.takes;
    accept(sim, "event");
    cr_assert_eq(sim->journal.rows[0].level, JOURNAL_DURABLE);
    cr_assert(sim->journal.rows[0].queued);
    cr_assert_eq(sim->upstream.call_count, 1, "the first attempt needs no look into the journal");
    cr_assert_eq(sim->queue.takes, takes);
    cr_assert(strstr(sim->upstream.heads[0], "POST /hook HTTP/1.1\r\n"));
    cr_assert(strstr(sim->upstream.heads[0], "Postern-Attempt: 1\r\n"));
    sim_answer(sim, 0, 204, "");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_eq(event(sim, 0)->attempt_rows, 1);
    cr_assert_eq(sim->gateway.courier->held_count, 0);
    cr_assert_eq(status_of(sim, "event"), 200, "a repeat is a duplicate");
    cr_assert_eq(sim->queue.count, 1);
    sim_close(sim);
}

Test(queue, a_duplicate_is_known_before_the_delivery)
{
    struct sim *sim = open_queue("");
    accept(sim, "event");
    struct sim_client *second = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(second), 200);
    cr_assert(sim_got(second, "\"outcome\":\"duplicate\""));
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(second);
    sim_close(sim);
}

/* Posts an event and its copy; both get that status, with a body or without. */
static void check_answers(const char *lines, unsigned status, bool has_body, const char *copy_says)
{
    struct sim *sim = open_queue(lines);
    struct sim_client *first = sim_post(sim, "event", ""), *copy = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(first), status, "%s", first->sent);
    cr_assert_eq(sim_status(copy), status, "%s", copy->sent);
    cr_assert(sim_got(first, "Postern-Outcome: accepted\r\nPostern-Event-Id: "));
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(sim_got(first, "\"outcome\":\"accepted\""), has_body, "%s", first->sent);
    cr_assert_eq(sim_got(first, "Content-Length"), has_body, "%s", first->sent);
    cr_assert_eq(sim_got(first, "Content-Type"), has_body, "%s", first->sent);
    cr_assert_eq(sim_got(copy, copy_says), has_body, "%s", copy->sent);
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 1);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

Test(queue, answered_with_what_its_sender_takes)
{
    check_answers("    accept: 200\n", 200, true, "\"outcome\":\"duplicate\"");
    check_answers("    accept: 299\n", 299, true, "\"outcome\":\"duplicate\"");
    check_answers("    accept: 204\n", 204, false, "\"outcome\"");
    check_answers("    accept: 206\n", 206, true, "\"outcome\":\"duplicate\"");
    check_answers("    accept: 201\n    duplicate: replay\n", 201, true,
                  "\"outcome\":\"accepted\"");
}

Test(queue, reset_content_has_a_length_and_no_body)
{
    struct sim *sim = open_queue("    accept: 205\n");
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 205);
    cr_assert(sim_got(client, "Content-Length: 0\r\n"), "RFC 9110 15.3.6");
    cr_assert(!sim_got(client, "Content-Type"));
    cr_assert_str_eq(client->sent + client->sent_bytes - 4, "\r\n\r\n");
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

Test(queue, not_durable_is_not_accepted)
{
    struct sim *sim = open_queue("");
    sim->journal.mode = SIM_DOWN;
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 503);
    cr_assert(sim_got(client, "Retry-After: "));
    cr_assert(sim_got(client, "Postern-Outcome: rejected"));
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_QUEUE), 1);
    cr_assert_eq(sim->upstream.call_count, 0);
    sim->journal.mode = SIM_NOW;
    accept(sim, "event"); /* the claim was released */
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

Test(queue, known_to_be_away_nothing_is_claimed)
{
    struct sim *sim = open_queue("");
    sim->journal.base.stats.up = false;
    cr_assert_eq(status_of(sim, "event"), 503);
    cr_assert_eq(sim->dedup.calls[SIM_CLAIM], 0);
    cr_assert_eq(sim->journal.row_count, 0);
    sim_close(sim);
}

Test(queue, the_answer_waits_for_the_commit)
{
    struct sim *sim = open_queue("");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_not(client->answered);
    cr_assert_eq(sim->upstream.call_count, 0);
    sim_journal_flush(sim);
    cr_assert_eq(sim_status(client), 202);
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

/* Told 503, and committed after all: its claim was kept meanwhile, so the retry is a duplicate and
 * the event is delivered once. */
Test(queue, a_late_commit_is_an_acceptance)
{
    struct sim *sim = open_queue("    lease: 11s\n");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, 12000);
    cr_assert_eq(sim_status(client), 503);
    cr_assert(sim_got(client, "Postern-Outcome: unknown"));
    sim_pass(sim, 30000); /* beyond the lease: it is renewed */
    struct sim_client *retry = sim_post(sim, "event", "");
    sim_pass(sim, 6000);
    cr_assert_eq(sim_status(retry), 409, "still in flight");
    sim_journal_flush(sim);
    sim->journal.mode = SIM_NOW;
    cr_assert_eq(status_of(sim, "event"), 200);
    cr_assert_eq(sim_tally(sim, TALLY_RECORD_LATE), 1);
    sim_skip(sim, 60000);
    cr_assert_eq(sim->upstream.call_count, 1, "delivered by way of the journal");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim->queue.count, 1);
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
}

Test(queue, a_late_refusal_gives_the_claim_back)
{
    struct sim *sim = open_queue("");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_pass(sim, 12000);
    cr_assert_eq(sim_status(client), 503);
    sim->journal.answer = STATUS_UNAVAILABLE;
    sim_journal_flush(sim);
    sim->journal.answer = STATUS_OK;
    sim->journal.mode = SIM_NOW;
    accept(sim, "event");
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

Test(queue, the_sender_may_leave)
{
    struct sim *sim = open_queue("");
    sim->journal.mode = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_leave(client);
    sim_journal_flush(sim);
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_answer(sim, 0, 200, "ok");
    sim->journal.mode = SIM_NOW;
    cr_assert_eq(status_of(sim, "event"), 200);
    sim_client_free(client);
    sim_close(sim);
}

Test(queue, without_a_key_it_is_queued_all_the_same)
{
    struct sim *sim = open_queue("    key: {header: X-Key}\n");
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 202);
    cr_assert(sim_got(client, "Postern-Outcome: bypassed"));
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    sim_client_free(client);
    sim_close(sim);
}

Test(queue, credentials_are_delivered)
{
    struct sim *sim = open_queue("");
    struct sim_client *client =
        sim_post(sim, "event", "Authorization: Bearer abc\r\nX-Literal: ***\r\n");
    cr_assert(strstr(sim->upstream.heads[0], "Authorization: Bearer abc\r\n"));
    cr_assert(strstr(sim->upstream.heads[0], "X-Literal: ***\r\n"));
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
}

/* ---- retrying ---- */

/* Ends call `i`, after which the next attempt is to come; returns the wait that was written. */
static uint64_t fail_attempt(struct sim *sim, size_t i, uint16_t status)
{
    cr_assert_eq(sim->upstream.call_count, i + 1, "attempt %zu was not made", i + 1);
    char number[64];
    (void)snprintf(number, sizeof number, "Postern-Attempt: %zu\r\n", i + 1);
    cr_assert(strstr(sim->upstream.heads[i], number));
    if (status > 0)
        sim_answer(sim, i, status, "no");
    else
        sim_end(sim, i, CALL_CONNECT_FAILED);
    return event(sim, 0)->waited_ms;
}

Test(queue, a_whole_schedule_and_then_dead)
{
    struct sim *sim = open_queue("    retry: {max_attempts: 12, base: 5s, cap: 1h, max_age: 6d}\n");
    sim->config->lanes[0].breaker.failures =
        0; /* ten failures would open it, and a wait can be short */
    accept(sim, "event");
    for (size_t i = 0; i < 11; i++) {
        uint64_t cap_ms = 5000u << i < HOUR_MS ? 5000u << i : HOUR_MS;
        uint64_t wait_ms = fail_attempt(sim, i, i % 2 ? 503 : 0);
        cr_assert_leq(wait_ms, cap_ms);
        cr_assert_eq(event(sim, 0)->state, SIM_QUEUED);
        cr_assert_eq(sim->gateway.courier->held_count, 0, "retries wait in the journal");
        sim_skip(sim, wait_ms > 20 ? wait_ms - 20 : 0);
        sim_skip(sim, 1500); /* at most one poll late */
    }
    (void)fail_attempt(sim, 11, 500);
    cr_assert_eq(event(sim, 0)->state, SIM_DEAD);
    cr_assert_str_eq(event(sim, 0)->error, "max_attempts: status 500");
    cr_assert_not(event(sim, 0)->permanent);
    cr_assert_eq(event(sim, 0)->attempt_rows, 12);
    sim_skip(sim, 24 * HOUR_MS);
    cr_assert_eq(sim->upstream.call_count, 12);
    cr_assert_eq(status_of(sim, "later"), 202, "others go on");
    sim_answer(sim, 12, 200, "");
    sim_close(sim);
}

Test(queue, max_age_ends_it)
{
    struct sim *sim =
        open_queue("    retry: {max_attempts: 1000, base: 1h, cap: 1h, max_age: 5h}\n");
    accept(sim, "event");
    for (size_t i = 0; event(sim, 0)->state == SIM_QUEUED; i++) {
        cr_assert_lt(i, 100);
        uint64_t wait_ms = fail_attempt(sim, i, 503);
        sim_skip(sim, wait_ms + 1500);
    }
    cr_assert_eq(event(sim, 0)->state, SIM_DEAD);
    cr_assert(strstr(event(sim, 0)->error, "max_age"));
    sim_close(sim);
}

Test(queue, permanent_answers_end_it_at_once)
{
    static const uint16_t permanent[] = {400, 401, 404, 410, 422};
    struct sim *sim = open_queue("");
    for (size_t i = 0; i < 5; i++) {
        char body[16];
        (void)snprintf(body, sizeof body, "event %zu", i);
        accept(sim, body);
        sim_answer(sim, i, permanent[i], "no");
        cr_assert_eq(event(sim, i)->state, SIM_DEAD, "%u", permanent[i]);
        cr_assert(event(sim, i)->permanent);
    }
    sim_close(sim);
}

Test(queue, transient_answers_are_tried_again)
{
    static const uint16_t transient[] = {408, 425, 429, 500, 502, 503, 504, 302};
    struct sim *sim = open_queue("");
    for (size_t i = 0; i < 8; i++) {
        char body[16];
        (void)snprintf(body, sizeof body, "event %zu", i);
        size_t call = sim->upstream.call_count;
        accept(sim, body);
        sim_answer(sim, call, transient[i], "no");
        cr_assert_eq(event(sim, i)->state, SIM_QUEUED, "%u", transient[i]);
        sim_skip(sim, 6500);
        cr_assert_eq(sim->upstream.call_count, call + 2);
        sim_answer(sim, call + 1, 200, "");
        cr_assert_eq(event(sim, i)->state, SIM_DELIVERED);
        cr_assert_eq(event(sim, i)->view.attempts, 2);
    }
    sim_close(sim);
}

/* ---- many ---- */

/* Answers every call under way with `status`; returns how many. */
static size_t answer_calls(struct sim *sim, uint16_t status)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->upstream.call_count; i++) {
        if (!sim->upstream.calls[i])
            continue;
        sim_answer(sim, i, status, "");
        count++;
    }
    return count;
}

Test(queue, memory_is_bounded_however_long_the_queue)
{
    struct sim *sim = open_queue("");
    const size_t events = 900;
    for (size_t i = 0; i < events; i++) {
        char body[32];
        (void)snprintf(body, sizeof body, "event %zu", i);
        accept(sim, body);
    }
    cr_assert_eq(sim->upstream.call_count, 256, "as many as the upstream's concurrency");
    cr_assert_leq(sim->gateway.courier->held_count, 512);
    for (unsigned round = 0; round < 100 && sim->upstream.call_count < events; round++) {
        (void)answer_calls(sim, 200);
        sim_skip(sim, 5000);
    }
    (void)answer_calls(sim, 200);
    cr_assert_eq(sim->upstream.call_count, events);
    for (size_t i = 0; i < events; i++)
        cr_assert_eq(event(sim, i)->state, SIM_DELIVERED);
    sim_close(sim);
}

Test(queue, an_open_breaker_stops_attempts_and_a_probe_closes_it)
{
    struct sim *sim = open_queue("    retry: {base: 10s, cap: 10s, max_attempts: 1000}\n");
    for (size_t i = 0; i < 10; i++) {
        char body[32];
        (void)snprintf(body, sizeof body, "event %zu", i);
        accept(sim, body);
    }
    cr_assert_eq(answer_calls(sim, 503), 10);
    cr_assert_eq(sim->gateway.courier->lanes[0].breaker.state, BREAKER_OPEN);
    accept(sim, "while it is open");
    cr_assert_eq(sim->upstream.call_count, 10);
    sim_skip(sim, 30000);
    cr_assert_eq(sim->upstream.call_count, 11, "one probe, whatever is due");
    cr_assert_eq(answer_calls(sim, 200), 1);
    cr_assert_eq(sim->gateway.courier->lanes[0].breaker.state, BREAKER_CLOSED);
    for (unsigned round = 0; round < 10; round++) {
        sim_skip(sim, 5000);
        (void)answer_calls(sim, 200);
    }
    for (size_t i = 0; i < 11; i++)
        cr_assert_eq(event(sim, i)->state, SIM_DELIVERED);
    sim_close(sim);
}

/* The pump has no slot for these; what waits is given back, what is under way ends. */
Test(queue, a_drain_gives_back_what_waits)
{
    struct sim *sim = open_queue("");
    for (size_t i = 0; i < 300; i++) {
        char body[32];
        (void)snprintf(body, sizeof body, "event %zu", i);
        accept(sim, body);
    }
    courier_drain(sim->gateway.courier);
    sim_turn(sim);
    cr_assert_eq(sim->gateway.courier->held_count, 256);
    cr_assert_eq(event(sim, 299)->due_ms, loop_now_ms(sim->loop), "due at once, for others");
    (void)answer_calls(sim, 200);
    cr_assert(courier_is_empty(sim->gateway.courier));
    sim_close(sim);
}

Test(queue, too_old_when_it_is_taken)
{
    struct sim *sim = open_queue("    retry: {max_age: 1h, base: 1s, cap: 1s}\n");
    accept(sim, "event");
    sim_end(sim, 0, CALL_CONNECT_FAILED);
    sim->queue.mode = SIM_DOWN;
    sim_skip(sim, 2 * HOUR_MS);
    sim->queue.mode = SIM_NOW;
    sim_skip(sim, 3000);
    cr_assert_eq(sim->upstream.call_count, 1);
    cr_assert_eq(event(sim, 0)->state, SIM_DEAD);
    cr_assert_str_eq(event(sim, 0)->error, "max_age");
    cr_assert_eq(event(sim, 0)->attempt_rows, 1);
    sim_close(sim);
}
