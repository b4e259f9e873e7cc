/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may pass: signatures checked on the loop and off it, handshakes, and who the client is. Keys
 * are those of RFC 8032 7.1 (test 1) and of GitHub's documentation; the Ed25519 signatures were
 * made with an implementation of RFC 8032 in Python.
 */
#include "door.h"
#include "sim.h"
#include <criterion/criterion.h>
#include <stdio.h>

#define GITHUB "    signature: {scheme: github, secret: \"It's a Secret to Everybody\"}\n"
#define GITHUB_BODY "Hello, World!"
#define GITHUB_DIGEST "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define GITHUB_LINE "X-Hub-Signature-256: sha256=" GITHUB_DIGEST "\r\n"

#define DISCORD                                                                                    \
    "    signature: {scheme: discord, secret: "                                                    \
    "\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"}\n"
#define DISCORD_LINES                                                                              \
    "X-Signature-Timestamp: 1763700000\r\nX-Signature-Ed25519: "                                   \
    "7a8f3e1fb447de6f775cbba7daeec0b8903ec297725667f4da7eef0822cd54ac"                             \
    "df2d00cb3dfa09e11b82c9594e3db723e80d93d543ba367b296510e480d0f205\r\n"
#define DISCORD_PING_LINES                                                                         \
    "X-Signature-Timestamp: 1763700000\r\nX-Signature-Ed25519: "                                   \
    "a1295808ab7aa0193798330cfed8ce4f67e6df587395bb5d996ce7baad96a83f"                             \
    "0547d0289583659cd5f8939f8ce8f772b04560c290e1ec611cb6e6243a96ae04\r\n"

#define DISCORD_TRY_LINES                                                                          \
    "X-Signature-Timestamp: 1763700000\r\nX-Signature-Ed25519: "                                   \
    "458b1699f4f042edab1230ef3e52173904753d6807c568bd97994b954975c1c1"                             \
    "109db82755fb8040fcb78420e90da50d0f4ee987756635ec19e0275e3e3f6b0f\r\n"

static uint64_t verified(struct sim *sim, enum verify_result result)
{
    return metrics_sum(sim->metrics, sim->books->routes[0].verified[result]);
}

/* Nothing was asked, forwarded or kept. */
static void check_untouched(const struct sim *sim)
{
    cr_assert_eq(sim->dedup.calls[SIM_CLAIM], 0);
    cr_assert_eq(sim->upstream.call_count, 0);
    cr_assert_eq(sim->journal.row_count, 0);
}

static void check_unverified(struct sim *sim, const char *body, const char *lines,
                             enum verify_result result)
{
    struct sim_client *client = sim_post(sim, body, lines);
    sim_check(sim);
    cr_assert_eq(sim_status(client), 401, "%s", client->sent);
    cr_assert(sim_got(client, "Postern-Outcome: unverified\r\n"));
    cr_assert(sim_got(client, "urn:postern:problem:unverified"));
    cr_assert_not(sim_got(client, GITHUB_DIGEST), "nothing helps to guess");
    cr_assert_eq(verified(sim, result), 1);
    cr_assert_eq(sim_ended(sim, OUTCOME_UNVERIFIED), 1);
    check_untouched(sim);
    sim_client_free(client);
}

/* ---- on the loop ---- */

