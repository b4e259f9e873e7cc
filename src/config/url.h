/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of endpoints and of Redis, taken apart. Nothing is resolved, nothing decoded but what
 * url_decode is asked for.
 */
#ifndef POSTERN_SRC_CONFIG_URL_H
#define POSTERN_SRC_CONFIG_URL_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stdint.h>

/* scheme://[user[:password]@]host[:port][rest]; all slices into the text. */
struct url {
    struct slice scheme;
    bool has_user, has_password;
    struct slice user, password; /* as written, percent-encoded */
    struct slice host;           /* without brackets */
    uint16_t port;               /* 0: none given */
    struct slice authority;      /* host[:port] as written, with brackets */
    struct slice rest;           /* from '/', '?' or '#' on; may be empty */
};

/* Takes `text` apart. NULL, or what is wrong with it, in words that hold nothing of it (it may have
 * a password); then *ret_url is untouched. */
const char *url_parse(struct slice text, struct url *ret_url);

/* Percent-decodes into `arena`. STATUS_INVALID: a '%' without two hex digits, or "%00". */
NODISCARD enum status url_decode(struct slice text, struct arena *arena, struct slice *ret_text);

#endif
