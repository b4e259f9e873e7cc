/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door's checks, on a request's head alone.
 */
#include "guard.h"

/* Compares without telling by its time how much of it was right. */
static bool same_secret(struct slice given, struct slice secret)
{
    unsigned char difference = given.len != secret.len;
    for (size_t i = 0; i < secret.len; i++)
        difference |= (unsigned char)(secret.data[i] ^ (i < given.len ? given.data[i] : 0));
    return difference == 0;
}

bool guard_has_token(const struct http_head *head, struct slice secret)
{
    if (secret.len == 0)
        return true;
    const struct http_field *field = http_field_by_name(head, SLICE("authorization"), NULL);
    if (!field || field->value.len < 7 ||
        !slice_ieq(slice_of(field->value.data, 7), SLICE("bearer ")))
        return false;
    return same_secret(slice_trim(slice_skip(field->value, 7)), secret);
}

/* True when `origin` is this listener, as the browser named it in Host; TLS may end before us. */
static bool is_own_origin(struct slice origin, struct slice host)
{
    if (slice_starts(origin, SLICE("http://")))
        return slice_ieq(slice_skip(origin, 7), host);
    return slice_starts(origin, SLICE("https://")) && slice_ieq(slice_skip(origin, 8), host);
}

bool guard_is_foreign(const struct http_head *head)
{
    const struct http_field *site = http_field_by_name(head, SLICE("sec-fetch-site"), NULL);
    const struct http_field *origin = http_field_by_name(head, SLICE("origin"), NULL);
    if (site && !slice_eq(site->value, SLICE("same-origin")) &&
        !slice_eq(site->value, SLICE("none")))
        return true;
    return origin && !is_own_origin(origin->value, head->host);
}

static struct slice without_port(struct slice host)
{
    size_t len = host.len;
    while (len > 0 && host.data[len - 1] >= '0' && host.data[len - 1] <= '9')
        len--;
    return len > 0 && host.data[len - 1] == ':' ? slice_of(host.data, len - 1) : host;
}

bool guard_is_local_host(struct slice host)
{
    host = without_port(host);
    if (host.len == 0 || host.data[0] == '[' || slice_ieq(host, SLICE("localhost")))
        return true;
    for (size_t i = 0; i < host.len; i++)
        if (host.data[i] != '.' && (host.data[i] < '0' || host.data[i] > '9'))
            return false;
    return true; /* no top-level domain is a number */
}
