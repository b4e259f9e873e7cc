/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from several settings, and what is wrong between them: stores, admin access, limits.
 * What concerns a route is in check_routes.c. Only the report changes in here.
 */
#include "build.h"
#include "values.h"

#include <string.h>

static struct mark mark_of(const struct build *build, const char *path)
{
    return build_mark(node_find(build->root, path), build->root);
}

/* A choice of stores that a crash or a restart punishes: an error with `strict`. */
static void report_store(struct build *build, const char *path, const char *message)
{
    enum severity severity = build->config->strict ? SEVERITY_ERROR : SEVERITY_WARNING;
    report_finding(build->report, severity, mark_of(build, path), "%s", message);
}

static bool spool_is_off(const struct build *build)
{
    const struct node *enabled = node_find(build->root, "journal.spool.enabled");
    return enabled && slice_eq(enabled->text, SLICE("false"));
}

/* The spool stands beside PostgreSQL, and shares the journal's buffer and rhythm. */
static void derive_spool(struct build *build)
{
    struct config *config = build->config;
    config->spool_given = node_find(build->root, "journal.spool.path");
    config->spool.spool = true;
    config->spool.retention_s = config->sqlite.retention_s;
    config->spool.buffer_bytes = config->sqlite.buffer_bytes;
    config->spool.flush_interval_ms = config->sqlite.flush_interval_ms;
    if (config->journal == JOURNAL_POSTGRES && !spool_is_off(build))
        return;
    config->spool.path = (struct slice){.len = 0};
    config->spool_given = false;
}

/* Duplicates are always counted on their own; without numbers of their own, by the same ones. */
static void derive_rate(struct rate_opts *rate)
{
    if (rate->duplicate_interval_us == 0)
        rate->duplicate_interval_us = rate->interval_us;
    if (rate->duplicate_burst == 0)
        rate->duplicate_burst = rate->burst;
}

/* A redirect is no delivery, while a sender that gets it from a proxy route can follow it. */
static void derive_route(struct build *build, size_t index)
{
    struct route_opts *route = &build->config->routes[index];
    bool queued = route->mode == ROUTE_QUEUE;
    if (queued)
        route->ack = ACK_DURABLE;
    derive_rate(&route->rate);
    build_derive_retry(build, index);
    if (node_find(build->route_nodes[index], "success"))
        return;
    route->success[0] = (struct status_range){200, 299};
    route->success[1] = (struct status_range){300, 399};
    route->success_count = queued ? 1 : 2;
}

void build_derive(struct build *build)
{
    struct config *config = build->config;
    if (!node_find(build->root, "dedup.store"))
        config->dedup = node_find(build->root, "dedup.redis.url") ? DEDUP_REDIS : DEDUP_MEMORY;
    if (!node_find(build->root, "journal.store"))
        config->journal = node_find(build->root, "journal.postgres.url") ? JOURNAL_POSTGRES
                                                                         : JOURNAL_SQLITE;
    config->redis.strict = config->strict;
    config->sqlite.retention_s = config->postgres.retention_s;
    config->sqlite.flush_interval_ms = config->postgres.flush_interval_ms;
    /* One number for the operator; each PostgreSQL front has its share of it. */
    config->postgres.buffer_bytes = config->sqlite.buffer_bytes / config->workers;
    /* Of one message's chunk sizes, extensions and trailers: no sender of webhooks comes near. */
    config->http.chunk_overhead_bytes = HTTP_LIMITS_DEFAULT.chunk_overhead_bytes;
    derive_spool(build);
    for (size_t i = 0; i < config->route_count; i++)
        derive_route(build, i);
}

/* ---- stores ---- */

static void check_needs_url(struct build *build, const char *store, const char *url)
{
    struct node *node = build_sound(build->root, store);
    if (!node || node_find(build->root, url))
        return;
    build_refuse(build, node, "%s is %.*s, and there is no %s", store, (int)node->text.len,
                 node->text.data, url);
    report_hint(build->report, "give %s, or leave %s out", url, store);
}

static void check_unused_url(struct build *build, const char *store, const char *url)
{
    const struct node *node = build_sound(build->root, url);
    if (!node)
        return;
    report_finding(build->report, SEVERITY_WARNING, node->at, "%s is not used", url);
    report_hint(build->report, "%s says otherwise, on line %u", store, mark_of(build, store).line);
}

static void check_unused_spool(struct build *build)
{
    const struct node *spool = build_sound(build->root, "journal.spool");
    if (!spool || node_is_empty(spool) || spool->count == 0 || spool_is_off(build))
        return;
    report_finding(build->report, SEVERITY_WARNING, spool->at, "journal.spool is not used");
    report_hint(build->report, "it stands beside journal.store: postgres; SQLite is never away");
}

