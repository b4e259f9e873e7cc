/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong between a route's settings at the door: handshakes, fingerprints, replays, rates,
 * and what it changes of its preset.
 */
#include "build.h"
#include "text.h"
#include "values.h"

static bool is_refused(struct node *map, const char *path)
{
    const struct node *node = node_find(map, path);
    return node && build_has_refused(node);
}

/* A setting of the route's own that is of no use. */
static void warn_useless(struct build *build, size_t index, const char *path, const char *without)
{
    const struct node *node = build_own(build->route_nodes[index], path);
    if (node)
        report_finding(build->report, SEVERITY_WARNING, node->at, "%s does nothing without %s",
                       path, without);
}

static bool takes_method(const struct route_match *match, struct slice method)
{
    for (size_t i = 0; i < match->method_count; i++)
        if (slice_eq(match->methods[i], method))
            return true;
    return match->method_count == 0;
}

/* Where senders try the address in vain, it can't be entered with them. */
static void check_handshake_method(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    struct node *map = build->route_nodes[index];
    enum handshake_kind kind = route->handshake.kind;
    struct slice method = handshake_is_unsigned(kind) ? SLICE("GET") : SLICE("POST");
    if (kind == HANDSHAKE_NONE || is_refused(map, "match.methods") ||
        takes_method(&route->match, method))
        return;
    report_finding(build->report, SEVERITY_WARNING, node_find(map, "match.methods")->at,
                   "handshake: %s comes as %.*s, which match.methods leaves out",
                   handshake_text(kind), PRINT(method));
}

static void check_handshake(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    struct node *map = build->route_nodes[index];
    enum handshake_kind kind = route->handshake.kind;
    struct mark at = build_mark(node_find(map, "handshake"), map);
    if (is_refused(map, "handshake"))
        return;
    check_handshake_method(build, index);
    if (kind != HANDSHAKE_META) {
        warn_useless(build, index, "handshake_token", "handshake: meta");
    } else if (!node_find(map, "handshake_token")) {
        report_error(build->report, at, "handshake_token is missing");
        report_hint(build->report, "give what was entered as the verify token, as env:NAME or "
                                   "file:PATH");
    }
    bool has_secret = route->verify.scheme != VERIFY_NONE || is_refused(map, "signature");
    if (kind == HANDSHAKE_ZOOM && !has_secret)
        report_error(build->report, at,
                     "handshake: zoom answers with signature.secret, and there is no signature");
}

static void check_fingerprint(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    struct node *map = build->route_nodes[index];
    const struct node *own = build_own(map, "fingerprint");
    if (is_refused(map, "fingerprint") || is_refused(map, "key"))
        return;
    if (!route->fingerprint)
        warn_useless(build, index, "on_mismatch", "fingerprint: payload");
    else if (own && route->key_count == 1 && route->keys[0].kind == KEY_PAYLOAD)
        report_finding(build->report, SEVERITY_WARNING, own->at,
                       route->keys[0].canonical
                           ? "with a canonical payload key the same event spelled differently is a "
                             "mismatch"
                           : "with a payload key the fingerprint says nothing new");
}

static void check_kept(struct build *build, size_t index)
{
    const struct config *config = build->config;
    const struct replay_opts *replay = &config->routes[index].replay;
    struct node *map = build->route_nodes[index];
    const struct node *body = node_find(map, "replay.body");
    if (replay->body_bytes > config->response_buffer_bytes && !is_refused(map, "replay.body") &&
        !is_refused(build->root, "limits.response_buffer")) {
        report_finding(build->report, SEVERITY_WARNING, build_mark(body, map),
                       "replay.body is larger than the file's limits.response_buffer");
        report_hint(build->report, "a response is held in that until it is kept: larger ones "
                                   "never are");
    }
}

static void check_replay(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    struct node *map = build->route_nodes[index];
    const struct node *own = build_own(map, "duplicate");
    if (is_refused(map, "duplicate"))
        return;
    if (!route->replay.enabled) {
        warn_useless(build, index, "replay.body", "duplicate: replay");
        warn_useless(build, index, "replay.headers", "duplicate: replay");
        return;
    }
    check_kept(build, index);
    if (own && route->mode == ROUTE_OBSERVE && !is_refused(map, "mode"))
        report_finding(build->report, SEVERITY_WARNING, own->at,
                       "duplicate: replay does nothing with mode: observe");
}

static void check_rate(struct build *build, size_t index)
{
    const struct rate_opts *rate = &build->config->routes[index].rate;
    struct node *map = build->route_nodes[index];
    const struct node *shared = build_sound(map, "limits.shared");
    if (rate->interval_us == 0 && !is_refused(map, "limits.rate")) {
        const struct node *duplicates = build_sound(map, "limits.duplicates");
        if (duplicates)
            report_error(build->report, duplicates->at, "limits.duplicates needs a limits.rate");
        warn_useless(build, index, "limits.burst", "limits.rate");
        warn_useless(build, index, "limits.per", "limits.rate");
        warn_useless(build, index, "limits.duplicates_burst", "limits.rate");
    }
    if (!shared || !rate->shared || build->config->dedup == DEDUP_REDIS ||
        is_refused(build->root, "dedup"))
        return;
    report_error(build->report, shared->at, "limits.shared needs dedup.store: redis");
    report_hint(build->report, "the nodes count together in Redis; without it each counts alone");
}

/* A window below the sender's retry schedule forgets events that are still to come again. */
static void check_preset_window(struct build *build, size_t index)
{
    const struct route_opts *route = &build->config->routes[index];
    const struct node *own = build_own(build->route_nodes[index], "window");
    uint64_t preset_ms;
    if (!own || !own->under || value_duration(own->under->text, &preset_ms) ||
        route->window_ms >= preset_ms)
        return;
    char window[VALUE_TEXT_SIZE], preset[VALUE_TEXT_SIZE];
    value_format_duration(route->window_ms, window);
    value_format_duration(preset_ms, preset);
    report_finding(build->report, SEVERITY_WARNING, own->at,
                   "window %s is shorter than the %s of preset %.*s", window, preset,
                   PRINT(route->preset));
    report_hint(build->report, "a retry that comes later is a new event");
}

void checks_run_door(struct build *build)
{
    for (size_t i = 0; i < build->config->route_count; i++) {
        if (build->route_nodes[i]->kind != NODE_MAP)
            continue;
        check_handshake(build, i);
        check_fingerprint(build, i);
        check_replay(build, i);
        check_rate(build, i);
        check_preset_window(build, i);
    }
}
