/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a request by name. A head has some dozen of them and few are asked for: a scan is all
 * it takes.
 */
#include "request.h"

size_t request_header(const void *headers, struct slice name, struct slice *ret_value)
{
    const struct http_head *head = headers;
    size_t found = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!slice_ieq(head->fields[i].name, name))
            continue;
        if (found++ == 0)
            *ret_value = head->fields[i].value;
    }
    return found;
}

bool request_header_at(const void *headers, struct slice name, size_t i, struct slice *ret_value)
{
    const struct http_head *head = headers;
    for (size_t field = 0; field < head->field_count; field++) {
        if (!slice_ieq(head->fields[field].name, name) || i-- > 0)
            continue;
        *ret_value = head->fields[field].value;
        return true;
    }
    return false;
}

struct key_input request_key_input(const struct route_opts *route, const struct http_head *head,
                                   struct slice body, struct buf *decoded)
{
    return (struct key_input){
        .route = route->name,
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .body = body,
        .scope = route->scope,
        .scope_count = route->scope_count,
        .decoded = decoded,
        .headers = head,
        .header = request_header,
    };
}

struct verify_input request_verify_input(const struct http_head *head, struct slice body,
                                         uint64_t now_ms)
{
    return (struct verify_input){
        .method = head->method,
        .target = head->target,
        .body = body,
        .now_ms = now_ms,
        .headers = head,
        .header = request_header,
    };
}

struct handshake_input request_handshake_input(const struct route_opts *route,
                                               const struct http_head *head, struct slice body,
                                               size_t secret)
{
    const struct verify_opts *verify = &route->verify;
    return (struct handshake_input){
        .method = head->method,
        .query = head->query,
        .body = body,
        .secret = secret < verify->secret_count ? verify->secrets[secret] : (struct slice){0},
    };
}
