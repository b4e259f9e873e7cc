/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the admin listener answers at once, as text; api.h has what may take time, server.c the
 * connections.
 */
#ifndef POSTERN_SRC_ADMIN_PAGES_H
#define POSTERN_SRC_ADMIN_PAGES_H

#include <postern/admin/admin.h>
#include <postern/net/http1.h>

struct page {
    uint16_t status;
    struct slice type;      /* Content-Type */
    struct slice allow;     /* Allow; empty: none */
    uint32_t retry_after_s; /* 0: no Retry-After */
    bool challenge;         /* WWW-Authenticate: Bearer */
    bool attachment;        /* Content-Disposition: a browser saves it and shows nothing */
};

/* Makes the answer to `head`; its body is appended to `body`. Never fails: what can't be made is a
 * 500 or 503. */
struct page page_make(const struct admin_opts *opts, const struct http_head *head,
                      struct buf *body);

#endif