Test(verify, a_right_signature_passes)
{
    struct sim *sim = sim_open(GITHUB, "");
    struct sim_client *client = sim_post(sim, GITHUB_BODY, GITHUB_LINE);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_status(client), 200);
    cr_assert_eq(verified(sim, VERIFY_OK), 1);
    cr_assert_eq(metrics_sum(sim->metrics, sim->books->routes[0].secrets[0]), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(verify, anything_else_is_refused_before_a_store_is_asked)
{
    const struct {
        const char *body, *lines;
        enum verify_result result;
    } cases[] = {
        {GITHUB_BODY, "", VERIFY_MISSING},
        {"Hello, World.", GITHUB_LINE, VERIFY_MISMATCH},
        {GITHUB_BODY, GITHUB_LINE GITHUB_LINE, VERIFY_REPEATED},
        {GITHUB_BODY, "X-Hub-Signature-256: sha256=7\r\n", VERIFY_MALFORMED},
    };
    static const char *const modes[] = {"", "    mode: observe\n", "    mode: queue\n"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t mode = 0; mode < sizeof modes / sizeof modes[0]; mode++) {
            char lines[256];
            (void)snprintf(lines, sizeof lines, GITHUB "%s", modes[mode]);
            struct sim *sim = sim_open(lines, "");
            check_unverified(sim, cases[i].body, cases[i].lines, cases[i].result);
            sim_close(sim);
        }
}

Test(verify, the_second_secret_is_counted_as_the_second)
{
    struct sim *sim = sim_open("    signature: {scheme: github, secrets: [new, \"It's a Secret to "
                               "Everybody\"]}\n",
                               "");
    struct sim_client *client = sim_post(sim, GITHUB_BODY, GITHUB_LINE);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(metrics_sum(sim->metrics, sim->books->routes[0].secrets[0]), 0);
    cr_assert_eq(metrics_sum(sim->metrics, sim->books->routes[0].secrets[1]), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(verify, the_route_may_have_another_status)
{
    struct sim *sim =
        sim_open("    signature: {scheme: bearer, secret: s3cret, status: 403}\n", "");
    struct sim_client *client = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(client), 403);
    cr_assert(sim_got(client, "\"status\":403"));
    cr_assert_not(sim_got(client, "WWW-Authenticate"), "that belongs to 401");
    sim_client_free(client);
    sim_close(sim);
}

Test(verify, http_s_own_schemes_are_challenged)
{
    const char *const cases[][2] = {
        {"    signature: {scheme: bearer, secret: s3cret}\n", "WWW-Authenticate: Bearer\r\n"},
        {"    signature: {scheme: basic, secret: \"me:s3cret\"}\n",
         "WWW-Authenticate: Basic realm=\"postern\"\r\n"},
        {GITHUB, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim *sim = sim_open(cases[i][0], "");
        struct sim_client *client = sim_post(sim, "event", "");
        cr_assert_eq(sim_status(client), 401);
        if (cases[i][1])
            cr_assert(sim_got(client, cases[i][1]), "%s", client->sent);
        else
            cr_assert_not(sim_got(client, "WWW-Authenticate"));
        sim_client_free(client);
        sim_close(sim);
    }
}

/* A secret that is a header's whole value does not get into the journal. */
Test(verify, a_secret_of_a_header_of_its_own_is_not_recorded)
{
    struct sim *sim =
        sim_open("    signature: {scheme: header, header: X-Door, secret: s3cret}\n", "");
    struct sim_client *client = sim_post(sim, "event", "x-door: s3cret\r\nX-Other: kept\r\n");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_status(client), 200);
    cr_assert_null(strstr(sim->journal.rows[0].headers, "s3cret"));
    cr_assert_not_null(strstr(sim->journal.rows[0].headers, "X-Other: kept"));
    sim_client_free(client);
    sim_close(sim);
}

/* ---- off the loop ---- */

Test(verify_off, waits_for_its_thread)
{
    struct sim *sim = sim_open(DISCORD, "");
    struct sim_client *client = sim_post(sim, "event", DISCORD_LINES);
    cr_assert_eq(client->ex->state, EX_VERIFY);
    cr_assert_eq(sim->dedup.calls[SIM_CLAIM], 0);
    sim_check(sim);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim_status(client), 200);
    cr_assert_eq(verified(sim, VERIFY_OK), 1);
    sim_client_free(client);
    sim_close(sim);
}

Test(verify_off, a_wrong_one_is_refused)
{
    struct sim *sim = sim_open(DISCORD, "");
    check_unverified(sim, "Event", DISCORD_LINES, VERIFY_MISMATCH);
    sim_close(sim);
}

Test(verify_off, a_client_that_left_is_forgotten_when_its_thread_is_done)
{
    struct sim *sim = sim_open(DISCORD, "");
    struct sim_client *client = sim_post(sim, "event", DISCORD_LINES);
    sim_leave(client);
    sim_turn(sim);
    cr_assert_eq(sim->gateway.exchanges, 1, "the thread still reads it");
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_CLIENT_GONE), 1);
    sim_check(sim);
    cr_assert_eq(sim->gateway.exchanges, 0);
    check_untouched(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(verify_off, a_thread_that_does_not_come_back_is_not_waited_for)
{
    struct sim *sim = sim_open(DISCORD, "");
    struct sim_client *client = sim_post(sim, "event", DISCORD_LINES);
    sim_pass(sim, 5100);
    cr_assert_eq(sim_status(client), 503);
    cr_assert_eq(verified(sim, VERIFY_UNAVAILABLE), 1);
    cr_assert_eq(sim->gateway.exchanges, 1);
    sim_check(sim);
    cr_assert_eq(verified(sim, VERIFY_OK), 0, "too late");
    check_untouched(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(verify_off, no_more_are_checked_at_once_than_there_are_places)
{
    struct sim *sim = sim_open(DISCORD, "");
    struct sim_client *clients[DOOR_CHECKS + 1];
    for (size_t i = 0; i <= DOOR_CHECKS; i++)
        clients[i] = sim_post(sim, "event", DISCORD_LINES);
    cr_assert_null(clients[DOOR_CHECKS]->ex);
    cr_assert_eq(sim_status(clients[DOOR_CHECKS]), 503);
    cr_assert_eq(verified(sim, VERIFY_UNAVAILABLE), 1);
    cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_BUSY), 1);
    for (size_t i = 0; i < DOOR_CHECKS; i++)
        cr_assert_not_null(clients[i]->ex);
    sim_check(sim);
    sim_answer(sim, 0, 200, "ok");
    for (size_t i = 0; i < DOOR_CHECKS; i++)
        cr_assert_eq(sim_status(clients[i]), 200, "%zu", i);
    for (size_t i = 0; i <= DOOR_CHECKS; i++)
        sim_client_free(clients[i]);
    sim_close(sim);
}

/* ---- handshakes ---- */

static void check_handshake(struct sim *sim, struct sim_client *client, unsigned status,
                            const char *body)
{
    char end[256];
    (void)snprintf(end, sizeof end, "\r\n\r\n%s", body);
    cr_assert_eq(sim_status(client), status, "%s", client->sent);
    cr_assert(sim_got(client, end), "%s", client->sent);
    cr_assert(sim_got(client, "Postern-Outcome: bypassed\r\n"));
    cr_assert(sim_got(client, "X-Content-Type-Options: nosniff\r\n"));
    cr_assert_eq(sim_ended(sim, OUTCOME_BYPASSED_HANDSHAKE), 1);
    check_untouched(sim);
    sim_client_free(client);
}

#define META "    handshake: meta\n    handshake_token: t0ken\n"

Test(handshake, an_unsigned_one_is_answered_before_the_signature_is_asked_for)
{
    struct sim *sim = sim_open(GITHUB META, "");
    struct sim_client *client = sim_send(
        sim, "GET", "/hook?hub.mode=subscribe&hub.challenge=42&hub.verify_token=t0ken", "", "");
    check_handshake(sim, client, 200, "42");
    sim_close(sim);
}

Test(handshake, a_wrong_token_is_refused)
{
    struct sim *sim = sim_open(META, "");
    struct sim_client *client = sim_send(
        sim, "GET", "/hook?hub.mode=subscribe&hub.challenge=42&hub.verify_token=no", "", "");
    cr_assert_eq(sim_status(client), 403);
    cr_assert_not(sim_got(client, "\r\n\r\n42"));
    check_untouched(sim);
    sim_client_free(client);
    sim_close(sim);
}

Test(handshake, a_signed_one_is_answered_after_its_check)
{
    struct sim *sim = sim_open(DISCORD "    handshake: discord\n", "");
    struct sim_client *client = sim_post(sim, "{\"type\":1}", DISCORD_PING_LINES);
    cr_assert_eq(sim_status(client), 0);
    sim_check(sim);
    check_handshake(sim, client, 200, "{\"type\":1}");
    sim_close(sim);
}

Test(handshake, one_without_a_body_still_has_its_type)
{
    struct sim *sim = sim_open(DISCORD "    handshake: discord\n", "");
    struct sim_client *client = sim_post(sim, "{\"type\":0}", DISCORD_TRY_LINES);
    sim_check(sim);
    cr_assert(sim_got(client, "Content-Type: application/json\r\n"), "%s", client->sent);
    cr_assert_not(sim_got(client, "Content-Length"));
    check_handshake(sim, client, 204, "");
    sim_close(sim);
}

Test(handshake, a_signed_one_without_its_signature_is_refused)
{
    struct sim *sim = sim_open(DISCORD "    handshake: discord\n", "");
    check_unverified(sim, "{\"type\":1}", "", VERIFY_MISSING);
    sim_close(sim);
}

Test(handshake, what_is_none_goes_its_way)
{
    struct sim *sim = sim_open("    handshake: slack\n", "");
    struct sim_client *client = sim_post(sim, "{\"type\":\"event_callback\"}", "");
    sim_answer(sim, 0, 200, "ok");
    cr_assert(sim_got(client, "Postern-Outcome: accepted"));
    sim_client_free(client);
    sim_close(sim);
}

Test(handshake, it_is_answered_each_time)
{
    struct sim *sim = sim_open("    handshake: slack\n", "");
    const char *body = "{\"type\":\"url_verification\",\"challenge\":\"abc\"}";
    for (unsigned i = 1; i <= 2; i++) {
        struct sim_client *client = sim_post(sim, body, "");
        cr_assert(sim_got(client, "\r\n\r\nabc"), "%s", client->sent);
        cr_assert_eq(sim_ended(sim, OUTCOME_BYPASSED_HANDSHAKE), i);
        sim_client_free(client);
    }
    check_untouched(sim);
    sim_close(sim);
}

/* ---- who it is ---- */

static const char *forwarded_head(const char *top_lines, const char *lines)
{
    static char head[2048];
    struct sim *sim = sim_open("", top_lines);
    struct sim_client *client = sim_post(sim, "event", lines);
    memcpy(head, sim->upstream.heads[0], sizeof head);
    sim_answer(sim, 0, 200, "ok");
    sim_client_free(client);
    sim_close(sim);
    return head;
}

Test(client, a_strangers_word_counts_for_nothing)
{
    const char *head = forwarded_head("", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: "
                                          "https\r\nX-Forwarded-Host: evil\r\n");
    cr_assert_not_null(strstr(head, "X-Forwarded-For: 192.0.2.7\r\n"), "%s", head);
    cr_assert_not_null(strstr(head, "X-Forwarded-Proto: http\r\n"));
    cr_assert_null(strstr(head, "evil"));
}

Test(client, a_trusted_proxy_is_believed)
{
    const char *head = forwarded_head("trusted_proxies: [192.0.2.0/24]\n",
                                      "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: "
                                      "https\r\n");
    cr_assert_not_null(strstr(head, "X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n"), "%s", head);
    cr_assert_not_null(strstr(head, "X-Forwarded-Proto: https\r\n"));
}

Test(client, it_is_whom_a_trusted_proxy_names)
{
    struct sim *sim = sim_open("", "trusted_proxies: [192.0.2.7]\n");
    struct sim_client *client =
        sim_begin(sim, "POST", "/hook", 5,
                  "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n");
    cr_assert(slice_eq(client->ex->client_address, SLICE("203.0.113.9")));
    cr_assert(slice_eq(client->ex->peer, SLICE("192.0.2.7")));
    cr_assert(client->ex->via_proxy && client->ex->secure);
    sim_leave(client);
    sim_client_free(client);
    sim_close(sim);
}
