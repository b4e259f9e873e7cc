/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration and the metrics tell over the API; nothing here asks a store.
 */
#include "api.h"

static const char *mode_text(enum route_mode mode)
{
    switch (mode) {
    case ROUTE_PROXY:
        return "proxy";
    case ROUTE_OBSERVE:
        return "observe";
    case ROUTE_QUEUE:
        return "queue";
    }
    return "unknown";
}

static void write_route(struct json_writer *writer, const struct config *config,
                        const struct route_opts *route)
{
    json_open(writer, '{');
    json_member_text(writer, "name", route->name);
    json_member_text(writer, "mode", slice_str(mode_text(route->mode)));
    json_member_text(writer, "upstream", config->upstreams[route->upstream].name);
    json_member_optional(writer, "host", route->match.host);
    json_member_text(writer, "path", route->match.path);
    json_name(writer, "methods");
    json_open(writer, '[');
    for (size_t i = 0; i < route->match.method_count; i++)
        json_text(writer, route->match.methods[i]);
    json_close(writer, ']');
    json_member_number(writer, "window_ms", route->window_ms);
    json_close(writer, '}');
}

/* Opens {"routes":[ … */
static void open_list(struct json_writer *writer)
{
    json_open(writer, '{');
    json_name(writer, "routes");
    json_open(writer, '[');
}

static enum op_status close_list(struct api_call *call)
{
    json_close(&call->writer, ']');
    json_close(&call->writer, '}');
    api_finish_json(call);
    return OP_READY;
}

enum op_status api_begin_routes(struct api_call *call)
{
    const struct config *config = call->opts->config;
    open_list(&call->writer);
    for (size_t i = 0; i < config->route_count; i++)
        write_route(&call->writer, config, &config->routes[i]);
    return close_list(call);
}

static uint64_t sum_book(const struct admin_opts *opts, const struct route_series *series,
                         enum book book)
{
    uint64_t sum = 0;
    for (enum outcome outcome = OUTCOME_NONE + 1; outcome < OUTCOMES; outcome++)
        if (outcome_row(outcome)->book == book)
            sum += metrics_sum(opts->metrics, series->outcomes[outcome]);
    return sum;
}

/* The books of one route; `name` empty: what matched no route. */
static void write_books(struct json_writer *writer, const struct admin_opts *opts,
                        struct slice name, const struct route_series *series)
{
    json_open(writer, '{');
    json_member_optional(writer, "name", name);
    json_member_number(writer, "received", metrics_sum(opts->metrics, series->received));
    json_member_number(writer, "in_progress", metrics_sum(opts->metrics, series->in_progress));
    for (enum book book = BOOK_ACCEPTED; book < BOOKS; book++)
        json_member_number(writer, book_name(book), sum_book(opts, series, book));
    json_close(writer, '}');
}

enum op_status api_begin_stats(struct api_call *call)
{
    const struct admin_opts *opts = call->opts;
    const struct books *books = opts->books;
    open_list(&call->writer);
    for (size_t i = 0; i <= books->route_count; i++)
        write_books(&call->writer, opts,
                    i < books->route_count ? opts->config->routes[i].name : SLICE(""),
                    &books->routes[i]);
    return close_list(call);
}
