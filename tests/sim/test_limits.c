/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates: who is refused, who is let through all the same, what it costs, and each answer of a
 * shared limiter that comes when nobody waits for it any more.
 */
#include "sim.h"
#include <criterion/criterion.h>
#include <stdio.h>

/* Two at once, then one a second; of copies one at once, then one in ten seconds. */
#define RATE "rate: 1/s, burst: 2, duplicates: 6/m, duplicates_burst: 1"
#define LOCAL "    limits: {" RATE "}\n"
#define SHARED "    limits: {" RATE ", shared: true}\n"
#define REDIS "dedup: {store: redis, redis: {url: \"redis://127.0.0.1:1\"}}\n"
#define LIMITER_TIMEOUT_MS 800 /* beyond redis.timeout's default of 250 ms, and a margin */

/* A new event; answered by the upstream if it gets there. Returns the status. */
static unsigned post(struct sim *sim, const char *body, const char *lines)
{
    size_t call = sim->upstream.call_count;
    struct sim_client *client = sim_post(sim, body, lines);
    if (sim->upstream.call_count > call)
        sim_answer(sim, call, 200, "ok");
    unsigned status = sim_status(client);
    sim_client_free(client);
    return status;
}

/* Takes what is there: two new events. */
static void use_up(struct sim *sim)
{
    cr_assert_eq(post(sim, "first", ""), 200);
    cr_assert_eq(post(sim, "second", ""), 200);
}

Test(limits, an_event_over_the_rate_is_refused_and_may_come_again)
{
    struct sim *sim = sim_open(LOCAL, "");
    use_up(sim);
    struct sim_client *client = sim_post(sim, "third", "");
    cr_assert_eq(sim_status(client), 429);
    cr_assert(sim_got(client, "Retry-After: 1\r\n"), "%s", client->sent);
    cr_assert(sim_got(client, "RateLimit-Policy: \"default\";q=2;w=2\r\n"), "%s", client->sent);
    cr_assert(sim_got(client, "RateLimit: \"default\";r=0;t=1\r\n"), "%s", client->sent);
    cr_assert(sim_got(client, "urn:postern:problem:rate-limited"));
    cr_assert(sim_got(client, "Postern-Outcome: rejected\r\n"));
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_RATE), 1);
    cr_assert_eq(sim->upstream.call_count, 2);
    cr_assert_eq(sim->dedup.calls[SIM_RELEASE], 1, "its claim is given back");
    sim_pass(sim, 1000);
    cr_assert_eq(post(sim, "third", ""), 200, "it was not taken for an accepted one");
    sim_client_free(client);
    sim_close(sim);
}

Test(limits, relayed_answers_tell_the_rate_too)
{
    struct sim *sim = sim_open(LOCAL, "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert(sim_got(client, "RateLimit: \"default\";r=1;t=1\r\n"), "%s", client->sent);
    cr_assert_not(sim_got(client, "Retry-After"));
    sim_client_free(client);
    sim_close(sim);
}

Test(limits, a_route_without_says_nothing)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_not(sim_got(client, "RateLimit"));
    cr_assert_eq(sim->limiter.calls[LIMIT_TAKE], 0);
    sim_client_free(client);
    sim_close(sim);
}

/* ---- copies ---- */

Test(limits, copies_do_not_use_up_the_room_of_new_events)
{
    struct sim *sim = sim_open(LOCAL, "");
    cr_assert_eq(post(sim, "first", ""), 200);
    struct sim_client *copy = sim_post(sim, "first", "");
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert(sim_got(copy, "RateLimit-Policy: \"duplicates\";q=1;w=10\r\n"), "%s", copy->sent);
    cr_assert_eq(sim->limiter.calls[LIMIT_GIVE_BACK], 1);
    cr_assert_eq(post(sim, "second", ""), 200, "the copy's was given back");
    cr_assert_eq(post(sim, "third", ""), 429);
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits, copies_have_their_own_end)
{
    struct sim *sim = sim_open(LOCAL, "");
    cr_assert_eq(post(sim, "first", ""), 200);
    cr_assert_eq(post(sim, "first", ""), 200);
    struct sim_client *copy = sim_post(sim, "first", "");
    cr_assert_eq(sim_status(copy), 429);
    cr_assert_eq(sim->journal.duplicate_count, 1, "the refused one was not answered as one");
    cr_assert(sim_got(copy, "Retry-After: 10\r\n"), "%s", copy->sent);
    cr_assert(sim_got(copy, "RateLimit: \"duplicates\";r=0;t=10\r\n"), "%s", copy->sent);
    cr_assert_eq(post(sim, "second", ""), 200, "new events are not their concern");
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits, over_the_rate_a_copy_is_answered_as_usual)
{
    struct sim *sim = sim_open(LOCAL, "");
    use_up(sim);
    struct sim_client *copy = sim_post(sim, "first", "");
    cr_assert_eq(sim_status(copy), 200);
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(sim->limiter.calls[LIMIT_GIVE_BACK], 0, "nothing was taken");
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits, over_both_rates_the_body_is_not_looked_at)
{
    struct sim *sim = sim_open(LOCAL, "");
    use_up(sim);
    cr_assert_eq(post(sim, "first", ""), 200);
    unsigned claims = sim->dedup.calls[SIM_CLAIM];
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 5, "");
    cr_assert(client->ex->discard_body);
    sim_client_body(sim, client, "first");
    cr_assert_eq(sim_status(client), 429);
    cr_assert(sim_got(client, "RateLimit: \"default\""), "%s", client->sent);
    cr_assert_not(client->base.close_after, "the connection goes on");
    cr_assert_eq(sim->dedup.calls[SIM_CLAIM], claims);
    sim_client_free(client);
    sim_close(sim);
}

