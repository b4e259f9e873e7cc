/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong between a route's settings, its upstream's, and other routes'.
 */
#include "build.h"
#include "text.h"
#include "values.h"

/* Fields that proxies write anew for each attempt, or that no two requests share: as a key they
 * make every retry a new event. */
static const char *const VOLATILE_HEADERS[] = {"X-Request-Id",
                                               "X-Correlation-Id",
                                               "Request-Id",
                                               "traceparent",
                                               "tracestate",
                                               "X-B3-TraceId",
                                               "X-Amzn-Trace-Id",
                                               "Date",
                                               "X-Request-Start",
                                               "X-Forwarded-For",
                                               "Age",
                                               "Via",
                                               "X-Timestamp",
                                               "X-Cloud-Trace-Context"};

static struct mark mark_in(const struct build *build, size_t route, const char *path)
{
    struct node *map = build->route_nodes[route];
    return build_mark(node_find(map, path), map);
}

static bool is_refused(struct node *map, const char *path)
{
    const struct node *node = node_find(map, path);
    return node && node->refused;
}

/* No more than a warning: a claim is renewed while its request is at the upstream. */
static void check_lease(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    if (route->upstream == SIZE_MAX)
        return;
    const struct upstream_opts *upstream = &build->config->upstreams[route->upstream];
    if (route->lease_ms > upstream->timeout_ms || is_refused(build->route_nodes[index], "lease") ||
        is_refused(build->upstream_nodes[route->upstream], "timeout"))
        return;
    char lease[VALUE_TEXT_SIZE], timeout[VALUE_TEXT_SIZE];
    value_format_duration(route->lease_ms, lease);
    value_format_duration(upstream->timeout_ms, timeout);
    report_finding(build->report, SEVERITY_WARNING, mark_in(build, index, "lease"),
                   "lease %s is not longer than the timeout %s of upstream \"%.*s\"", lease,
                   timeout, PRINT(upstream->name));
    report_hint(build->report, "when renewals fail, the claim ends while the upstream may still "
                               "answer; better take a longer lease or a shorter upstream timeout");
}

static void check_window(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    if (route->window_ms >= route->lease_ms || is_refused(build->route_nodes[index], "window") ||
        is_refused(build->route_nodes[index], "lease"))
        return;
    report_finding(build->report, SEVERITY_WARNING, mark_in(build, index, "window"),
                   "the window is shorter than the lease: retries of a slow event are new events");
}

static void check_body(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    if (route->body_bytes <= build->config->body_memory_bytes ||
        !node_find(build->route_nodes[index], "limits.body"))
        return;
    report_error(build->report, mark_in(build, index, "limits.body"),
                 "limits.body must not be larger than the file's limits.body_memory");
}

static bool is_volatile(struct slice header)
{
    for (size_t i = 0; i < sizeof(VOLATILE_HEADERS) / sizeof(VOLATILE_HEADERS[0]); i++)
        if (slice_ieq(header, slice_str(VOLATILE_HEADERS[i])))
            return true;
    return false;
}

/* As a part of the scope it does the same to every rule. */
static void check_scope(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    for (size_t i = 0; i < route->scope_count; i++)
        if (route->scope[i].kind == KEY_SCOPE_HEADER && is_volatile(route->scope[i].name))
            report_finding(build->report, SEVERITY_WARNING, mark_in(build, index, "scope"),
                           "header %.*s usually differs between attempts: every retry is a new "
                           "event then",
                           PRINT(route->scope[i].name));
}

static void check_key_header(struct build *build, size_t index, struct slice name)
{
    if (!is_volatile(name))
        return;
    report_finding(build->report, SEVERITY_WARNING, mark_in(build, index, "key"),
                   "header %.*s usually differs between attempts: every retry is a new event then",
                   PRINT(name));
    report_hint(build->report, "take what the sender keeps over its retries");
}

static void check_key_headers(struct build *build, size_t index, const struct key_rule *rule)
{
    if (rule->kind != KEY_HEADER)
        return;
    check_key_header(build, index, rule->name);
    for (size_t i = 0; i < rule->other_count; i++)
        check_key_header(build, index, rule->others[i]);
}

static void check_keys(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    for (size_t i = 0; i < route->key_count; i++) {
        const struct key_rule *rule = &route->keys[i];
        check_key_headers(build, index, rule);
        if (rule->kind == KEY_PAYLOAD && !rule->canonical && i + 1 < route->key_count)
            report_finding(build->report, SEVERITY_WARNING, mark_in(build, index, "key"),
                           "rules after payload are only tried when the body is empty");
    }
}

