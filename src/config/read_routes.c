/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of the routes: the list, what they match, which upstream they name, how duplicates are
 * answered, which statuses they take for a success. Their keys are read_keys.c's.
 */
#include "readers.h"
#include "suggest.h"
#include "text.h"
#include "values.h"

static const char *const METHODS[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
#define METHOD_COUNT (sizeof(METHODS) / sizeof(METHODS[0]))

#define ACCEPT_STATUS 202u /* of a queue */
#define ACK_STATUS 200u    /* of a duplicate */

static void read_route(struct build *build, struct node *node)
{
    struct config *config = build->config;
    struct route_opts *route = &config->routes[config->route_count];
    build->route_nodes[config->route_count++] = node;
    route->body_bytes = config->body_bytes;
    route->upstream = SIZE_MAX; /* until it is found: checks pass over it */
    preset_lay_under(build, node);
    if (node->kind == NODE_MAP)
        settings_read(build, &SCOPE_ROUTE, node, route);
    else
        build_refuse(build, node, "a route must be a map of settings");
    if (route->accept_status == 0)
        route->accept_status = ACCEPT_STATUS;
}

SETTING_READER(read_routes)
{
    struct config *config = target;
    if (node->kind != NODE_LIST || node->count == 0 || node->count > BUILD_MAX_ROUTES) {
        build_refuse(build, node, "routes must be a list of 1 to %u routes", BUILD_MAX_ROUTES);
        report_hint(build->report, "give it as %s", setting->form);
        return;
    }
    config->routes = build_alloc(build, node->count * sizeof(config->routes[0]));
    build->route_nodes = build_alloc(build, node->count * sizeof(struct node *));
    if (!config->routes || !build->route_nodes)
        return;
    for (struct node *item = node->first; item; item = item->next)
        if (item->kind != NODE_BROKEN)
            read_route(build, item);
}

/* ---- match ---- */

/* Bytes that stand for themselves in a path and can't be mistaken for a pattern. */
static bool is_path_byte(char c)
{
    return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && !strchr("*?#\\\"<>{}|^`", c);
}

const char *check_route_path(struct slice text)
{
    static const char *const needed =
        "a path that begins with \"/\", in ASCII, with \"*\" only as a last \"/*\"";
    struct slice path = text;
    if (path.len >= 2 && slice_eq(slice_skip(path, path.len - 2), SLICE("/*")))
        path.len--;
    if (path.len == 0 || path.data[0] != '/' || path.len > 4096)
        return needed;
    for (size_t i = 0; i < path.len; i++)
        if (!is_path_byte(path.data[i]))
            return needed;
    return NULL;
}

bool host_is_name(struct slice host)
{
    if (slice_starts(host, SLICE("*.")))
        host = slice_skip(host, 2);
    if (host.len == 0 || host.len > 253 || host.data[0] == '.')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = ascii_lower(host.data[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* "[::1]" as well: what a client writes into Host for a numeric address. */
static bool is_bracketed_address(struct slice host)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    if (!slice_starts(host, SLICE("[")) || host.len + 3 > sizeof(text))
        return false;
    memcpy(text, host.data, host.len);
    memcpy(text + host.len, ":1", 3);
    return address_parse(slice_str(text), &address) == STATUS_OK;
}

SETTING_READER(read_host)
{
    struct slice *host = target;
    if (!build_is_value(build, setting, node))
        return;
    if (!host_is_name(node->text) && !is_bracketed_address(node->text)) {
        build_refuse(build, node, "\"%.*s\" is not a host name", SHOWN(node->text));
        report_hint(build->report, "%s, without a port", setting->form);
        return;
    }
    char *lower = build_alloc(build, node->text.len);
    if (!lower)
        return;
    for (size_t i = 0; i < node->text.len; i++)
        lower[i] = ascii_lower(node->text.data[i]);
    *host = slice_of(lower, node->text.len);
}

/* The methods of one route while they are read. */
struct methods {
    struct slice *list;
    size_t count;
};

static void read_method(struct build *build, struct node *item, void *target)
{
    struct methods *methods = target;
    struct suggestion suggestion = suggest_for(item->text);
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (slice_eq(item->text, slice_str(METHODS[i]))) {
            methods->list[methods->count++] = slice_str(METHODS[i]);
            return;
        }
        suggest_offer(&suggestion, slice_str(METHODS[i]));
    }
    build_refuse(build, item, "\"%.*s\" is not a method that is served", SHOWN(item->text));
    build_suggest(build, &suggestion);
}

SETTING_READER(read_methods)
{
    struct route_opts *route = target;
    struct methods methods = {.list = build_alloc(build, METHOD_COUNT * sizeof(struct slice))};
    if (!methods.list)
        return;
    build_read_items(build, setting, node, METHOD_COUNT, read_method, &methods);
    route->match.methods = methods.list;
    route->match.method_count = methods.count;
}

/* ---- the rest of a route ---- */

SETTING_READER(read_upstream_name)
{
    const struct config *config = build->config;
    size_t *upstream = target;
    if (!build_is_value(build, setting, node))
        return;
    struct suggestion suggestion = suggest_for(node->text);
    for (size_t i = 0; i < config->upstream_count; i++) {
        if (slice_eq(config->upstreams[i].name, node->text)) {
            *upstream = i;
            return;
        }
        suggest_offer(&suggestion, config->upstreams[i].name);
    }
    build_refuse(build, node, "there is no upstream \"%.*s\"", SHOWN(node->text));
    build_suggest(build, &suggestion);
}

/* A sender that wants a certain status for its events wants it for their copies too. */
static uint16_t ack_status(const struct route_opts *route)
{
    bool is_given = route->mode == ROUTE_QUEUE && route->accept_status > 0;
    return is_given ? route->accept_status : ACK_STATUS;
}

SETTING_READER(read_duplicate)
{
    struct route_opts *route = target;
    uint64_t number = ack_status(route);
    if (!build_is_value(build, setting, node))
        return;
    bool is_replay = slice_eq(node->text, SLICE("replay"));
    if (!is_replay && !slice_eq(node->text, SLICE("ack")) &&
        (value_count(node->text, &number) || number < setting->min || number > setting->max)) {
        build_refuse(build, node,
                     "duplicate must be ack, replay or a status from 200 to 599, not \"%.*s\"",
                     SHOWN(node->text));
        return;
    }
    route->replay.enabled = is_replay;
    route->duplicate_status = (uint16_t)number;
}

/* What belongs to one response, one connection or one client, or is ours to write. */
static bool is_replayable(struct slice header)
{
    static const char *const never[] = {"Set-Cookie",
                                        "Set-Cookie2",
                                        "Connection",
                                        "Keep-Alive",
                                        "TE",
                                        "Proxy-Connection",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "Trailer",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "Content-Length",
                                        "Date",
                                        "Idempotent-Replayed"};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (slice_ieq(header, slice_str(never[i])))
            return false;
    struct slice ours = SLICE("Postern-");
    return header.len < ours.len || !slice_ieq(slice_of(header.data, ours.len), ours);
}

static bool is_kept(const struct replay_opts *replay, struct slice header)
{
    for (size_t i = 0; i < replay->header_count; i++)
        if (slice_ieq(replay->headers[i], header))
            return true;
    return false;
}

static void read_replay_header(struct build *build, struct node *item, void *target)
{
    struct replay_opts *replay = target;
    struct slice name;
    if (!header_name_read(build, item, &name))
        return;
    if (!is_replayable(name))
        build_refuse(build, item, "%.*s can't be replayed", SHOWN(name));
    else if (is_kept(replay, name))
        build_refuse(build, item, "%.*s is given twice", SHOWN(name));
    else
        replay->headers[replay->header_count++] = name;
}

SETTING_READER(read_replay_headers)
{
    struct replay_opts *replay = target;
    replay->header_count = 0;
    build_read_items(build, setting, node, REPLY_MAX_FIELDS, read_replay_header, replay);
}

/* "204", or "2xx". */
static bool parse_status_range(struct slice text, struct status_range *ret_range)
{
    uint64_t number;
    if (text.len == 3 && slice_ieq(slice_skip(text, 1), SLICE("xx")) && text.data[0] >= '2' &&
        text.data[0] <= '5') {
        uint16_t from = (uint16_t)((text.data[0] - '0') * 100);
        *ret_range = (struct status_range){from, (uint16_t)(from + 99)};
        return true;
    }
    if (value_count(text, &number) || number < 200 || number > 599)
        return false;
    *ret_range = (struct status_range){(uint16_t)number, (uint16_t)number};
    return true;
}

static void read_status_range(struct build *build, struct node *item, void *target)
{
    struct route_opts *route = target;
    if (parse_status_range(item->text, &route->success[route->success_count])) {
        route->success_count++;
        return;
    }
    build_refuse(build, item, "\"%.*s\" is not a status", SHOWN(item->text));
    report_hint(build->report, "write a number from 200 to 599, or 2xx, 3xx, 4xx, 5xx");
}

SETTING_READER(read_success)
{
    struct route_opts *route = target;
    route->success_count = 0;
    build_read_items(build, setting, node, ROUTE_MAX_SUCCESS, read_status_range, route);
}