Test(limits, who_waits_to_send_its_body_is_told_not_to)
{
    struct sim *sim = sim_open(LOCAL, "");
    use_up(sim);
    cr_assert_eq(post(sim, "first", ""), 200);
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 5, "Expect: 100-continue\r\n");
    cr_assert_eq(sim_status(client), 429);
    cr_assert(client->base.close_after);
    sim_turn(sim);
    sim_client_free(client);
    sim_close(sim);
}

/* A copy that waited for the first one is charged when it is answered, and once. */
Test(limits, a_copy_in_flight_is_charged_as_a_copy)
{
    struct sim *sim = sim_open(LOCAL, "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copy = sim_post(sim, "event", "");
    cr_assert_eq(copy->ex->state, EX_PARK);
    sim_answer(sim, 0, 200, "ok");
    sim_pass(sim, 100);
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"), "%s", copy->sent);
    cr_assert_eq(sim->limiter.calls[LIMIT_GIVE_BACK], 1);
    cr_assert_eq(post(sim, "second", ""), 200);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* Else whoever keeps copies parked could save up bursts, and spend them all at once. */
Test(limits, what_time_has_made_good_is_not_given_back_as_well)
{
    struct sim *sim = sim_open(LOCAL, "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copy = sim_post(sim, "event", "");
    sim_pass(sim, 4000);
    cr_assert_eq(copy->ex->state, EX_PARK);
    use_up(sim);
    sim_answer(sim, 0, 200, "ok");
    sim_pass(sim, 100);
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"), "%s", copy->sent);
    cr_assert_eq(post(sim, "third", ""), 429);
    cr_assert_eq(sim->limiter.calls[LIMIT_GIVE_BACK], 0);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

/* Two at 0 s, the second of which is the copy's: by 1.5 s half of it is made good. */
Test(limits, the_rest_is_given_back)
{
    struct sim *sim = sim_open(LOCAL, "");
    struct sim_client *first = sim_post(sim, "event", "");
    struct sim_client *copy = sim_post(sim, "event", "");
    sim_pass(sim, 1500);
    sim_answer(sim, 0, 200, "ok");
    sim_pass(sim, 10);
    cr_assert_eq(sim->limiter.calls[LIMIT_GIVE_BACK], 1);
    use_up(sim);
    cr_assert_eq(post(sim, "third", ""), 429);
    sim_client_free(first);
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits, a_conflict_in_flight_is_charged_as_a_copy)
{
    struct sim *sim = sim_open(LOCAL "    in_flight: conflict\n", "");
    struct sim_client *first = sim_post(sim, "event", "");
    cr_assert_eq(post(sim, "event", ""), 409);
    cr_assert_eq(post(sim, "event", ""), 429);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(first);
    sim_close(sim);
}

/* ---- what can't be told to be a copy ---- */

Test(limits, over_the_rate_what_has_no_key_is_refused)
{
    struct sim *sim = sim_open(LOCAL "    key: {header: X-Id}\n", "");
    cr_assert_eq(post(sim, "a", ""), 200);
    cr_assert_eq(post(sim, "a", ""), 200);
    cr_assert_eq(post(sim, "a", ""), 429);
    sim_close(sim);
}

Test(limits, over_the_rate_without_a_store_nothing_passes)
{
    struct sim *sim = sim_open(LOCAL, "");
    use_up(sim);
    sim->dedup.mode[SIM_CLAIM] = SIM_DOWN;
    cr_assert_eq(post(sim, "third", ""), 429);
    cr_assert_eq(sim->dedup.calls[SIM_SETTLE], 2);
    sim_close(sim);
}

Test(limits, handshakes_count)
{
    struct sim *sim = sim_open(LOCAL "    handshake: slack\n", "");
    const char *body = "{\"type\":\"url_verification\",\"challenge\":\"abc\"}";
    cr_assert_eq(post(sim, body, ""), 200);
    cr_assert_eq(post(sim, body, ""), 200);
    cr_assert_eq(post(sim, body, ""), 429);
    sim_close(sim);
}

Test(limits, an_observed_copy_passes_over_the_rate_and_nothing_new_does)
{
    struct sim *sim = sim_open(LOCAL "    mode: observe\n", "");
    use_up(sim);
    cr_assert_eq(post(sim, "first", ""), 200);
    cr_assert_eq(sim->upstream.call_count, 3);
    sim_pass(sim, 10000);
    use_up(sim);
    cr_assert_eq(post(sim, "third", ""), 429);
    sim_close(sim);
}

/* ---- who shares a cell ---- */

/* Two requests of these senders, where one is allowed; returns the second's status. */
static unsigned second_of(const char *per, const char *address, const char *lines,
                          const char *other_address, const char *other_lines)
{
    char settings[128];
    (void)snprintf(settings, sizeof settings, "    limits: {rate: 1/s, burst: 1, per: %s}\n", per);
    struct sim *sim = sim_open(settings, "");
    const char *const addresses[] = {address, other_address};
    const char *const fields[] = {lines, other_lines};
    unsigned status = 0;
    for (size_t i = 0; i < 2; i++) {
        char body[16];
        (void)snprintf(body, sizeof body, "event %zu", i);
        struct sim_client *client = sim_client_new();
        client->base.address = slice_str(addresses[i]);
        sim_client_begin(sim, client, "POST", "/hook", strlen(body), fields[i]);
        sim_client_body(sim, client, body);
        if (sim->upstream.call_count > i)
            sim_answer(sim, i, 200, "ok");
        status = sim_status(client);
        sim_client_free(client);
    }
    sim_close(sim);
    return status;
}

Test(limits, clients_are_told_apart_by_address)
{
    cr_assert_eq(second_of("client", "192.0.2.1", "", "192.0.2.1", ""), 429);
    cr_assert_eq(second_of("client", "192.0.2.1", "", "192.0.2.2", ""), 200);
}

Test(limits, ipv6_clients_are_told_apart_by_network)
{
    cr_assert_eq(second_of("client", "2001:db8::1", "", "2001:db8::ffff:1:2:3", ""), 429);
    cr_assert_eq(second_of("client", "2001:db8::1", "", "2001:db8:0:1::1", ""), 200);
}

Test(limits, peers_without_an_address_are_one)
{
    cr_assert_eq(second_of("client", "", "", "", ""), 429);
}

Test(limits, a_route_may_have_one_rate_for_all)
{
    cr_assert_eq(second_of("route", "192.0.2.1", "", "192.0.2.2", ""), 429);
}

Test(limits, a_header_may_tell_clients_apart)
{
    const char *per = "{header: X-Tenant}";
    cr_assert_eq(second_of(per, "192.0.2.1", "X-Tenant: a\r\n", "192.0.2.2", "x-tenant: a\r\n"),
                 429);
    cr_assert_eq(second_of(per, "192.0.2.1", "X-Tenant: a\r\n", "192.0.2.1", "X-Tenant: b\r\n"),
                 200);
    cr_assert_eq(second_of(per, "192.0.2.1", "", "192.0.2.2", ""), 429, "without it they share");
}

/* ---- shared ---- */

static struct sim *open_shared(void)
{
    struct sim *sim = sim_open(SHARED, REDIS);
    use_up(sim);
    sim->limiter.mode = SIM_LATER;
    return sim;
}

Test(limits_shared, are_asked_when_the_body_is_there)
{
    struct sim *sim = sim_open(SHARED, REDIS);
    sim->limiter.mode = SIM_LATER;
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 5, "");
    cr_assert_eq(sim->limiter.calls[LIMIT_TAKE], 0);
    sim_client_body(sim, client, "event");
    cr_assert_eq(client->ex->state, EX_ADMIT);
    sim_limiter_flush(sim);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_status(client), 200);
    sim_client_free(client);
    sim_close(sim);
}

Test(limits_shared, both_buckets_are_asked_in_turn)
{
    struct sim *sim = open_shared();
    struct sim_client *client = sim_post(sim, "third", "");
    sim_limiter_flush(sim);
    cr_assert_eq(client->ex->state, EX_ADMIT);
    sim_limiter_flush(sim);
    cr_assert_eq(sim_status(client), 429);
    struct sim_client *copy = sim_post(sim, "first", "");
    sim_limiter_flush(sim);
    sim_limiter_flush(sim);
    cr_assert_eq(sim_status(copy), 429, "the bucket of copies was used by the third");
    sim_client_free(client);
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits_shared, a_copy_waits_for_its_own_rate)
{
    struct sim *sim = sim_open(SHARED, REDIS);
    cr_assert_eq(post(sim, "first", ""), 200);
    sim->limiter.mode = SIM_LATER;
    struct sim_client *copy = sim_post(sim, "first", "");
    sim_limiter_flush(sim);
    cr_assert_eq(copy->ex->state, EX_REPEAT);
    sim_limiter_flush(sim);
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(sim->limiter.calls[LIMIT_GIVE_BACK], 1);
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits_shared, who_does_not_answer_limits_nobody)
{
    struct sim *sim = open_shared();
    struct sim_client *client = sim_post(sim, "third", "");
    sim_pass(sim, LIMITER_TIMEOUT_MS);
    sim_answer(sim, 2, 200, "ok");
    cr_assert_eq(sim_status(client), 200);
    cr_assert_not(sim_got(client, "RateLimit"), "nothing is known of it");
    cr_assert_eq(sim->gateway.exchanges, 1, "the answer is owed");
    sim_limiter_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    sim_client_free(client);
    sim_close(sim);
}

/* The first bucket did answer: only copies may pass, since theirs did not. */
Test(limits_shared, who_was_refused_before_the_silence_stays_so)
{
    struct sim *sim = open_shared();
    struct sim_client *client = sim_post(sim, "third", "");
    struct sim_client *copy = sim_post(sim, "first", "");
    sim_limiter_flush(sim);
    sim_pass(sim, LIMITER_TIMEOUT_MS);
    cr_assert_eq(sim_status(client), 429, "%s", client->sent);
    cr_assert(sim_got(client, "RateLimit: \"default\""), "%s", client->sent);
    cr_assert_eq(sim_status(copy), 200);
    cr_assert(sim_got(copy, "RateLimit: \"default\";r=0"), "what was answered: %s", copy->sent);
    sim_limiter_flush(sim);
    sim_client_free(client);
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits_shared, a_copy_is_answered_without_its_rate)
{
    struct sim *sim = sim_open(SHARED, REDIS);
    cr_assert_eq(post(sim, "first", ""), 200);
    sim->limiter.mode = SIM_LATER;
    struct sim_client *copy = sim_post(sim, "first", "");
    sim_limiter_flush(sim);
    sim_pass(sim, LIMITER_TIMEOUT_MS);
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(sim->gateway.exchanges, 1, "what is given back and what is taken");
    sim_limiter_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    sim_client_free(copy);
    sim_close(sim);
}

Test(limits_shared, clients_that_leave_end_their_exchange)
{
    struct sim *sim = sim_open(SHARED, REDIS);
    cr_assert_eq(post(sim, "first", ""), 200);
    sim->limiter.mode = SIM_LATER;
    struct sim_client *admitted = sim_post(sim, "second", "");
    sim_leave(admitted);
    sim_limiter_flush(sim);
    sim_pass(sim, 2000);
    struct sim_client *repeated = sim_post(sim, "first", "");
    sim_limiter_flush(sim);
    cr_assert_eq(repeated->ex->state, EX_REPEAT);
    sim_leave(repeated);
    cr_assert_eq(sim->gateway.exchanges, 1);
    sim_limiter_flush(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_CLIENT_GONE), 2);
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_client_free(admitted);
    sim_client_free(repeated);
    sim_close(sim);
}

/* What the process's own table gave for Redis is given back to it. */
Test(limits_shared, what_was_taken_locally_is_given_back_locally)
{
    struct sim *sim = sim_open(SHARED, REDIS);
    cr_assert_eq(post(sim, "first", ""), 200);
    sim->limiter.mode = SIM_DOWN;
    struct sim_client *copy = sim_post(sim, "first", "");
    cr_assert(sim_got(copy, "Postern-Outcome: duplicate\r\n"));
    cr_assert_eq(sim->limiter.base.stats.errors, 2, "two taken, none asked to be given back");
    gateway_publish(&sim->gateway);
    cr_assert_eq(metrics_sum(sim->metrics, sim->books->limiter.errors), 2);
    sim_client_free(copy);
    sim_close(sim);
}