/* ---- routes among each other ---- */

static bool covers_host(struct slice wide, struct slice narrow)
{
    if (wide.len == 0 || slice_eq(wide, narrow))
        return true;
    struct slice suffix = slice_skip(wide, 1); /* ".example.com" */
    return slice_starts(wide, SLICE("*.")) && narrow.len > suffix.len &&
           slice_eq(slice_skip(narrow, narrow.len - suffix.len), suffix);
}

static bool covers_path(struct slice wide, struct slice narrow)
{
    if (slice_eq(wide, narrow))
        return true;
    bool is_prefix = wide.len > 0 && wide.data[wide.len - 1] == '*';
    return is_prefix && slice_starts(narrow, slice_of(wide.data, wide.len - 1));
}

static bool has_method(const struct route_match *match, struct slice method)
{
    for (size_t i = 0; i < match->method_count; i++)
        if (slice_eq(match->methods[i], method))
            return true;
    return false;
}

static bool covers_methods(const struct route_match *wide, const struct route_match *narrow)
{
    if (wide->method_count == 0)
        return true;
    for (size_t i = 0; i < narrow->method_count; i++)
        if (!has_method(wide, narrow->methods[i]))
            return false;
    return narrow->method_count > 0;
}

static bool covers(const struct route_match *wide, const struct route_match *narrow)
{
    return wide->path.len > 0 && narrow->path.len > 0 && covers_path(wide->path, narrow->path) &&
           covers_host(wide->host, narrow->host) && covers_methods(wide, narrow);
}

/* Settings of the match that could not be read leave a default that covers too much. */
static bool has_sound_match(const struct build *build, size_t index)
{
    struct node *map = build->route_nodes[index];
    return !is_refused(map, "match") && !is_refused(map, "match.host") &&
           !is_refused(map, "match.methods");
}

static void check_shadow(struct build *build, size_t index)
{
    const struct route_opts *routes = build->config->routes;
    for (size_t i = 0; i < index && has_sound_match(build, index); i++) {
        if (!covers(&routes[i].match, &routes[index].match) || !has_sound_match(build, i))
            continue;
        report_finding(build->report, SEVERITY_WARNING, mark_in(build, index, "match.path"),
                       "no request gets here: route \"%.*s\" on line %u takes them all",
                       PRINT(routes[i].name), build->route_nodes[i]->at.line);
        report_hint(build->report, "the first match wins; put the narrower route first");
        return;
    }
}

/* A pattern that only paths match which could mean two things: those match no route. */
static void check_plain_path(struct build *build, size_t index)
{
    struct slice path = build->config->routes[index].match.path;
    if (path.len >= 2 && slice_eq(slice_skip(path, path.len - 2), SLICE("/*")))
        path.len -= path.len == 2 ? 1 : 2; /* what is below has segments of its own */
    if (path.len == 0 || route_path_is_plain(path))
        return;
    report_error(build->report, mark_in(build, index, "match.path"),
                 "no request can match this path");
    report_hint(build->report,
                "write it without \".\" and \"..\" segments, empty segments, and encoded "
                "characters that need no encoding");
}

static void check_name_twice(struct build *build, size_t index)
{
    const struct route_opts *routes = build->config->routes;
    for (size_t i = 0; i < index && routes[index].name.len > 0; i++) {
        if (!slice_eq(routes[i].name, routes[index].name))
            continue;
        report_error(build->report, mark_in(build, index, "name"), "route name \"%.*s\" twice",
                     PRINT(routes[i].name));
        report_hint(build->report, "it is given on line %u already",
                    mark_in(build, i, "name").line);
        return;
    }
}

static void check_unused_upstreams(struct build *build)
{
    const struct config *config = build->config;
    for (size_t i = 0; i < config->upstream_count; i++) {
        bool used = false;
        for (size_t j = 0; j < config->route_count && !used; j++)
            used = config->routes[j].upstream == i;
        if (!used)
            report_finding(build->report, SEVERITY_WARNING, build->upstream_nodes[i]->key_at,
                           "no route uses upstream \"%.*s\"", SHOWN(config->upstreams[i].name));
    }
}

void checks_run_routes(struct build *build)
{
    for (size_t i = 0; i < build->config->route_count; i++) {
        check_plain_path(build, i);
        check_lease(build, i);
        check_window(build, i);
        check_body(build, i);
        check_keys(build, i);
        check_scope(build, i);
        check_name_twice(build, i);
        check_shadow(build, i);
    }
    check_unused_upstreams(build);
}
