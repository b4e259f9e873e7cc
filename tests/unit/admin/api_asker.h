/* SPDX-License-Identifier: Apache-2.0 */
/* For the API's tests: one request after the other over a fake archive and a manual loop. */
#ifndef POSTERN_TESTS_ADMIN_API_ASKER_H
#define POSTERN_TESTS_ADMIN_API_ASKER_H

#include "api.h"
#include "fake_archive.h"

#define ASKER_NOW 1795219200123u /* wall clock, 2026-11-21T00:00:00.123Z */

static struct loop loop;
static struct fake_archive fake;
static struct metrics *metrics;
static struct books *books;
static struct admin_opts opts;
static struct arena arena;
static struct api_call call;
static struct http_field fields[2];
static struct http_head head;
static bool answered;

static const struct slice methods[] = {{"POST", 4}, {"PUT", 3}};
static struct upstream_opts upstreams[] = {{.name = {"up", 2}}};
static struct route_opts routes[] = {
    {.name = {"billing", 7},
     .mode = ROUTE_QUEUE,
     .window_ms = 5000,
     .match =
         {.host = {"h.example", 9}, .path = {"/pay", 4}, .methods = methods, .method_count = 2}},
    {.name = {"all", 3}, .mode = ROUTE_PROXY, .window_ms = 1, .match.path = {"/*", 2}},
};
static struct config config = {
    .workers = 1, .upstreams = upstreams, .upstream_count = 1, .routes = routes, .route_count = 2};

static void on_answered(struct api_call *answered_call)
{
    cr_assert_eq(answered_call, &call);
    answered = true;
}

static inline void asker_set_up(void)
{
    loop_init_manual(&loop, 1000, ASKER_NOW);
    fake_archive_init(&fake, &loop);
    metrics = metrics_new(2);
    cr_assert_eq(books_open(&config, metrics, &books), STATUS_OK);
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
    arena_init(&arena, 4096, 65536);
    head.host = SLICE("127.0.0.1:9901");
    head.fields = fields;
    opts = (struct admin_opts){.loop = &loop,
                               .config = &config,
                               .metrics = metrics,
                               .books = books,
                               .archive = &fake.archive};
    call =
        (struct api_call){.opts = &opts, .head = &head, .arena = &arena, .answered = on_answered};
    buf_init(&call.body, 32u << 20);
}

static inline void asker_tear_down(void)
{
    buf_done(&call.body);
    arena_done(&arena);
    books_close(books);
    metrics_free(metrics);
}

static inline void add_field(const char *name, const char *value)
{
    fields[head.field_count++] =
        (struct http_field){.name = slice_str(name), .value = slice_str(value)};
}

/* Asks, lets the loop turn once, and gives the answer's status. */
static inline unsigned ask(const char *method, const char *path, const char *query)
{
    head.method = slice_str(method);
    head.path = slice_str(path);
    head.query = slice_str(query);
    buf_clear(&call.body);
    answered = false;
    arena_reset(&arena);
    if (api_begin(&call) == OP_PENDING) {
        cr_assert(!answered);
        loop_turn_manual(&loop);
        cr_assert(answered);
    }
    return call.page.status;
}

/* The answer's text, NUL-terminated. */
static inline const char *text(void)
{
    cr_assert_not_null(buf_reserve(&call.body, 1));
    call.body.data[call.body.end] = '\0';
    return buf_slice(&call.body).data;
}

static inline bool said(const char *words)
{
    return strstr(text(), words) != NULL;
}

#endif
