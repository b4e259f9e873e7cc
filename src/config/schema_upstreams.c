/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of one upstream, and the words of a row that Redis has as well.
 */
#include "readers.h"
#include "rows.h"
#include "schema.h"

#define UPSTREAM(member) AT(struct upstream_settings, opts.member)
#define UPSTREAM_TLS(member) UPSTREAM(tls.member)
#define LANE(member) AT(struct upstream_settings, lane.member)

const struct word TLS_VERIFY_WORDS[] = {{"true", false, false},
                                        {"false", true, false}, /* to `insecure` */
                                        {NULL, 0, false}};

static const struct setting UPSTREAMS[] = {
    {.path = "endpoints",
     .kind = SETTING_CUSTOM,
     .read = read_endpoints,
     .required = true,
     .form = "a list: `[\"http://10.0.0.5:8000\", \"https://app.example.com\"]`",
     .help = "Taken in turn; 1 … 64. Port 80 unless given, 443 with `https://`."},
    {.path = "connect_timeout",
     .kind = SETTING_MS,
     UPSTREAM(connect_timeout_ms),
     .standard = "1s",
     .min = 1,
     .max = 10 * MINUTE,
     .help = "Longest wait for a connection; then another endpoint, or 502."},
    {.path = "timeout",
     .kind = SETTING_MS,
     UPSTREAM(timeout_ms),
     .standard = "10s",
     .min = 1,
     .max = HOUR,
     .help = "From the request's first byte out to the response's head, and between pieces of its "
             "body; then 504."},
    {.path = "concurrency",
     .kind = SETTING_COUNT,
     UPSTREAM(concurrency),
     .standard = "256",
     .min = 1,
     .max = 100000,
     .help = "Requests in flight, per worker."},
    {.path = "queue",
     .kind = SETTING_COUNT,
     UPSTREAM(queue_max),
     .standard = "1024",
     .min = 0,
     .max = 1000000,
     .help = "Requests of one worker that wait for a free slot; more get 503."},
    {.path = "idle_timeout",
     .kind = SETTING_MS,
     UPSTREAM(idle_timeout_ms),
     .standard = "60s",
     .min = 10,
     .max = DAY,
     .help = "A kept connection unused for that long is closed. Keep it below the upstream's own."},
    {.path = "idle_connections",
     .kind = SETTING_COUNT,
     UPSTREAM(idle_max),
     .standard = "256",
     .min = 0,
     .max = 100000,
     .help = "Connections of one worker kept open while unused."},
    TLS_CLIENT_ROWS("tls", UPSTREAM_TLS, "the endpoint's host"),
    {.path = "rate",
     .kind = SETTING_CUSTOM,
     LANE(pace),
     .read = read_rate,
     .otherwise = "no limit",
     .form = "`100/s`, `30/m`, `5/h`; at most 10000/s",
     .help = "Attempts to deliver queued events, per worker."},
    {.path = "burst",
     .kind = SETTING_COUNT,
     LANE(pace.burst),
     .otherwise = "what `rate` lets through in a second, at least 1",
     .min = 1,
     .max = 1000000,
     .help = "How many of them may go at once after a pause."},
    {.path = "breaker.failures",
     .kind = SETTING_COUNT,
     LANE(breaker.failures),
     .standard = "10",
     .min = 0,
     .max = 1000000,
     .help = "Attempts in a row that found no connection, no answer or a 5xx, after which queued "
             "events wait; 0 turns that off. Per worker."},
    {.path = "breaker.cool_down",
     .kind = SETTING_MS,
     LANE(breaker.cool_down_ms),
     .standard = "5s",
     .min = 1,
     .max = HOUR,
     .help = "How long they wait before one of them is tried; doubles while that fails, up to 16 "
             "times this."},
    {.path = "sign.secret",
     .kind = SETTING_CUSTOM,
     LANE(sign_key),
     .read = read_sign_key,
     .otherwise = "not signed",
     .form = "`whsec_…` or 16 bytes or more, better by `env:NAME`, `file:PATH`",
     .help = "Signs deliveries of queued events by Standard Webhooks. A route's own goes first."},
};

const struct scope SCOPE_UPSTREAM = {"Upstreams", "upstreams.NAME.", UPSTREAMS, COUNT(UPSTREAMS)};
