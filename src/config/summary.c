/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration comes to, told in a few lines: `postern check` shows that the file was
 * understood as it was meant. No secret is in it.
 */
#include <postern/config/config.h>

#include "text.h"
#include "values.h"

static void put_duration(struct text *text, const char *name, uint64_t ms)
{
    char duration[VALUE_TEXT_SIZE];
    value_format_duration(ms, duration);
    text_put(text, ", %s %s", name, duration);
}

static void put_listeners(const struct config *config, struct text *text)
{
    char address[ADDRESS_TEXT_SIZE];
    for (size_t i = 0; i < config->listen_count; i++) {
        address_format(&config->listen[i].address, address);
        text_put(text, "listen %s, %u worker%s\n", address, config->workers,
                 config->workers == 1 ? "" : "s");
    }
    if (!config->admin_enabled)
        return;
    address_format(&config->admin, address);
    text_put(text, "admin %s, %s\n", address, config->admin_token.len ? "with token" : "no token");
}

static void put_stores(const struct config *config, struct text *text)
{
    char retention[VALUE_TEXT_SIZE];
    const struct redis_opts *redis = &config->redis;
    if (config->dedup == DEDUP_REDIS)
        text_put(text, "dedup redis %.*s:%u/%u\n", PRINT(redis->host), redis->port,
                 redis->database);
    else
        text_put(text, "dedup memory, %zu keys\n", config->memory_max_keys);
    value_format_duration((uint64_t)config->postgres.retention_s * 1000, retention);
    if (config->journal == JOURNAL_SQLITE)
        text_put(text, "journal sqlite %.*s, retention %s\n", PRINT(config->sqlite.path),
                 retention);
    else if (config->spool.path.len > 0)
        text_put(text, "journal postgres, retention %s, spool %.*s\n", retention,
                 PRINT(config->spool.path));
    else
        text_put(text, "journal postgres, retention %s, no spool\n", retention);
}

static void put_match(const struct route_match *match, struct text *text)
{
    for (size_t i = 0; i < match->method_count; i++)
        text_put(text, "%s%.*s", i ? "|" : "", PRINT(match->methods[i]));
    text_put(text, "%s%.*s%.*s", match->method_count ? " " : "", PRINT(match->host),
             PRINT(match->path));
}

/* Parts are shown as they are in the body, so an escaped dot shows as a dot. */
static void put_path(const struct json_path *path, struct text *text)
{
    for (size_t i = 0; i < path->count; i++)
        text_put(text, "%s%.*s", i ? "." : "", PRINT(path->parts[i]));
}

static void put_paths(const struct json_path *paths, size_t count, struct text *text)
{
    text_put(text, "[");
    for (size_t i = 0; i < count; i++) {
        text_put(text, "%s", i ? ", " : "");
        put_path(&paths[i], text);
    }
    text_put(text, "]");
}

static void put_payload(const struct key_rule *rule, struct text *text)
{
    text_put(text, "%spayload", rule->canonical ? "canonical " : "");
    if (rule->include_count > 0) {
        text_put(text, " of ");
        put_paths(rule->paths, rule->include_count, text);
    }
    if (rule->path_count > rule->include_count) {
        text_put(text, " without ");
        put_paths(rule->paths + rule->include_count, rule->path_count - rule->include_count, text);
    }
}

static void put_rule(const struct key_rule *rule, struct text *text)
{
    if (rule->kind == KEY_PAYLOAD) {
        put_payload(rule, text);
        return;
    }
    text_put(text, "%s", key_kind_text(rule->kind));
    if (rule->kind == KEY_HEADER || rule->kind == KEY_QUERY)
        text_put(text, " %.*s", PRINT(rule->name));
    else
        put_paths(rule->paths, rule->path_count, text);
}

static void put_scope(const struct route_opts *route, struct text *text)
{
    static const char *const words[] = {
        [KEY_SCOPE_METHOD] = "method", [KEY_SCOPE_PATH] = "path", [KEY_SCOPE_HEADER] = "header "};
    for (size_t i = 0; i < route->scope_count; i++)
        text_put(text, "%s%s%.*s", i ? ", " : " per ", words[route->scope[i].kind],
                 PRINT(route->scope[i].name));
}

static void put_mode(const struct route_opts *route, struct text *text)
{
    char age[VALUE_TEXT_SIZE], base[VALUE_TEXT_SIZE], cap[VALUE_TEXT_SIZE];
    if (route->mode != ROUTE_QUEUE) {
        text_put(text, ", ack %s%s", route->ack == ACK_DURABLE ? "durable" : "async",
                 route->mode == ROUTE_OBSERVE ? ", observe only" : "");
        return;
    }
    value_format_duration(route->retry.max_age_ms, age);
    value_format_duration(route->retry.base_ms, base);
    value_format_duration(route->retry.cap_ms, cap);
    text_put(text, ", mode queue, %u attempt%s within %s, back-off %s to %s",
             route->retry.max_attempts, route->retry.max_attempts == 1 ? "" : "s", age, base, cap);
}

static void put_route(const struct config *config, const struct route_opts *route,
                      struct text *text)
{
    text_put(text, "route %.*s: ", PRINT(route->name));
    put_match(&route->match, text);
    text_put(text, " -> %.*s, key ", PRINT(config->upstreams[route->upstream].name));
    for (size_t i = 0; i < route->key_count; i++) {
        text_put(text, "%s", i ? " or " : "");
        put_rule(&route->keys[i], text);
    }
    put_scope(route, text);
    put_duration(text, "window", route->window_ms);
    put_duration(text, "lease", route->lease_ms);
    put_mode(route, text);
    bool is_signed = route->sign_key.len > 0 || config->lanes[route->upstream].sign_key.len > 0;
    text_put(text, "%s\n", is_signed ? ", signed" : "");
}

enum status config_summary(const struct config *config, struct buf *buf)
{
    struct text text = {.buf = buf};
    put_listeners(config, &text);
    put_stores(config, &text);
    for (size_t i = 0; i < config->route_count; i++)
        put_route(config, &config->routes[i], &text);
    return text.status;
}
