/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of the upstreams: a map of name to settings, and their endpoints.
 */
#include "readers.h"
#include "text.h"
#include "url.h"

#define HTTP_PORT 80u
#define HTTPS_PORT 443u
#define MAX_ENDPOINTS 64u

static void read_upstream(struct build *build, struct node *node)
{
    struct config *config = build->config;
    struct upstream_settings settings = {.lane.pace.burst = 1};
    const char *needed = check_name(node->key);
    settings.opts.name = build_copy(build, node->key);
    if (needed)
        report_error(build->report, node->key_at, "an upstream's name must be %s", needed);
    if (node->kind == NODE_MAP)
        settings_read(build, &SCOPE_UPSTREAM, node, &settings);
    else
        build_refuse(build, node, "an upstream must be a map: {endpoints: [\"http://…\"]}");
    config->upstreams[config->upstream_count] = settings.opts;
    config->lanes[config->upstream_count] = settings.lane;
    build->upstream_nodes[config->upstream_count++] = node;
}

SETTING_READER(read_upstreams)
{
    struct config *config = target;
    if (node->kind != NODE_MAP || node->count == 0 || node->count > BUILD_MAX_UPSTREAMS) {
        build_refuse(build, node, "upstreams must be a map of 1 to %u names", BUILD_MAX_UPSTREAMS);
        report_hint(build->report, "give it as %s", setting->form);
        return;
    }
    config->upstreams = build_alloc(build, node->count * sizeof(config->upstreams[0]));
    config->lanes = build_alloc(build, node->count * sizeof(config->lanes[0]));
    build->upstream_nodes = build_alloc(build, node->count * sizeof(struct node *));
    if (!config->upstreams || !config->lanes || !build->upstream_nodes)
        return;
    for (struct node *child = node->first; child; child = child->next)
        if (child->kind != NODE_BROKEN)
            read_upstream(build, child);
}

static const char *check_endpoint(const struct url *url)
{
    if (!slice_eq(url->scheme, SLICE("http")) && !slice_eq(url->scheme, SLICE("https")))
        return "its scheme is not http:// or https://";
    if (url->has_user)
        return "a user is not allowed in it";
    if (url->rest.len > 0 && !slice_eq(url->rest, SLICE("/")))
        return "no path may follow the host: requests keep their own";
    return NULL;
}

/* The endpoints of one upstream while they are read. */
struct endpoints {
    struct upstream_endpoint *list;
    size_t count;
    bool any_secure;
};

static void read_endpoint(struct build *build, struct node *item, void *target)
{
    struct endpoints *endpoints = target;
    struct url url;
    const char *problem = url_parse(item->text, &url);
    if (!problem)
        problem = check_endpoint(&url);
    if (problem) {
        build_refuse(build, item, "this endpoint can't be used: %s", problem);
        report_hint(build->report, "write \"http://host:port\" or \"https://host:port\"");
        return;
    }
    bool secure = slice_eq(url.scheme, SLICE("https"));
    uint16_t standard_port = secure ? HTTPS_PORT : HTTP_PORT;
    endpoints->any_secure |= secure;
    endpoints->list[endpoints->count++] =
        (struct upstream_endpoint){.host = build_copy(build, url.host),
                                   .port = url.port ? url.port : standard_port,
                                   .secure = secure,
                                   .authority = build_copy(build, url.authority)};
}

SETTING_READER(read_endpoints)
{
    struct upstream_opts *opts = target;
    struct endpoints endpoints = {
        .list = build_alloc(build, MAX_ENDPOINTS * sizeof(struct upstream_endpoint))};
    if (!endpoints.list)
        return;
    build_read_items(build, setting, node, MAX_ENDPOINTS, read_endpoint, &endpoints);
    opts->endpoints = endpoints.list;
    opts->endpoint_count = endpoints.count;
    opts->tls.enabled = endpoints.any_secure;
}
