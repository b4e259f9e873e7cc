/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/summary: what the golden file of test_config.c does not show. */
#include "parsing.h"

#include <stdlib.h>

/* The summary of an upstream and a route with these settings has `line`. */
static void holds_line(const char *top, const char *route, const char *line)
{
    struct parsed parsed = parse_with(top, "", route);
    cr_assert_eq(parsed.status, STATUS_OK, "%s", parsed.report);
    struct buf text;
    buf_init(&text, 4096);
    cr_assert_eq(config_summary(parsed.config, &text), STATUS_OK);
    struct slice summary = buf_slice(&text);
    cr_assert(memmem(summary.data, summary.len, line, strlen(line)), "%.*s lacks: %s",
              (int)summary.len, summary.data, line);
    buf_done(&text);
    parsed_done(&parsed);
}

Test(summary, of_the_least)
{
    holds_line("workers: 1\n", "", "listen 127.0.0.1:8080, 1 worker\n");
    holds_line("", "", "admin 127.0.0.1:9901, no token\n");
    holds_line("", "", "dedup memory, 10000000 keys\n");
    holds_line("", "", "journal sqlite /var/lib/postern/postern.db, retention 7d\n");
    holds_line("", "", "route r: /r -> app, key payload, window 24h, lease 30s, ack async\n");
}

Test(summary, of_a_spool)
{
#define POSTGRES(more) "journal: {postgres: {url: \"postgresql://h\"}" more "}\n"
    holds_line(POSTGRES(""), "",
               "journal postgres, retention 7d, spool /var/lib/postern/spool.db\n");
    holds_line(POSTGRES(", spool: {path: /s}"), "", "retention 7d, spool /s\n");
    holds_line(POSTGRES(", spool: {enabled: false}"), "", "retention 7d, no spool\n");
}

Test(summary, of_a_queue_route)
{
    holds_line("", "    mode: queue\n",
               "window 24h, lease 30s, mode queue, 12 attempts within 3d, back-off 5s to 1h\n");
    holds_line("",
               "    mode: queue\n    retry: {max_attempts: 1, max_age: 90s, base: 1ms, cap: 1s}\n"
               "    sign: {secret: hushhushhushhush}\n",
               "mode queue, 1 attempt within 90s, back-off 1ms to 1s, signed\n");
    holds_line("", "    sign: {secret: hushhushhushhush}\n", "ack async, signed\n");
    holds_line("journal: {retention: 2d}\n", "    mode: queue\n    retry: {cap: 2s}\n",
               "mode queue, 12 attempts within 24h, back-off 2s to 2s\n");
}

Test(summary, of_an_upstream_that_signs)
{
    struct parsed parsed = parse_with("", "    sign: {secret: hushhushhushhush}\n", "");
    struct buf text;
    buf_init(&text, 4096);
    cr_assert_eq(config_summary(parsed.config, &text), STATUS_OK);
    struct slice summary = buf_slice(&text);
    cr_assert_not_null(memmem(summary.data, summary.len, ", signed\n", 9));
    cr_assert_null(memmem(summary.data, summary.len, "hush", 4));
    buf_done(&text);
    parsed_done(&parsed);
}

Test(summary, of_a_key)
{
    holds_line("", "    key: {json: [id, data.id]}\n", "key json[id, data.id], window");
    holds_line("", "    key: [{header: A}, payload]\n", "key header A or payload, window");
    holds_line("", "    key: {payload: {canonical: true}}\n", "key canonical payload, window");
    holds_line("", "    key: {payload: {include: [a.b, c], exclude: \"*.d\"}}\n",
               "key canonical payload of [a.b, c] without [*.d], window");
    holds_line("", "    scope: [method, {header: T}]\n",
               "key payload per method, header T, window");
}

Test(summary, of_the_door)
{
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
    holds_line("", "    preset: github\n    signature: {secret: env:POSTERN_TEST_SECRET}\n",
               "route r: /r, preset github -> app, key ");
    holds_line("", "    preset: github\n    signature: {secret: env:POSTERN_TEST_SECRET}\n",
               ", ack async, signature github with 1 secret");
    holds_line("",
               "    signature: {scheme: github, secrets: [env:POSTERN_TEST_SECRET, "
               "env:POSTERN_TEST_SECRET]}\n    handshake: slack\n",
               ", signature github with 2 secrets, handshake slack\n");
    holds_line("", "    key: {header: X, structured: true}\n    fingerprint: payload\n",
               "key header structured X, window 24h, lease 30s, ack async, mismatch conflict\n");
    holds_line("", "    key: {header: [X, Y]}\n",
               "key header X or Y, window 24h, lease 30s, ack async\n");
    holds_line("", "    duplicate: replay\n", ", ack async, duplicate replay\n");
}

Test(summary, of_rates)
{
    holds_line("", "    limits: {rate: 100/s, burst: 200}\n",
               ", rate 100/s burst 200 per client\n");
    holds_line("", "    limits: {rate: 30/m, per: route}\n", ", rate 30/m burst 1 per route\n");
    holds_line("", "    limits: {rate: 1/h, per: {header: X-T}}\n",
               ", rate 1/h burst 1 per header X-T\n");
    holds_line("", "    limits: {rate: 1/m}\n", ", rate 1/m burst 1 per client\n");
    holds_line("", "    limits: {rate: 119/m}\n", ", rate 119/m burst 1 per client\n");
    holds_line("", "    limits: {rate: 10000/s}\n", ", rate 10000/s burst 10000 per client\n");
    holds_line("dedup: {redis: {url: \"redis://h\"}}\n", "    limits: {rate: 3/s, shared: true}\n",
               ", rate 3/s burst 3 per client, shared\n");
}

Test(summary, of_tls_and_proxies)
{
    holds_line("dedup: {redis: {url: \"rediss://h\"}}\n", "", "dedup redis h:6379/0, TLS\n");
    holds_line("dedup: {redis: {url: \"rediss://h\", tls: {verify: false}}}\n", "",
               "dedup redis h:6379/0, TLS not verified\n");
    holds_line("trusted_proxies: 10.0.0.0/8\n", "", "trusted proxies: 1 network\n");
}

Test(summary, of_a_disabled_admin)
{
    struct parsed parsed = parse_with("admin: {enabled: false}\n", "", "");
    struct buf text;
    buf_init(&text, 4096);
    cr_assert_eq(config_summary(parsed.config, &text), STATUS_OK);
    cr_assert_null(memmem(buf_slice(&text).data, buf_len(&text), "admin", 5));
    buf_done(&text);
    buf_init(&text, 10);
    cr_assert_eq(config_summary(parsed.config, &text), STATUS_FULL);
    buf_done(&text);
    parsed_done(&parsed);
}
