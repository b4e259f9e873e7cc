/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer's arrows: whole in one turn, streamed, with a slow client, cut on either side.
 */
#include "sim.h"
#include <criterion/criterion.h>

#define SMALL_BUFFER "limits: {response_buffer: 16KiB}\n"

Test(respond, an_answer_of_unknown_length_that_is_whole_gets_a_length)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, -1);
    sim_piece(sim, 0, "abc");
    sim_piece(sim, 0, "def");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(sim_got(client, "Content-Length: 6\r\n"));
    cr_assert(sim_got(client, "\r\n\r\nabcdef"));
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, streams_in_chunks)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, -1);
    sim_piece(sim, 0, "abc");
    sim_turn(sim);
    cr_assert(sim_got(client, "Transfer-Encoding: chunked"));
    cr_assert(!client->answered);
    sim_piece(sim, 0, "def");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(client->answered);
    cr_assert(sim_got(client, "\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"));
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, to_http10_until_close)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 1, "");
    client->base.http10 = true;
    exchange_body(client->ex, SLICE("x"));
    exchange_body_end(client->ex);
    sim_head(sim, 0, 200, -1);
    sim_turn(sim);
    cr_assert(!sim_got(client, "Transfer-Encoding"));
    cr_assert(sim_got(client, "Connection: close"));
    sim_piece(sim, 0, "abc");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(client->base.close_after);
    cr_assert(sim_got(client, "\r\n\r\nabc"));
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, head_has_a_length_and_no_body)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_send(sim, "HEAD", "/hook", "", "");
    struct upstream_call *call = sim->upstream.calls[0];
    static struct http_field length;
    length = (struct http_field){
        .name = SLICE("Content-Length"), .value = SLICE("42"), .id = FIELD_CONTENT_LENGTH};
    call->reader.head =
        (struct http_head){.status = 200, .minor = 1, .fields = &length, .field_count = 1};
    call->on->head(call);
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(sim_got(client, "Content-Length: 42\r\n"));
    cr_assert_str_eq(client->sent + client->sent_bytes - 4, "\r\n\r\n");
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, a_slow_client_stops_the_upstream)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, 9);
    sim_turn(sim);
    client->send_answer = SEND_BACKLOG;
    sim_piece(sim, 0, "abc");
    cr_assert(sim->upstream.paused[0]);
    client->send_answer = SEND_DONE;
    exchange_client_drained(client->ex);
    cr_assert(!sim->upstream.paused[0]);
    sim_piece(sim, 0, "defghi");
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(client->answered);
    cr_assert(sim_got(client, "\r\n\r\nabcdefghi"));
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, is_not_over_before_the_client_has_it)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    client->send_answer = SEND_BACKLOG;
    sim_answer(sim, 0, 200, "ok");
    cr_assert(!client->answered);
    exchange_client_drained(client->ex);
    cr_assert(client->answered);
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, a_client_that_never_reads_is_cut)
{
    struct sim *sim = sim_open("", "timeouts: {write: 5s}\n");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, 1000);
    sim_turn(sim);
    client->send_answer = SEND_BACKLOG;
    sim_piece(sim, 0, "abc");
    sim_pass(sim, 4900);
    cr_assert(!client->broken);
    sim_pass(sim, 200);
    cr_assert(client->broken);
    cr_assert(sim->upstream.cancelled[0]);
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 1,
                 "the event was accepted, whatever the client read");
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, a_lost_client_cancels_the_rest)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, 1000);
    sim_turn(sim);
    client->send_answer = SEND_LOST;
    sim_piece(sim, 0, "abc");
    cr_assert(client->broken);
    cr_assert(sim->upstream.cancelled[0]);
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, gone_in_the_middle)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, 1000);
    sim_turn(sim);
    sim_leave(client);
    cr_assert(sim->upstream.cancelled[0]);
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, an_upstream_that_breaks_off_breaks_the_answer)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, 1000);
    sim_piece(sim, 0, "abc");
    sim_turn(sim);
    cr_assert_eq(sim_status(client), 200);
    sim_end(sim, 0, CALL_BROKEN);
    cr_assert(client->broken, "a cut answer must not look whole");
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(respond, broken_before_the_answer_began)
{
    struct sim *sim = sim_open("", "");
    sim->dedup.mode[SIM_SETTLE] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    sim_head(sim, 0, 200, 1000);
    sim_turn(sim);
    sim_end(sim, 0, CALL_BROKEN);
    sim_dedup_flush(sim);
    cr_assert(client->broken);
    sim_client_free(client);
    sim_close(sim);
}

/* While the settle is under way nothing may be sent, and no more than the buffer held. */
Test(respond, a_large_answer_waits_for_the_settle_within_its_buffer)
{
    struct sim *sim = sim_open("", SMALL_BUFFER);
    sim->dedup.mode[SIM_SETTLE] = SIM_LATER;
    struct sim_client *client = sim_post(sim, "event", "");
    char piece[4097];
    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = '\0';
    sim_head(sim, 0, 200, 40960);
    sim_turn(sim);
    size_t sent = 0;
    while (!sim->upstream.paused[0]) {
        sim_piece(sim, 0, piece);
        sent++;
    }
    cr_assert_eq(sent, 4, "16 KiB in pieces of 4 KiB");
    cr_assert_eq(client->sent_bytes, 0);
    sim_dedup_flush(sim);
    cr_assert_eq(sim_status(client), 200);
    cr_assert(!sim->upstream.paused[0]);
    while (sent++ < 10)
        sim_piece(sim, 0, piece);
    sim_end(sim, 0, CALL_COMPLETE);
    cr_assert(client->answered);
    sim_client_free(client);
    sim_close(sim);
}

/* ---- refused at the door ---- */

Test(door, unknown_route_is_404_after_its_body)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_send(sim, "POST", "/else", "x", "");
    cr_assert_eq(sim_status(client), 404);
    cr_assert(!client->base.close_after);
    cr_assert(sim_got(client, "urn:postern:problem:"));
    sim_client_free(client);
    sim_close(sim);
}

Test(door, body_at_and_over_its_limit)
{
    struct sim *sim = sim_open("    limits: {body: 10B}\n", "");
    struct sim_client *at = sim_post(sim, "0123456789", "");
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_answer(sim, 0, 200, "ok");
    struct sim_client *known = sim_begin(sim, "POST", "/hook", 11, "");
    cr_assert_eq(sim_status(known), 413);
    cr_assert(known->base.close_after);
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_client_free(at);
    sim_client_free(known);
    sim_close(sim);
}

Test(door, a_slow_body_is_408)
{
    struct sim *sim = sim_open("", "timeouts: {body: 10s}\n");
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 5, "");
    exchange_body(client->ex, SLICE("ab"));
    sim_pass(sim, 9900);
    cr_assert_eq(sim_status(client), 0);
    sim_pass(sim, 200);
    cr_assert_eq(sim_status(client), 408);
    cr_assert(client->base.close_after);
    sim_client_free(client);
    sim_close(sim);
}

Test(door, gone_in_the_body)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 5, "");
    sim_leave(client);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_CLIENT_GONE), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(door, duplicates_get_the_routes_status)
{
    struct sim *sim = sim_open("    duplicate: 204\n", "");
    struct sim_client *first = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    struct sim_client *second = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(second), 204);
    cr_assert(!sim_got(second, "Content-Length"), "RFC 9110 8.6");
    cr_assert_str_eq(second->sent + second->sent_bytes - 4, "\r\n\r\n");
    sim_client_free(first);
    sim_client_free(second);
    sim_close(sim);
}
