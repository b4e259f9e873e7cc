/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route matching: host, method and path of a request against the routes in their order. A list of
 * some dozen routes needs no tree; the one check that looks at every byte of the path (may it be
 * taken for another path?) is made once, before.
 */
#include <postern/policy/route.h>

#include "hex.h"

/* ---- the path ---- */

static bool is_unreserved(int c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* True when `text` begins with an encoded byte that changes what a path means to those who decode
 * it before they cut it. A percent sign that encodes nothing is left to the upstream. */
static bool is_confusing_escape(struct slice text)
{
    int c = percent_byte(text);
    return c == '/' || c == '\\' || c == ';' || c == 0 || is_unreserved(c);
}

/* The bytes before the next slash. */
static struct slice segment_of(struct slice path)
{
    const char *slash = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
    return slice_of(path.data, slash ? (size_t)(slash - path.data) : path.len);
}

/* Empty, "." or ".."; also with parameters behind a semicolon, which some servers drop before they
 * look. */
static bool is_collapsible(struct slice segment)
{
    const char *parameters = segment.len > 0 ? memchr(segment.data, ';', segment.len) : NULL;
    if (parameters)
        segment.len = (size_t)(parameters - segment.data);
    return segment.len == 0 || slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE(".."));
}

static bool is_plain_segment(struct slice segment)
{
    if (is_collapsible(segment))
        return false;
    for (size_t i = 0; i < segment.len; i++) {
        char c = segment.data[i];
        if (c == '\\' || (c == '%' && is_confusing_escape(slice_skip(segment, i))))
            return false;
    }
    return true;
}

bool route_path_is_plain(struct slice path)
{
    if (path.len == 0 || path.data[0] != '/')
        return false;
    while (path.len > 1) { /* at a slash with something behind it */
        struct slice segment = segment_of(slice_skip(path, 1));
        if (!is_plain_segment(segment))
            return false;
        path = slice_skip(path, 1 + segment.len);
    }
    return true;
}

static bool matches_path(struct slice pattern, struct slice path)
{
    bool is_prefix = pattern.len >= 2 && pattern.data[pattern.len - 2] == '/' &&
                     pattern.data[pattern.len - 1] == '*';
    if (!is_prefix)
        return slice_eq(pattern, path);
    pattern.len--;
    return slice_starts(path, pattern);
}

/* ---- host and method ---- */

/* Without port and without the dot of a fully qualified name. In a bracketed IPv6 address only a
 * colon behind the bracket begins a port. */
static struct slice bare_host(struct slice host)
{
    size_t from = 0;
    if (host.len > 0 && host.data[0] == '[') {
        const char *bracket = memchr(host.data, ']', host.len);
        from = bracket ? (size_t)(bracket - host.data) : 0;
    }
    const char *colon = host.len > from ? memchr(host.data + from, ':', host.len - from) : NULL;
    if (colon)
        host.len = (size_t)(colon - host.data);
    if (host.len > 1 && host.data[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool matches_host(struct slice pattern, struct slice host)
{
    if (pattern.len == 0)
        return true;
    if (!slice_starts(pattern, SLICE("*.")))
        return slice_ieq(pattern, host);
    struct slice suffix = slice_skip(pattern, 1); /* with its dot */
    if (host.len <= suffix.len || host.data[0] == '.')
        return false;
    return slice_ieq(slice_skip(host, host.len - suffix.len), suffix);
}

static bool matches_method(const struct route_match *match, struct slice method)
{
    for (size_t i = 0; i < match->method_count; i++)
        if (slice_eq(match->methods[i], method))
            return true;
    return match->method_count == 0;
}

/* ---- the interface ---- */

size_t route_find(const struct route_opts *routes, size_t count, struct slice host,
                  struct slice method, struct slice path)
{
    if (!route_path_is_plain(path))
        return SIZE_MAX;
    host = bare_host(host);
    for (size_t i = 0; i < count; i++) {
        const struct route_match *match = &routes[i].match;
        if (matches_path(match->path, path) && matches_host(match->host, host) &&
            matches_method(match, method))
            return i;
    }
    return SIZE_MAX;
}

const struct route_opts *route_named(const struct route_opts *routes, size_t count,
                                     struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(routes[i].name, name))
            return &routes[i];
    return NULL;
}

uint64_t route_body_max(const struct route_opts *routes, size_t count)
{
    uint64_t max = 0;
    for (size_t i = 0; i < count; i++)
        max = routes[i].body_bytes > max ? routes[i].body_bytes : max;
    return max;
}

bool route_any_rate(const struct route_opts *routes, size_t count, bool shared)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].rate.interval_us > 0 && (routes[i].rate.shared || !shared))
            return true;
    return false;
}

bool route_any_secret_field(const struct route_opts *routes, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].verify.scheme == VERIFY_HEADER &&
            slice_ieq(name, routes[i].verify.hmac.header))
            return true;
    return false;
}

bool route_is_success(const struct route_opts *route, uint16_t status)
{
    for (size_t i = 0; i < route->success_count; i++)
        if (status >= route->success[i].from && status <= route->success[i].to)
            return true;
    return false;
}
