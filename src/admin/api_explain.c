/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain over the API: the body is a request as a sender would send it; the answer says what the
 * gateway would do with it, the dedup store's verdict included. Nothing is changed, and nothing of
 * it reaches the log.
 *
 *   body -> read -> explain -> key? -> peek~> -> answer
 */
#include "api.h"

#include <postern/gateway/explain.h>
#include <stdio.h>
#include <stdlib.h>

/* One explanation under way. */
struct api_explain {
    struct api_call *call;
    struct arena arena;
    struct explain_request request;
    struct explanation told;
    struct dedup_op op;
    struct buf first_note;
};

static struct api_explain *explain_new(struct api_call *call)
{
    struct api_explain *explain = calloc(1, sizeof *explain);
    if (!explain)
        return NULL;
    explain->call = call;
    arena_init(&explain->arena, 16384,
               EXPLAIN_ARENA_BYTES + 2 * call->opts->config->http.head_bytes);
    buf_init(&explain->first_note, DEDUP_NOTE_MAX);
    return explain;
}

static void explain_free(struct api_explain *explain)
{
    explain_done(&explain->told);
    explain_request_done(&explain->request);
    buf_done(&explain->first_note);
    arena_done(&explain->arena);
    free(explain);
}

static void refuse_for_want(struct api_call *call)
{
    api_problem(call, 500, "no-memory", "No room to explain it",
                SLICE("Memory is short, or the request needs more than explain may take."));
}

/* ---- the request ---- */

static void refuse_request(struct api_call *call, const char *problem, uint16_t status)
{
    char detail[256];
    int len = snprintf(detail, sizeof detail, "What was sent is no request to be explained: %s.",
                       problem);
    if (status)
        len += snprintf(detail + len, sizeof detail - (size_t)len, " The gateway would answer %u.",
                        status);
    api_problem(call, 400, "not-a-request", "Not a request", slice_of(detail, (size_t)len));
}

static bool read_request(struct api_explain *explain)
{
    struct api_call *call = explain->call;
    const struct config *config = call->opts->config;
    uint16_t status;
    const char *problem = explain_read(&explain->request, buf_slice(&call->request_body),
                                       &config->http, explain_body_max(config), &explain->arena,
                                       &status);
    if (problem)
        refuse_request(call, problem, status);
    return !problem;
}

/* True, with *ret_route the one that was asked for, or NULL. */
static bool find_route(struct api_call *call, const struct route_opts **ret_route)
{
    struct slice name = call->question.filter.route;
    const struct config *config = call->opts->config;
    *ret_route = name.len > 0 ? route_named(config->routes, config->route_count, name) : NULL;
    if (name.len == 0 || *ret_route)
        return true;
    api_problem(call, 404, "no-route", "No such route",
                SLICE("The configuration has no route of this name; GET /api/v1/routes lists "
                      "them."));
    return false;
}

static bool explain_it(struct api_explain *explain)
{
    struct api_call *call = explain->call;
    const struct route_opts *route;
    if (!find_route(call, &route) || !read_request(explain))
        return false;
    if (explain_make(call->opts->config, route, &explain->request, call->opts->loop->clock.wall_ms,
                     &explain->arena, &explain->told) == STATUS_OK)
        return true;
    refuse_for_want(call);
    return false;
}

/* ---- the store ---- */

static void hear(struct api_explain *explain)
{
    explain_hear(&explain->told, &explain->op, explain->call->opts->loop->clock.wall_ms);
}

static void write_answer(struct api_explain *explain)
{
    explain_write(&explain->told, &explain->call->writer);
    api_finish_json(explain->call);
}

static void on_peeked(struct dedup_op *op)
{
    struct api_explain *explain = container_of(op, struct api_explain, op);
    struct api_call *call = explain->call;
    hear(explain);
    write_answer(explain);
    explain_free(explain);
    call->answered(call);
}

static enum op_status ask_store(struct api_explain *explain)
{
    struct admin_store *store = explain->call->opts->store;
    if (!store || !explain_prepare(&explain->told, &explain->first_note, &explain->op))
        return OP_READY;
    explain->op.answered = on_peeked;
    if (store->peek(store, &explain->op) == OP_PENDING)
        return OP_PENDING;
    hear(explain);
    return OP_READY;
}

enum op_status api_begin_explain(struct api_call *call)
{
    struct api_explain *explain = explain_new(call);
    if (!explain) {
        refuse_for_want(call);
        return OP_READY;
    }
    bool is_explained = explain_it(explain);
    if (is_explained && ask_store(explain) == OP_PENDING)
        return OP_PENDING;
    if (is_explained)
        write_answer(explain);
    explain_free(explain);
    return OP_READY;
}
