/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the admin listener answers, as text; server.c has the connections.
 */
#ifndef POSTERN_SRC_ADMIN_PAGES_H
#define POSTERN_SRC_ADMIN_PAGES_H

#include <postern/admin/admin.h>
#include <postern/net/http1.h>

struct page {
    uint16_t status;
    struct slice type; /* Content-Type */
    bool challenge;    /* WWW-Authenticate: Bearer */
};

/* Makes the answer to `head`; its body is appended to `body`. Never fails: what can't be made is a
 * 500 or 503. */
struct page page_make(const struct admin_opts *opts, const struct http_head *head,
                      struct buf *body);

#endif
