/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept beside a key: fingerprints that differ, and first responses that are given again.
 */
#include "sim.h"
#include <criterion/criterion.h>
#include <stdio.h>

#define KEYED "    key: {header: X-Id}\n"
#define PRINT KEYED "    fingerprint: payload\n"
#define REPLAY KEYED "    duplicate: replay\n"
#define SMALL "    replay: {body: 16B}\n"
#define ID "X-Id: 1\r\n"

static uint64_t mismatches(struct sim *sim)
{
    return metrics_sum(sim->metrics, sim->books->routes[0].mismatches);
}

static uint64_t replayed(struct sim *sim)
{
    return metrics_sum(sim->metrics, sim->books->routes[0].replayed);
}

/* An event that the upstream takes with `answer`. */
static void accept(struct sim *sim, const char *body, const char *answer)
{
    size_t call = sim->upstream.call_count;
    struct sim_client *client = sim_post(sim, body, ID);
    cr_assert_eq(sim->upstream.call_count, call + 1);
    sim_answer(sim, call, 200, answer);
    cr_assert(client->answered);
    cr_assert(sim_got(client, answer));
    sim_client_free(client);
}

static void first_id(const struct sim *sim, char ret_id[static UUID_TEXT_LEN + 1])
{
    uuid_format(&sim->journal.rows[0].event_id, ret_id);
    ret_id[UUID_TEXT_LEN] = '\0';
}

/* ---- fingerprints ---- */

Test(fingerprint, the_same_body_is_a_duplicate)
{
    struct sim *sim = sim_open(PRINT, "");
    accept(sim, "body", "ok");
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(mismatches(sim), 0);
    cr_assert_eq(strlen(sim->journal.rows[0].note), NOTE_HEAD_LEN);
    cr_assert_eq(sim->journal.rows[0].note[0], 'F');
    sim_client_free(copy);
    sim_close(sim);
}

Test(fingerprint, another_body_is_a_conflict)
{
    struct sim *sim = sim_open(PRINT, "");
    char id[UUID_TEXT_LEN + 1];
    accept(sim, "body", "ok");
    struct sim_client *other = sim_post(sim, "Body", ID);
    cr_assert_eq(sim_status(other), 422);
    cr_assert(sim_got(other, "urn:postern:problem:fingerprint-mismatch"));
    cr_assert(sim_got(other, "application/problem+json"));
    first_id(sim, id);
    cr_assert(sim_got(other, id), "the first event is named");
    cr_assert_eq(mismatches(sim), 1);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_MISMATCH), 1);
    cr_assert_eq(sim->journal.duplicate_count, 0);
    sim_client_free(other);
    sim_close(sim);
}

