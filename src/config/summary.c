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

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void put_server_tls(const struct tls_server_opts *tls, struct text *text)
{
    if (tls->certificate_count == 0)
        return;
    text_put(text, ", TLS %s with %zu certificate%s", tls->at_least_1_3 ? "1.3" : "1.2",
             tls->certificate_count, plural(tls->certificate_count));
    if (tls->client_ca.len > 0)
        text_put(text, ", clients' certificates %s", tls->client_optional ? "looked at" : "needed");
}

static void put_listeners(const struct config *config, struct text *text)
{
    char address[ADDRESS_TEXT_SIZE];
    for (size_t i = 0; i < config->listen_count; i++) {
        address_format(&config->listen[i].address, address);
        text_put(text, "listen %s, %u worker%s", address, config->workers, plural(config->workers));
        put_server_tls(&config->listen[i].tls, text);
        text_put(text, "%s\n", config->listen[i].proxy_protocol ? ", PROXY protocol" : "");
    }
    if (config->trusted_proxy_count > 0)
        text_put(text, "trusted proxies: %zu network%s\n", config->trusted_proxy_count,
                 plural(config->trusted_proxy_count));
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
        text_put(text, "dedup redis %.*s:%u/%u%s%s\n", PRINT(redis->host), redis->port,
                 redis->database, redis->tls.enabled ? ", TLS" : "",
                 redis->tls.enabled && redis->tls.insecure ? " not verified" : "");
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

static void put_names(const struct key_rule *rule, struct text *text)
{
    text_put(text, "%s %.*s", rule->structured ? " structured" : "", PRINT(rule->name));
    for (size_t i = 0; i < rule->other_count; i++)
        text_put(text, " or %.*s", PRINT(rule->others[i]));
}

static void put_rule(const struct key_rule *rule, struct text *text)
{
    if (rule->kind == KEY_PAYLOAD) {
        put_payload(rule, text);
        return;
    }
    text_put(text, "%s", key_kind_text(rule->kind));
    if (rule->kind == KEY_HEADER || rule->kind == KEY_QUERY)
        put_names(rule, text);
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

static void put_signature(const struct route_opts *route, struct text *text)
{
    size_t secrets = route->verify.secret_count;
    if (route->verify.scheme != VERIFY_NONE)
        text_put(text, ", signature %s with %zu secret%s", verify_scheme_text(route->verify.scheme),
                 secrets, plural(secrets));
    if (route->handshake.kind != HANDSHAKE_NONE)
        text_put(text, ", handshake %s", handshake_text(route->handshake.kind));
}

static void put_duplicates(const struct route_opts *route, struct text *text)
{
    static const char *const words[] = {[MISMATCH_CONFLICT] = "conflict",
                                        [MISMATCH_NEW] = "new",
                                        [MISMATCH_DUPLICATE] = "duplicate"};
    if (route->fingerprint)
        text_put(text, ", mismatch %s", words[route->on_mismatch]);
    if (route->replay.enabled)
        text_put(text, ", duplicate replay");
}

/* So many in a time: in the unit the file gave it in, as far as that can be seen. */
static void put_interval(uint64_t interval_us, struct text *text)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = {{"s", 1000000}, {"m", 60000000}, {"h", UINT64_C(3600000000)}};
    size_t i = 0;
    uint64_t count = (units[0].us + interval_us / 2) / interval_us;
    while (i < 2 && (count == 0 || (units[i].us + count - 1) / count != interval_us)) {
        i++;
        count = (units[i].us + interval_us / 2) / interval_us;
    }
    text_put(text, "%llu/%s", (unsigned long long)count, units[i].unit);
}

static void put_rate(const struct rate_opts *rate, struct text *text)
{
    static const char *const words[] = {
        [LIMIT_PER_CLIENT] = "client", [LIMIT_PER_ROUTE] = "route", [LIMIT_PER_HEADER] = "header "};
    if (rate->interval_us == 0)
        return;
    text_put(text, ", rate ");
    put_interval(rate->interval_us, text);
    text_put(text, " burst %u per %s%.*s%s", rate->burst, words[rate->per], PRINT(rate->header),
             rate->shared ? ", shared" : "");
}

static void put_route(const struct config *config, const struct route_opts *route,
                      struct text *text)
{
    text_put(text, "route %.*s: ", PRINT(route->name));
    put_match(&route->match, text);
    if (route->preset.len > 0)
        text_put(text, ", preset %.*s", PRINT(route->preset));
    text_put(text, " -> %.*s, key ", PRINT(config->upstreams[route->upstream].name));
    for (size_t i = 0; i < route->key_count; i++) {
        text_put(text, "%s", i ? " or " : "");
        put_rule(&route->keys[i], text);
    }
    put_scope(route, text);
    put_duration(text, "window", route->window_ms);
    put_duration(text, "lease", route->lease_ms);
    put_mode(route, text);
    put_signature(route, text);
    put_duplicates(route, text);
    put_rate(&route->rate, text);
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
