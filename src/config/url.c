/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting URLs, from the left to the right, one part per function. Each returns NULL or what is
 * wrong.
 */
#include "url.h"

#include "values.h"

/* The offset of the first of `set` in `text`, or text.len. */
static size_t find_any(struct slice text, struct slice set)
{
    size_t i = 0;
    while (i < text.len && !memchr(set.data, text.data[i], set.len))
        i++;
    return i;
}

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static const char *cut_scheme(struct slice *rest, struct url *url)
{
    size_t len = find_any(*rest, SLICE(":"));
    struct slice after = slice_skip(*rest, len);
    if (len == 0 || !slice_starts(after, SLICE("://")))
        return "it has no scheme such as http://";
    url->scheme = slice_of(rest->data, len);
    *rest = slice_skip(after, 3);
    return NULL;
}

/* The last '@' before the path ends the user part: one inside a password is a common slip, and
 * cutting there is what was meant. */
static void cut_user(struct slice *authority, struct url *url)
{
    const char *at = authority->len ? memrchr(authority->data, '@', authority->len) : NULL;
    if (!at)
        return;
    struct slice user = slice_of(authority->data, (size_t)(at - authority->data));
    *authority = slice_skip(*authority, user.len + 1);
    size_t len = find_any(user, SLICE(":"));
    url->has_user = true;
    url->has_password = len < user.len;
    url->user = slice_of(user.data, len);
    url->password = slice_skip(user, len + 1);
}

static const char *check_host(struct slice host, bool numeric_v6)
{
    if (host.len == 0)
        return "it has no host";
    if (host.len > 253)
        return "its host is longer than 253 characters";
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        if (!is_letter_or_digit(c) && c != '.' && c != '-' && c != '_' && !(numeric_v6 && c == ':'))
            return "its host has a character that no host has";
    }
    return NULL;
}

static const char *cut_host(struct slice *rest, struct url *url)
{
    bool bracketed = slice_starts(*rest, SLICE("["));
    size_t len = find_any(*rest, bracketed ? SLICE("]") : SLICE(":"));
    if (bracketed && len == rest->len)
        return "its \"[\" has no \"]\"";
    url->host = bracketed ? slice_of(rest->data + 1, len - 1) : slice_of(rest->data, len);
    *rest = slice_skip(*rest, bracketed ? len + 1 : len);
    return check_host(url->host, bracketed);
}

static const char *cut_port(struct slice rest, struct url *url)
{
    uint64_t port;
    if (rest.len == 0)
        return NULL;
    if (rest.data[0] != ':')
        return "its host has a character that no host has";
    if (value_count(slice_skip(rest, 1), &port) || port == 0 || port > UINT16_MAX)
        return "its port is not a number from 1 to 65535";
    url->port = (uint16_t)port;
    return NULL;
}

const char *url_parse(struct slice text, struct url *ret_url)
{
    struct url url = {.port = 0};
    struct slice rest = text;
    const char *problem = cut_scheme(&rest, &url);
    if (problem)
        return problem;
    size_t len = find_any(rest, SLICE("/?#"));
    struct slice authority = slice_of(rest.data, len);
    url.rest = slice_skip(rest, len);
    cut_user(&authority, &url);
    url.authority = authority;
    problem = cut_host(&authority, &url);
    if (!problem)
        problem = cut_port(authority, &url);
    if (!problem)
        *ret_url = url;
    return problem;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum status url_decode(struct slice text, struct arena *arena, struct slice *ret_text)
{
    char *decoded = arena_alloc(arena, text.len);
    if (!decoded)
        return STATUS_NO_MEMORY;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '%') {
            decoded[len++] = text.data[i];
            continue;
        }
        int high = i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;
        if (low < 0 || high * 16 + low == 0)
            return STATUS_INVALID;
        decoded[len++] = (char)(high * 16 + low);
        i += 2;
    }
    *ret_text = slice_of(decoded, len);
    return STATUS_OK;
}