static void check_stores(struct build *build)
{
    const struct config *config = build->config;
    if (config->dedup == DEDUP_REDIS)
        check_needs_url(build, "dedup.store", "dedup.redis.url");
    else
        check_unused_url(build, "dedup.store", "dedup.redis.url");
    if (config->journal == JOURNAL_POSTGRES)
        check_needs_url(build, "journal.store", "journal.postgres.url");
    else
        check_unused_url(build, "journal.store", "journal.postgres.url");
    if (config->journal == JOURNAL_SQLITE)
        check_unused_spool(build);
}

static bool has_async_route(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].ack == ACK_ASYNC)
            return true;
    return false;
}

/* Keys in memory come back after a restart out of the journal: what it has not got is forgotten. */
static void check_memory_in_crash(struct build *build)
{
    const struct config *config = build->config;
    if (config->dedup != DEDUP_MEMORY || config->journal != JOURNAL_POSTGRES ||
        !has_async_route(config))
        return;
    report_store(build, "journal.postgres.url",
                 "keys in memory with ack: async: a crash forgets the keys of the last "
                 "journal.flush_interval");
    report_hint(build->report, "give dedup.redis.url, or ack: durable to the routes");
}

/* PostgreSQL's days go whole. SQLite keeps what has an open window. */
static void check_memory_in_restart(struct build *build)
{
    const struct config *config = build->config;
    uint64_t longest_ms = 0;
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].window_ms > longest_ms)
            longest_ms = config->routes[i].window_ms;
    if (config->dedup != DEDUP_MEMORY || config->journal != JOURNAL_POSTGRES ||
        (uint64_t)config->postgres.retention_s * 1000 >= longest_ms)
        return;
    char window[VALUE_TEXT_SIZE];
    value_format_duration(longest_ms, window);
    report_store(build, "journal.retention",
                 "keys in memory with a retention shorter than a window: a restart forgets keys "
                 "older than the retention");
    report_hint(build->report, "the longest window of a route is %s", window);
}

/* ---- admin, limits ---- */

static void check_admin(struct build *build)
{
    const struct config *config = build->config;
    if (!config->admin_enabled || config->admin_token.len > 0 ||
        address_is_loopback(&config->admin) || node_find(build->root, "admin.token"))
        return;
    report_error(build->report, mark_of(build, "admin.address"),
                 "without admin.token the admin listener may only be on loopback");
    report_hint(build->report, "give admin.token as env:NAME or file:PATH, or take 127.0.0.1");
}

/* Port 0 is another one each time. */
static bool is_same_address(const struct address *one, const struct address *other)
{
    char one_text[ADDRESS_TEXT_SIZE], other_text[ADDRESS_TEXT_SIZE];
    address_format(one, one_text);
    address_format(other, other_text);
    return strcmp(one_text, other_text) == 0 && strcmp(strrchr(one_text, ':'), ":0") != 0;
}

/* Workers share their ports, so binding would not fail: each connection would go to either. */
static void check_admin_apart(struct build *build)
{
    const struct config *config = build->config;
    const struct node *admin = node_find(build->root, "admin.address");
    for (size_t i = 0; i < config->listen_count && config->admin_enabled; i++)
        if (is_same_address(&config->listen[i].address, &config->admin))
            report_error(build->report, build_mark(admin, build->listen_nodes[i]),
                         "admin.address is the address of a listener");
}

static void check_order(struct build *build, const char *small_path, uint64_t small,
                        const char *large_path, uint64_t large)
{
    bool given = node_find(build->root, small_path);
    const char *path = given ? small_path : large_path;
    const struct node *node = node_find(build->root, path);
    if (small <= large || (node && node->refused))
        return;
    report_error(build->report, mark_of(build, path), "%s must not be larger than %s", small_path,
                 large_path);
}

/* A record must fit into its worker's share of the buffer, or it can never be written. */
static void check_journal_buffer(struct build *build)
{
    const struct config *config = build->config;
    uint64_t largest = route_body_max(config->routes, config->route_count);
    largest += config->http.head_bytes;
    uint64_t share = config->journal == JOURNAL_POSTGRES ? config->postgres.buffer_bytes
                                                         : config->sqlite.buffer_bytes;
    if (largest <= share)
        return;
    report_store(build, "journal.buffer",
                 "journal.buffer is too small for the largest event: such events are not recorded");
    report_hint(build->report, "the largest has %llu bytes, and a worker's share is %llu",
                (unsigned long long)largest, (unsigned long long)share);
}

void checks_run(struct build *build)
{
    const struct config *config = build->config;
    check_stores(build);
    check_memory_in_crash(build);
    check_memory_in_restart(build);
    check_admin(build);
    check_admin_apart(build);
    check_order(build, "limits.body", config->body_bytes, "limits.body_memory",
                config->body_memory_bytes);
    check_order(build, "limits.target", config->http.target_bytes, "limits.headers",
                config->http.head_bytes);
    check_journal_buffer(build);
    checks_run_tls(build);
    checks_run_routes(build);
    checks_run_signatures(build);
    checks_run_door(build);
    checks_run_delivery(build);
}