Test(fingerprint, a_conflict_in_flight_is_told_at_once)
{
    struct sim *sim = sim_open(PRINT, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    struct sim_client *other = sim_post(sim, "Body", ID);
    cr_assert_eq(sim_status(other), 422, "%s", other->sent);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(first);
    sim_client_free(other);
    sim_close(sim);
}

Test(fingerprint, a_conflict_may_be_a_duplicate)
{
    struct sim *sim = sim_open(PRINT "    on_mismatch: duplicate\n", "");
    struct sim_client *first = sim_post(sim, "body", ID);
    struct sim_client *other = sim_post(sim, "Body", ID);
    cr_assert_eq(other->ex->state, EX_PARK);
    sim_pass(sim, 1000);
    cr_assert_eq(mismatches(sim), 1, "it asks often, and is told once");
    sim_answer(sim, 0, 200, "ok");
    sim_pass(sim, 100);
    cr_assert(sim_got(other, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(mismatches(sim), 1);
    sim_client_free(first);
    sim_client_free(other);
    sim_close(sim);
}

Test(fingerprint, another_body_may_be_another_event)
{
    struct sim *sim = sim_open(PRINT "    on_mismatch: new\n", "");
    accept(sim, "body", "ok");
    accept(sim, "Body", "ok");
    const char *const bodies[] = {"body", "Body"};
    for (size_t i = 0; i < 2; i++) {
        struct sim_client *copy = sim_post(sim, bodies[i], ID);
        cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"), "each passes once");
        sim_client_free(copy);
    }
    sim_close(sim);
}

Test(fingerprint, observed_conflicts_are_marked)
{
    struct sim *sim = sim_open(PRINT "    mode: observe\n", "");
    accept(sim, "body", "ok");
    struct sim_client *other = sim_post(sim, "Body", ID);
    cr_assert_not_null(strstr(sim->upstream.heads[1], "Postern-Outcome: rejected\r\n"));
    sim_answer(sim, 1, 200, "fine");
    cr_assert_eq(sim_status(other), 200);
    sim_client_free(other);
    sim_close(sim);
}

Test(fingerprint, a_queue_keeps_it_too)
{
    struct sim *sim = sim_open(PRINT "    mode: queue\n", "");
    struct sim_client *first = sim_post(sim, "body", ID);
    struct sim_client *other = sim_post(sim, "Body", ID);
    cr_assert_eq(sim_status(first), 202);
    cr_assert_eq(sim_status(other), 422);
    cr_assert_eq(strlen(sim->journal.rows[0].note), NOTE_HEAD_LEN);
    sim_answer(sim, 0, 200, "");
    sim_client_free(first);
    sim_client_free(other);
    sim_close(sim);
}

Test(fingerprint, a_failed_event_leaves_none)
{
    struct sim *sim = sim_open(PRINT, "");
    struct sim_client *failed = sim_post(sim, "body", ID);
    sim_answer(sim, 0, 500, "no");
    accept(sim, "Body", "ok");
    sim_client_free(failed);
    sim_close(sim);
}

/* ---- replays ---- */

static void add_field(struct sim *sim, const char *name, const char *value, enum http_field_id id)
{
    sim->upstream.fields[sim->upstream.field_count++] =
        (struct http_field){.name = slice_str(name), .value = slice_str(value), .id = id};
}

Test(replay, a_copy_gets_the_first_response)
{
    struct sim *sim = sim_open(REPLAY "    replay: {headers: [Location]}\n", "");
    char id[UUID_TEXT_LEN + 1];
    add_field(sim, "Location", "/things/1", FIELD_OTHER);
    add_field(sim, "Content-Encoding", "x-odd", FIELD_CONTENT_ENCODING);
    add_field(sim, "Set-Cookie", "a=b", FIELD_OTHER);
    add_field(sim, "X-Trace", "9", FIELD_OTHER);
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_answer(sim, 0, 201, "made it");
    cr_assert(sim_got(first, "Set-Cookie: a=b\r\n"));
    cr_assert_not(sim_got(first, "Idempotent-Replayed"));
    struct sim_client *copy = sim_post(sim, "body", ID);
    first_id(sim, id);
    const char *const fields[] = {"HTTP/1.1 201 ",
                                  "Location: /things/1\r\n",
                                  "Content-Type: text/plain\r\n",
                                  "Content-Encoding: x-odd\r\n",
                                  "Content-Length: 7\r\n",
                                  "Idempotent-Replayed: true\r\n",
                                  "Postern-Outcome: duplicate\r\n",
                                  "\r\n\r\nmade it",
                                  id};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cr_assert(sim_got(copy, fields[i]), "%s in %s", fields[i], copy->sent);
    cr_assert_not(sim_got(copy, "Set-Cookie"));
    cr_assert_not(sim_got(copy, "X-Trace"));
    cr_assert_eq(replayed(sim), 1);
    cr_assert_not_null(strstr(sim->journal.rows[0].note, "R201 7\n"));
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* Without it a part would pass for the whole (RFC 9110 15.3.7). */
Test(replay, a_part_says_that_it_is_one)
{
    struct sim *sim = sim_open(REPLAY, "");
    add_field(sim, "content-range", "bytes 0-3/99", FIELD_OTHER);
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_answer(sim, 0, 206, "part");
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert_eq(sim_status(copy), 206);
    cr_assert(sim_got(copy, "content-range: bytes 0-3/99\r\n"), "%s", copy->sent);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* The answer is whole before the journal and the store hear of it, and the client hears last. */
Test(replay, the_answer_is_waited_for)
{
    struct sim *sim = sim_open(REPLAY, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, -1);
    sim_turn(sim);
    sim_piece(sim, 0, "one ");
    sim_turn(sim);
    cr_assert_eq(first->ex->state, EX_FORWARD);
    cr_assert_eq(first->sent_bytes, 0);
    cr_assert_eq(sim->journal.row_count, 0);
    sim_piece(sim, 0, "two");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(sim_got(first, "\r\n\r\none two"));
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert(sim_got(copy, "\r\n\r\none two"), "%s", copy->sent);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

Test(replay, a_client_that_leaves_does_not_keep_it_from_the_next)
{
    struct sim *sim = sim_open(REPLAY, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, -1);
    sim_turn(sim);
    sim_leave(first);
    sim_piece(sim, 0, "kept");
    sim_end(sim, 0, CALL_COMPLETE);
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert(sim_got(copy, "\r\n\r\nkept"), "%s", copy->sent);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* The plain answer to a duplicate. */
static void check_acknowledged(struct sim *sim)
{
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert_eq(sim_status(copy), 200);
    cr_assert(sim_got(copy, "{\"outcome\":\"duplicate\""), "%s", copy->sent);
    cr_assert_not(sim_got(copy, "Idempotent-Replayed"));
    cr_assert_eq(replayed(sim), 0);
    sim_client_free(copy);
}

Test(replay, at_the_cap_it_is_kept)
{
    struct sim *sim = sim_open(REPLAY SMALL, "");
    accept(sim, "body", "0123456789abcdef");
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert(sim_got(copy, "\r\n\r\n0123456789abcdef"), "%s", copy->sent);
    sim_client_free(copy);
    sim_close(sim);
}

Test(replay, over_the_cap_it_is_acknowledged)
{
    struct sim *sim = sim_open(REPLAY SMALL, "");
    accept(sim, "body", "0123456789abcdefg");
    check_acknowledged(sim);
    sim_close(sim);
}

/* Known to be too long: nothing is waited for. */
Test(replay, an_answer_over_the_cap_is_streamed)
{
    struct sim *sim = sim_open(REPLAY SMALL, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, 17);
    sim_turn(sim);
    cr_assert_eq(sim_status(first), 200);
    sim_piece(sim, 0, "0123456789abcdefg");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(first->answered);
    check_acknowledged(sim);
    sim_client_free(first);
    sim_close(sim);
}

Test(replay, an_answer_that_grows_over_the_cap_is_streamed)
{
    struct sim *sim = sim_open(REPLAY SMALL, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, -1);
    sim_turn(sim);
    sim_piece(sim, 0, "0123456789abcdef");
    sim_turn(sim);
    cr_assert_eq(sim_status(first), 0);
    sim_piece(sim, 0, "g");
    sim_turn(sim);
    cr_assert(sim_got(first, "0123456789abcdefg"), "%s", first->sent);
    sim_piece(sim, 0, "h");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(first->answered);
    check_acknowledged(sim);
    sim_client_free(first);
    sim_close(sim);
}

/* More would stop the upstream, and then nothing would ever be whole. */
Test(replay, it_never_waits_beyond_what_may_be_held)
{
    struct sim *sim = sim_open(REPLAY, "limits: {response_buffer: 4KiB}\n");
    static char piece[4096 + 1];
    memset(piece, 'x', sizeof piece - 1);
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, -1);
    sim_turn(sim);
    sim_piece(sim, 0, piece);
    cr_assert(sim->upstream.paused[0]);
    sim_turn(sim);
    cr_assert_eq(sim_status(first), 200);
    cr_assert_not(sim->upstream.paused[0]);
    sim_end(sim, 0, CALL_COMPLETE);
    check_acknowledged(sim);
    sim_client_free(first);
    sim_close(sim);
}

Test(replay, a_broken_answer_is_not_kept)
{
    struct sim *sim = sim_open(REPLAY, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, 10);
    sim_piece(sim, 0, "half");
    sim_end(sim, 0, CALL_BROKEN);
    cr_assert(first->broken);
    check_acknowledged(sim);
    sim_client_free(first);
    sim_close(sim);
}

Test(replay, more_fields_than_a_note_may_have_are_not_kept)
{
    struct sim *sim = sim_open(REPLAY "    replay: {headers: [Link]}\n", "");
    static struct http_field fields[REPLY_MAX_FIELDS + 1];
    for (size_t i = 0; i <= REPLY_MAX_FIELDS; i++)
        fields[i] = (struct http_field){.name = SLICE("Link"), .value = SLICE("</a>")};
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 200, 2);
    sim->upstream.calls[0]->reader.head.fields = fields;
    sim->upstream.calls[0]->reader.head.field_count = REPLY_MAX_FIELDS + 1;
    sim_piece(sim, 0, "ok");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(first->answered);
    check_acknowledged(sim);
    sim_client_free(first);
    sim_close(sim);
}

Test(replay, no_content_stays_without)
{
    struct sim *sim = sim_open(REPLAY, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_head(sim, 0, 204, 0);
    sim->upstream.calls[0]->reader.head.body = HTTP_BODY_NONE;
    sim_end(sim, 0, CALL_COMPLETE);
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert_eq(sim_status(copy), 204, "%s", copy->sent);
    cr_assert_not(sim_got(copy, "Content-Length"));
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

Test(replay, a_head_gets_the_head)
{
    struct sim *sim = sim_open(REPLAY, "");
    accept(sim, "body", "made it");
    struct sim_client *copy = sim_send(sim, "HEAD", "/hook", "", ID);
    cr_assert(sim_got(copy, "Content-Length: 7\r\n"), "%s", copy->sent);
    cr_assert_not(sim_got(copy, "made it"));
    sim_client_free(copy);
    sim_close(sim);
}

Test(replay, the_answer_to_a_head_is_no_answer_for_others)
{
    struct sim *sim = sim_open(REPLAY, "");
    struct sim_client *first = sim_send(sim, "HEAD", "/hook", "", ID);
    sim_head(sim, 0, 200, 7);
    sim->upstream.calls[0]->reader.head.body = HTTP_BODY_NONE;
    sim_end(sim, 0, CALL_COMPLETE);
    check_acknowledged(sim);
    sim_client_free(first);
    sim_close(sim);
}

Test(replay, a_parked_copy_gets_it_too)
{
    struct sim *sim = sim_open(REPLAY, "");
    struct sim_client *first = sim_post(sim, "body", ID);
    struct sim_client *copy = sim_post(sim, "body", ID);
    sim_answer(sim, 0, 200, "made it");
    sim_pass(sim, 100);
    cr_assert(sim_got(copy, "\r\n\r\nmade it"), "%s", copy->sent);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

Test(replay, a_queue_gives_its_202_again)
{
    struct sim *sim = sim_open(REPLAY "    mode: queue\n", "");
    char id[UUID_TEXT_LEN + 1], body[128];
    struct sim_client *first = sim_post(sim, "body", ID);
    struct sim_client *copy = sim_post(sim, "body", ID);
    first_id(sim, id);
    (void)snprintf(body, sizeof body, "\r\n\r\n{\"outcome\":\"accepted\",\"event_id\":\"%s\"}", id);
    cr_assert(sim_got(first, body));
    cr_assert_eq(sim_status(copy), 202);
    cr_assert(sim_got(copy, body), "%s", copy->sent);
    cr_assert(sim_got(copy, "Idempotent-Replayed: true\r\n"));
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(replayed(sim), 1);
    sim_answer(sim, 0, 200, "");
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* A claim that was not answered in time still has its note; the settle's is another one. */
Test(replay, a_late_claim_s_note_stays_as_it_was_given)
{
    struct sim *sim = sim_open(REPLAY "    on_store_error: pass\n", "");
    sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
    struct sim_client *first = sim_post(sim, "body", ID);
    sim_pass(sim, 300);
    cr_assert_eq(first->ex->state, EX_FORWARD);
    sim_answer(sim, 0, 200, "made it");
    cr_assert_eq(sim->dedup.waiting_count, 2, "the claim and the settle");
    cr_assert_eq(sim->dedup.waiting[0]->note.len, 2, "F and its end");
    cr_assert_gt(sim->dedup.waiting[1]->note.len, 2);
    cr_assert_eq(sim->dedup.waiting[1]->note_essential, 2);
    sim_dedup_flush(sim);
    sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
    struct sim_client *copy = sim_post(sim, "body", ID);
    cr_assert(sim_got(copy, "\r\n\r\nmade it"), "%s", copy->sent);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* ---- both: Idempotency-Key ---- */

Test(replay, with_a_fingerprint_another_body_is_still_a_conflict)
{
    struct sim *sim = sim_open(REPLAY "    fingerprint: payload\n", "");
    accept(sim, "body", "made it");
    struct sim_client *same = sim_post(sim, "body", ID), *other = sim_post(sim, "Body", ID);
    cr_assert(sim_got(same, "\r\n\r\nmade it"));
    cr_assert_eq(sim_status(other), 422);
    cr_assert_not(sim_got(other, "made it"), "another's response is nobody's business");
    sim_client_free(same);
    sim_client_free(other);
    sim_close(sim);
}
