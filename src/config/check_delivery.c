/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from, and what is wrong between, the settings of deliveries: a route's retries, what
 * a queue route can't use, an upstream's rate.
 */
#include "build.h"
#include "text.h"
#include "values.h"

#define DAY_MS UINT64_C(86400000)
/* A row is leased for two thirds of the route's lease, and has at least two thirds of that before
 * it when PostgreSQL stalls. Others look for ended leases every second, and count their link as
 * lost, so that they wait for the owner's outcome, when a look takes the whole time-out. */
#define LOOK_PAUSE_MS UINT64_C(1000)
#define SAFE_LEASE_MS(timeout_ms) ((timeout_ms + LOOK_PAUSE_MS) * 9 / 4)

static bool is_refused(struct node *map, const char *path)
{
    return node_find(map, path) && !build_sound(map, path);
}

static uint64_t retention_ms(const struct config *config)
{
    return (uint64_t)config->postgres.retention_s * 1000;
}

/* For so long at least an event that is dead of its age stays in the journal, to be seen. */
static uint64_t seen_ms(uint64_t kept_ms)
{
    return kept_ms / 2 < DAY_MS ? kept_ms / 2 : DAY_MS;
}

/* A default gives way to what was written. It never has to the other way round: the cap's is the
 * longest base there may be. */
void build_derive_retry(struct build *build, size_t index)
{
    struct route_opts *route = &build->config->routes[index];
    struct retry_opts *retry = &route->retry;
    struct node *map = build->route_nodes[index];
    uint64_t kept_ms = retention_ms(build->config);
    uint64_t oldest_ms = kept_ms - seen_ms(kept_ms);
    if (!node_find(map, "retry.base") && retry->base_ms > retry->cap_ms)
        retry->base_ms = retry->cap_ms;
    if (route->mode == ROUTE_QUEUE && !node_find(map, "retry.max_age") &&
        retry->max_age_ms > oldest_ms)
        retry->max_age_ms = oldest_ms;
}

static void check_back_off(struct build *build, size_t index)
{
    const struct retry_opts *retry = &build->config->routes[index].retry;
    struct node *map = build->route_nodes[index];
    const struct node *given = build_sound(map, "retry.base");
    if (!given || retry->base_ms <= retry->cap_ms || is_refused(map, "retry.cap"))
        return;
    char base[VALUE_TEXT_SIZE], cap[VALUE_TEXT_SIZE];
    value_format_duration(retry->base_ms, base);
    value_format_duration(retry->cap_ms, cap);
    report_error(build->report, given->at, "retry.base %s is longer than retry.cap %s", base, cap);
    report_hint(build->report, "the back-off begins at base and doubles up to cap");
}

/* Both journals delete what is dead by the time it came, PostgreSQL what waits as well. */
static void check_max_age(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    const struct node *given = build_sound(build->route_nodes[index], "retry.max_age");
    uint64_t kept_ms = retention_ms(build->config);
    if (!given || route->mode != ROUTE_QUEUE ||
        route->retry.max_age_ms + seen_ms(kept_ms) <= kept_ms ||
        is_refused(build->root, "journal.retention"))
        return;
    char age[VALUE_TEXT_SIZE], seen[VALUE_TEXT_SIZE], kept[VALUE_TEXT_SIZE];
    value_format_duration(route->retry.max_age_ms, age);
    value_format_duration(seen_ms(kept_ms), seen);
    value_format_duration(kept_ms, kept);
    report_error(build->report, given->at,
                 "retry.max_age %s has to be %s or more below journal.retention %s", age, seen,
                 kept);
    report_hint(build->report,
                "an event that is dead of its age has to stay in the journal to be seen and "
                "replayed; take a shorter retry.max_age or a longer journal.retention");
}

static void check_lease(struct build *build, size_t index)
{
    const struct config *config = build->config;
    struct node *map = build->route_nodes[index];
    uint64_t safe_ms = SAFE_LEASE_MS(config->postgres.timeout_ms);
    if (config->routes[index].mode != ROUTE_QUEUE || config->journal != JOURNAL_POSTGRES ||
        config->routes[index].lease_ms >= safe_ms || is_refused(map, "lease") ||
        is_refused(build->root, "journal.postgres.timeout"))
        return;
    char lease[VALUE_TEXT_SIZE], safe[VALUE_TEXT_SIZE];
    value_format_duration(config->routes[index].lease_ms, lease);
    value_format_duration(safe_ms, safe);
    const struct node *given = build_sound(map, "lease");
    report_finding(build->report, SEVERITY_WARNING,
                   build_mark(given ? given : build_sound(map, "mode"), map),
                   "lease %s: with several gateways a short stall of PostgreSQL can deliver an "
                   "event twice",
                   lease);
    report_hint(build->report, "take %s or more, or a shorter journal.postgres.timeout", safe);
}

static void warn_unused(struct build *build, size_t index, const char *path, const char *hint)
{
    const struct node *node = build_own(build->route_nodes[index], path);
    if (!node)
        return;
    report_finding(build->report, SEVERITY_WARNING, node->at, "%s is not used with mode: queue",
                   path);
    report_hint(build->report, "%s", hint);
}

static void check_unused(struct build *build, size_t index)
{
    if (build->config->routes[index].mode != ROUTE_QUEUE)
        return;
    warn_unused(build, index, "ack", "its events are always durable before they are answered");
    warn_unused(build, index, "on_timeout", "a delivery that timed out is tried again, see retry");
}

static void check_accept(struct build *build, size_t index)
{
    struct node *map = build->route_nodes[index];
    const struct node *own = build_own(map, "accept");
    if (!own || build->config->routes[index].mode == ROUTE_QUEUE || is_refused(map, "mode"))
        return;
    report_finding(build->report, SEVERITY_WARNING, own->at,
                   "accept does nothing without mode: queue");
    report_hint(build->report, "the upstream's own answer goes to the sender");
}

static void check_burst(struct build *build, size_t index)
{
    struct node *map = build->upstream_nodes[index];
    const struct node *burst = build_sound(map, "burst");
    if (!burst || node_find(map, "rate"))
        return;
    report_finding(build->report, SEVERITY_WARNING, burst->at, "burst does nothing without a rate");
}

void checks_run_delivery(struct build *build)
{
    for (size_t i = 0; i < build->config->upstream_count; i++)
        check_burst(build, i);
    for (size_t i = 0; i < build->config->route_count; i++) {
        check_back_off(build, i);
        check_max_age(build, i);
        check_lease(build, i);
        check_unused(build, i);
        check_accept(build, i);
    }
}
