/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the client is: the peer of the connection, or, when the peer is a trusted proxy, whom the
 * proxies say they speak for (X-Forwarded-For, or Forwarded, RFC 7239; read from the right, up to
 * the first address that is not a trusted proxy's). Pure.
 *
 *   X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2      peer: 10.0.0.1, trusted: 10.0.0.0/8
 *                    whatever   the client  a proxy
 *                    it said
 *
 * Each entry was written by whom the entry to its right names, so that what a client made up lies
 * to the left of where the walk ends. A proxy that is trusted has to write X-Forwarded-For, or to
 * remove it: one that writes Forwarded only and lets a client's X-Forwarded-For through is not to
 * be trusted.
 */
#ifndef POSTERN_POLICY_CLIENT_ADDRESS_H
#define POSTERN_POLICY_CLIENT_ADDRESS_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_MAX_HOPS 32u /* entries looked at; a longer chain ends there */
#define CLIENT_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

/* An address, IPv4 as ::ffff:a.b.c.d. */
struct ip {
    uint8_t bytes[16];
};

struct network {
    struct ip ip;
    uint8_t bits; /* of 128 */
};

/* Reads "10.0.0.5", "::1"; no port, no brackets, no zone. STATUS_INVALID. */
NODISCARD enum status ip_parse(struct slice text, struct ip *ret_ip);

/* Writes the numeric form, IPv4 as IPv4; returns its length (no NUL). */
size_t ip_format(const struct ip *ip, char ret_text[static CLIENT_TEXT_SIZE]);

/* True for an address of IPv4. */
bool ip_is_v4(const struct ip *ip);

/* Reads "10.0.0.0/8", "2001:db8::/32" or one address. STATUS_INVALID: not one, or bits are set
 * below the prefix. */
NODISCARD enum status network_parse(struct slice text, struct network *ret_network);

/* True when one of `networks` holds it. An IPv4 address is only held by an IPv4 network: "::/0" is
 * all of IPv6 and nothing else. */
bool networks_hold(const struct network *networks, size_t count, const struct ip *ip);

/* One request's forwarding fields: values in the order they came; `get` is asked for i = 0, 1 …
 * until it returns false. */
struct forwarded_fields {
    const void *headers;
    bool (*get)(const void *headers, struct slice name, size_t i, struct slice *ret_value);
};

struct client_found {
    struct ip ip;
    bool known;      /* false: the peer's address isn't one (a UNIX socket); `ip` is zero */
    bool via_proxy;  /* the peer is a trusted proxy: its fields are believed and kept */
    bool https;      /* a trusted proxy said so (X-Forwarded-Proto, proto=) */
    bool https_told; /* a trusted proxy said which */
};

/* `peer`: numeric, of the connection (or of a PROXY header). Entries that can't be read (unknown,
 * _hidden, garbage) end the walk: the client is then the last address that could. With both header
 * kinds there, X-Forwarded-For is read. Ports are skipped.
 *
 * The scheme comes from the same kind: proto= of the client's own entry, or X-Forwarded-Proto: its
 * last value, or, when it is a chain like the addresses, the one as far from the right as the
 * client's (the leftmost if it is shorter). */
struct client_found client_find(struct slice peer, const struct network *trusted, size_t count,
                                const struct forwarded_fields *fields);

#endif
