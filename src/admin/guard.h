/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may come in: the bearer token, and what keeps a browser on the operator's machine from being
 * used by a page of somebody else.
 */
#ifndef POSTERN_SRC_ADMIN_GUARD_H
#define POSTERN_SRC_ADMIN_GUARD_H

#include <postern/base/slice.h>
#include <postern/net/http1.h>
#include <stdbool.h>

/* True when the request carries `secret` as a bearer token, or when there is no secret. Takes the
 * same time for every wrong token of a length. */
bool guard_has_token(const struct http_head *head, struct slice secret);

/* True when a browser sent it for a page of another origin (Fetch Metadata, Origin). Programs send
 * neither field. */
bool guard_is_foreign(const struct http_head *head);

/* True for a Host that no foreign DNS name can stand for: a numeric address or "localhost", with or
 * without a port. Against DNS rebinding, which makes a foreign page look like one of ours. */
bool guard_is_local_host(struct slice host);

#endif
