/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of X-Forwarded-For and of Forwarded (RFC 7239), taken from the right. Which of them
 * is believed is client_address.c's business.
 */
#ifndef POSTERN_SRC_POLICY_FORWARDED_H
#define POSTERN_SRC_POLICY_FORWARDED_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/policy/client_address.h>
#include <stdbool.h>

/* Takes the last entry off a comma-separated list; false when nothing is left. Entries may be
 * empty. */
bool list_take_last(struct slice *list, struct slice *ret_entry);

/* As list_take_last, for Forwarded: a comma inside a quoted string separates nothing. The string is
 * looked for from its end, so that a quote somebody left open further left can't swallow what a
 * proxy appended. */
bool forwarded_take_last(struct slice *list, struct slice *ret_entry);

/* Reads a node of either field: "192.0.2.7", "192.0.2.7:80", "[2001:db8::1]", "[2001:db8::1]:80",
 * "2001:db8::1"; the port may be obfuscated ("_p"). STATUS_INVALID: anything else, "unknown" and
 * "_hidden" among it. */
NODISCARD enum status node_parse(struct slice text, struct ip *ret_ip);

enum told_scheme { SCHEME_UNTOLD, SCHEME_HTTP, SCHEME_HTTPS };

/* "http" or "https" in any case; anything else tells nothing. */
enum told_scheme scheme_of(struct slice text);

struct forwarded_entry {
    struct ip ip;
    enum told_scheme scheme;
};

/* Reads one entry of Forwarded, "for=192.0.2.60;proto=http;by=203.0.113.43". STATUS_INVALID: not
 * one, or its for= is missing, repeated or no address. */
NODISCARD enum status forwarded_parse(struct slice text, struct forwarded_entry *ret_entry);

#endif
