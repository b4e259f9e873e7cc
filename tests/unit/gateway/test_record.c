/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a request, in the journal and in the log: evidence, and no secret.
 */
#include "sim.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#define HUSH "hush-9f2c"

/* ---- the journal ---- */

static struct sim_row row;

/* The journal's record of a request with these header lines. */
static const char *recorded_headers(const char *lines)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_post(sim, "event", lines);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(sim->journal.row_count, 1);
    row = sim->journal.rows[0];
    sim_client_free(client);
    sim_close(sim);
    return row.headers;
}

Test(record, credentials_are_masked)
{
    const char *names[] = {
        "Authorization",
        "AUTHORIZATION",
        "Cookie",
        "X-Api-Key",
        "X-Gitlab-Token",
        "X-Telegram-Bot-Api-Secret-Token",
        "X-Auth-Token",
        "X-Goog-Channel-Token",
        "X-Amz-Security-Token",
        "Api-Key",
        "X-Webhook-Secret",
        "X-Password",
        "X-Authorization",
        "X-ApiKey",
        "Ocp-Apim-Subscription-Key",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "%s: " HUSH "\r\n", names[i]);
        const char *headers = recorded_headers(line);
        (void)snprintf(line, sizeof line, "%s: ***\r\n", names[i]);
        cr_assert_not_null(strstr(headers, line), "%s", names[i]);
        cr_assert_null(strstr(headers, HUSH), "%s", names[i]);
    }
}

Test(record, each_of_repeated_credentials_is_masked)
{
    const char *headers =
        recorded_headers("Cookie: a=" HUSH "\r\nX-A: 1\r\nCookie: b=" HUSH "\r\n");
    cr_assert_null(strstr(headers, HUSH));
    cr_assert_not_null(strstr(headers, "X-A: 1\r\n"));
}

/* Signatures prove a body and open no door; ids are what people search for. */
Test(record, evidence_is_kept_as_it_came)
{
    const char *kept[] = {"Stripe-Signature: t=1,v1=abc\r\n", "X-Hub-Signature-256: sha256=00\r\n",
                          "Idempotency-Key: 42\r\n", "X-GitHub-Delivery: 7\r\n",
                          "Content-Type: application/json\r\n"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        cr_assert_not_null(strstr(recorded_headers(kept[i]), kept[i]), "%s", kept[i]);
}

Test(record, hop_by_hop_fields_are_left_out)
{
    const char *headers = recorded_headers("Connection: X-Drop\r\nX-Drop: 1\r\nKeep-Alive: 5\r\n"
                                           "Proxy-Authorization: " HUSH "\r\nX-A: 1\r\n");
    cr_assert_null(strstr(headers, "Drop"));
    cr_assert_null(strstr(headers, "Keep-Alive"));
    cr_assert_null(strstr(headers, HUSH));
    cr_assert_not_null(strstr(headers, "X-A: 1\r\n"));
}

/* ---- the log ---- */

static char lines[65536];

/* Runs one request with secrets in every place, and reads what the log got. */
static void log_exchange(const char *top_lines, const char *target, uint16_t status)
{
    int ends[2];
    struct log *log;
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(log_open(ends[1], LOG_FORMAT_JSON, LOG_DEBUG, &log), STATUS_OK);
    struct sim *sim = sim_open("", top_lines);
    sim->gateway.log = log;
    struct sim_client *client = sim_send(sim, "POST", target, "{\"password\":\"" HUSH "\"}",
                                         "Authorization: Bearer " HUSH "\r\nX-Any: " HUSH "\r\n");
    if (sim->upstream.call_count > 0)
        sim_answer(sim, 0, status, "the upstream's " HUSH);
    cr_assert(client->answered);
    sim_client_free(client);
    sim_close(sim);
    log_close(log);
    close(ends[1]);
    ssize_t count = read(ends[0], lines, sizeof lines - 1);
    cr_assert_geq(count, 0);
    lines[count] = '\0';
    close(ends[0]);
}

Test(access_lines, tell_what_happened_and_no_secret)
{
    log_exchange("log: {access_sample: 1}\n", "/hook?token=" HUSH, 200);
    cr_assert_not_null(strstr(lines, "\"outcome\":\"accepted\""));
    cr_assert_not_null(strstr(lines, "\"route\":\"hook\""));
    cr_assert_not_null(strstr(lines, "\"path\":\"/hook\""));
    cr_assert_not_null(strstr(lines, "\"client\":\"192.0.2.7\""));
    cr_assert_not_null(strstr(lines, "\"status\":200"));
    cr_assert_null(strstr(lines, HUSH), "%s", lines);
}

Test(access_lines, of_failures_are_written_without_sampling)
{
    log_exchange("log: {access_sample: 0}\n", "/hook?token=" HUSH, 500);
    cr_assert_not_null(strstr(lines, "\"outcome\":\"failed_status\""));
    cr_assert_null(strstr(lines, HUSH), "%s", lines);
}

Test(access_lines, of_the_refused_hold_no_secret)
{
    log_exchange("log: {access_sample: 1}\n", "/else?token=" HUSH, 0);
    cr_assert_not_null(strstr(lines, "\"outcome\":\"rejected_no_route\""));
    cr_assert_null(strstr(lines, HUSH), "%s", lines);
}

Test(access_lines, of_what_went_well_are_sampled)
{
    log_exchange("log: {access_sample: 2}\n", "/hook", 200);
    cr_assert_str_eq(lines, "");
}

/* An outage gives some lines a second, and the number of those left out. */
Test(access_lines, of_failures_are_capped_and_counted)
{
    int ends[2];
    struct log *log;
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(log_open(ends[1], LOG_FORMAT_JSON, LOG_DEBUG, &log), STATUS_OK);
    struct sim *sim = sim_open("", "log: {access_sample: 0}\n");
    sim->gateway.log = log;
    for (size_t i = 0; i < 30; i++) {
        struct sim_client *client = sim_post(sim, "event", "");
        sim_answer(sim, i, 500, "no");
        sim_client_free(client);
    }
    sim_pass(sim, 1100);
    struct sim_client *late = sim_post(sim, "event", "");
    sim_answer(sim, 30, 500, "no");
    sim_client_free(late);
    sim_close(sim);
    log_close(log);
    close(ends[1]);
    ssize_t count = read(ends[0], lines, sizeof lines - 1);
    cr_assert_gt(count, 0);
    lines[count] = '\0';
    close(ends[0]);
    size_t failures = 0;
    for (const char *at = lines; (at = strstr(at, "\"msg\":\"exchange failed\"")) != NULL; at++)
        failures++;
    cr_assert_eq(failures, 21);
    cr_assert_not_null(strstr(lines, "\"of\":\"exchange failed\",\"count\":10"));
}
