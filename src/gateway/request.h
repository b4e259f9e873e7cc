/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How policy's modules, which know no HTTP, look into the fields of a request: the functions behind
 * the `header` and `get` of their inputs. `headers` is its struct http_head.
 */
#ifndef POSTERN_SRC_GATEWAY_REQUEST_H
#define POSTERN_SRC_GATEWAY_REQUEST_H

#include <postern/net/http1.h>
#include <postern/policy/route.h>

/* How many fields are called `name` (any case); *ret_value is the first one's value. */
size_t request_header(const void *headers, struct slice name, struct slice *ret_value);

/* The value of the i-th field called `name`; false when there aren't so many. */
bool request_header_at(const void *headers, struct slice name, size_t i, struct slice *ret_value);

/* What policy is asked about a request of a route; everything is borrowed. `decoded` is where a
 * packed body is unpacked to; `now_ms` is when the request came; `secret` is the one that fitted
 * the request's signature: a sender that validates an address may still know only the old one. */
struct key_input request_key_input(const struct route_opts *route, const struct http_head *head,
                                   struct slice body, struct buf *decoded);
struct verify_input request_verify_input(const struct http_head *head, struct slice body,
                                         uint64_t now_ms);
struct handshake_input request_handshake_input(const struct route_opts *route,
                                               const struct http_head *head, struct slice body,
                                               size_t secret);

#endif
