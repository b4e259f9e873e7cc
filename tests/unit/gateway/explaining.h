/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of explain: a configuration, a request's text, and what is told of it. */
#ifndef POSTERN_TESTS_GATEWAY_EXPLAINING_H
#define POSTERN_TESTS_GATEWAY_EXPLAINING_H

#include <postern/gateway/explain.h>

#include <criterion/criterion.h>
#include <stdio.h>

#define NOW_MS 1763700000000u /* when the samples were signed */

static struct config *config;
static struct arena arena;
static struct explain_request request;
static struct explanation told;
static struct buf first_note;
static struct buf json;

/* The routes, as lines of a list; all share one upstream. */
static inline void open_config(const char *routes)
{
    char text[4096];
    struct buf report;
    buf_init(&report, 1u << 16);
    int len = snprintf(text, sizeof text,
                       "listen: [{address: 127.0.0.1:1}]\n"
                       "limits: {body: 64B}\n"
                       "upstreams: {a: {endpoints: http://h}}\n"
                       "routes:\n%s",
                       routes);
    enum status status = config_parse("f", slice_of(text, (size_t)len), &report, &config);
    cr_assert_eq(status, STATUS_OK, "%.*s", (int)buf_len(&report), buf_slice(&report).data);
    buf_done(&report);
    arena_init(&arena, 4096, EXPLAIN_ARENA_BYTES + 2 * config->http.head_bytes);
    buf_init(&first_note, DEDUP_NOTE_MAX);
    buf_init(&json, 1u << 20);
}

/* One route more than once explained: what the last one left is freed. */
static inline void forget(void)
{
    explain_done(&told);
    explain_request_done(&request);
    buf_clear(&first_note);
    buf_clear(&json);
    arena_reset(&arena);
}

static inline void close_config(void)
{
    forget();
    buf_done(&first_note);
    buf_done(&json);
    arena_done(&arena);
    config_free(config);
}

/* Explains `text` on the route of that name; "": on its own. */
static inline void explain_at(const char *route, const char *text, uint64_t now_ms)
{
    uint16_t status;
    const struct route_opts *named =
        *route ? route_named(config->routes, config->route_count, slice_str(route)) : NULL;
    forget();
    const char *problem = explain_read(&request, slice_str(text), &config->http,
                                       (size_t)config->body_bytes, &arena, &status);
    cr_assert_null(problem, "%s", problem);
    cr_assert_eq(explain_make(config, named, &request, now_ms, &arena, &told), STATUS_OK);
}

static inline void explain(const char *text)
{
    explain_at("", text, NOW_MS);
}

/* The store says `verdict` of the key; `note`: what lies beside it. */
static inline void hear(enum verdict verdict, struct dedup_first first, const char *note)
{
    struct dedup_op op;
    cr_assert(explain_prepare(&told, &first_note, &op));
    cr_assert_eq(buf_append(&first_note, slice_str(note)), STATUS_OK);
    op.verdict = verdict;
    op.first = first;
    explain_hear(&told, &op, NOW_MS);
}

/* The explanation as JSON, NUL-terminated. */
static inline const char *as_json(void)
{
    struct json_writer writer = {.buf = &json};
    buf_clear(&json);
    explain_write(&told, &writer);
    cr_assert_eq(writer.status, STATUS_OK);
    cr_assert_eq(buf_append_byte(&json, '\0'), STATUS_OK);
    return buf_slice(&json).data;
}

#define assert_tells(words) cr_assert(strstr(as_json(), words), "%s\nlacks %s", as_json(), words)

/* It ends so: how, with which outcome and which status of our own. */
static inline void assert_ends(enum explain_end end, enum outcome outcome, unsigned status)
{
    cr_assert_eq(told.end, end, "%d", told.end);
    cr_assert_eq(told.outcome, outcome, "%s", outcome_row(told.outcome)->name);
    cr_assert_eq(told.status, status, "%u", told.status);
}

#endif
