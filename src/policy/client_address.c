/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and networks as 128 bits, and the walk from the peer to the client. The fields' own
 * grammar is forwarded.c.
 */
#include <postern/policy/client_address.h>

#include "forwarded.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96u /* of ::ffff:0:0/96, where IPv4 lies */

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* ---- addresses ---- */

bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

/* inet_pton takes what it is to take and no more: no short forms, no leading zeros, no zone. */
enum status ip_parse(struct slice text, struct ip *ret_ip)
{
    char copy[CLIENT_TEXT_SIZE];
    struct ip ip;
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', text.len))
        return STATUS_INVALID;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    memcpy(ip.bytes, mapped_prefix, sizeof mapped_prefix);
    if (inet_pton(AF_INET, copy, ip.bytes + sizeof mapped_prefix) != 1 &&
        inet_pton(AF_INET6, copy, ip.bytes) != 1)
        return STATUS_INVALID;
    *ret_ip = ip;
    return STATUS_OK;
}

size_t ip_format(const struct ip *ip, char ret_text[static CLIENT_TEXT_SIZE])
{
    const uint8_t *v4 = ip->bytes + sizeof mapped_prefix;
    const char *text = ip_is_v4(ip) ? inet_ntop(AF_INET, v4, ret_text, CLIENT_TEXT_SIZE)
                                    : inet_ntop(AF_INET6, ip->bytes, ret_text, CLIENT_TEXT_SIZE);
    return slice_str(text).len;
}

/* ---- networks ---- */

/* The bits of byte `i` that lie within the first `bits`. */
static uint8_t mask_byte(unsigned bits, unsigned i)
{
    if (bits <= 8 * i)
        return 0;
    unsigned within = bits < 8 * (i + 1) ? bits - 8 * i : 8;
    return (uint8_t)(0xff00u >> within);
}

static bool is_clean(const struct network *network)
{
    for (unsigned i = 0; i < sizeof network->ip.bytes; i++)
        if (network->ip.bytes[i] & ~mask_byte(network->bits, i))
            return false;
    return true;
}

/* One to three digits, without a zero before others. */
static bool parse_bits(struct slice text, unsigned max, unsigned *ret_bits)
{
    unsigned bits = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        bits = bits * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_bits = bits;
    return bits <= max;
}

enum status network_parse(struct slice text, struct network *ret_network)
{
    struct network network;
    const char *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    struct slice address = slice_of(text.data, slash ? (size_t)(slash - text.data) : text.len);
    if (ip_parse(address, &network.ip) != STATUS_OK)
        return STATUS_INVALID;
    bool as_v4 = !memchr(address.data, ':', address.len);
    unsigned before = as_v4 ? MAPPED_BITS : 0;
    unsigned bits = 128 - before;
    if (slash && !parse_bits(slice_skip(text, address.len + 1), bits, &bits))
        return STATUS_INVALID;
    network.bits = (uint8_t)(before + bits);
    if (!is_clean(&network))
        return STATUS_INVALID;
    *ret_network = network;
    return STATUS_OK;
}

static bool network_holds(const struct network *network, const struct ip *ip)
{
    if (ip_is_v4(ip) && network->bits < MAPPED_BITS)
        return false;
    for (unsigned i = 0; i < sizeof ip->bytes; i++)
        if ((network->ip.bytes[i] ^ ip->bytes[i]) & mask_byte(network->bits, i))
            return false;
    return true;
}

bool networks_hold(const struct network *networks, size_t count, const struct ip *ip)
{
    for (size_t i = 0; i < count; i++)
        if (network_holds(&networks[i], ip))
            return true;
    return false;
}

/* ---- the walk ---- */

struct walk {
    const struct network *trusted;
    size_t trusted_count;
    struct ip ip;            /* the last address that could be read */
    size_t steps;            /* how many addresses were, beyond the peer */
    enum told_scheme scheme; /* of the entry of `ip` */
    unsigned looked_at;      /* entries */
    bool ended;
};

/* Goes on to the address of one more entry. */
static void step(struct walk *walk, const struct ip *ip, enum told_scheme scheme)
{
    walk->ip = *ip;
    walk->scheme = scheme;
    walk->steps++;
    walk->ended |= !networks_hold(walk->trusted, walk->trusted_count, ip);
}

/* Looks at an entry. Empty ones stand for nothing (RFC 9110 5.6.1.2). */
typedef void look(struct walk *walk, struct slice entry);

static void look_plain(struct walk *walk, struct slice entry)
{
    struct ip ip;
    if (node_parse(entry, &ip) == STATUS_OK)
        step(walk, &ip, SCHEME_UNTOLD);
    else
        walk->ended |= entry.len > 0;
}

static void look_forwarded(struct walk *walk, struct slice entry)
{
    struct forwarded_entry read;
    if (forwarded_parse(entry, &read) == STATUS_OK)
        step(walk, &read.ip, read.scheme);
    else
        walk->ended |= entry.len > 0;
}

/* How many lines of that name there are. */
static size_t count_lines(const struct forwarded_fields *fields, struct slice name)
{
    struct slice value;
    size_t count = 0;
    while (fields->get(fields->headers, name, count, &value))
        count++;
    return count;
}

/* Over the entries of all lines from the last to the first. */
static void walk_lines(struct walk *walk, const struct forwarded_fields *fields, struct slice name,
                       bool (*take_last)(struct slice *list, struct slice *ret_entry),
                       look *look_at)
{
    struct slice list, entry;
    for (size_t i = count_lines(fields, name); i > 0 && !walk->ended; i--) {
        if (!fields->get(fields->headers, name, i - 1, &list))
            return;
        while (!walk->ended && take_last(&list, &entry)) {
            look_at(walk, entry);
            walk->ended |= ++walk->looked_at >= CLIENT_MAX_HOPS;
        }
    }
}

/* The value that stands where the client stands in its chain; without such a chain the last one,
 * which is the peer's own word. */
static enum told_scheme scheme_of_chain(const struct forwarded_fields *fields, size_t steps)
{
    const struct slice name = SLICE("X-Forwarded-Proto");
    size_t wanted = steps > 0 ? steps : 1, seen = 0;
    unsigned looked_at = 0;
    struct slice list, entry, last = SLICE("");
    for (size_t i = count_lines(fields, name); i > 0 && seen < wanted; i--) {
        if (!fields->get(fields->headers, name, i - 1, &list))
            break;
        while (seen < wanted && looked_at++ < CLIENT_MAX_HOPS && list_take_last(&list, &entry)) {
            if (entry.len == 0)
                continue;
            last = entry;
            seen++;
        }
    }
    return scheme_of(last);
}

static void walk_fields(struct walk *walk, const struct forwarded_fields *fields)
{
    const struct slice plain = SLICE("X-Forwarded-For"), standard = SLICE("Forwarded");
    struct slice value;
    if (!fields->get(fields->headers, plain, 0, &value) &&
        fields->get(fields->headers, standard, 0, &value)) {
        walk_lines(walk, fields, standard, forwarded_take_last, look_forwarded);
        return;
    }
    walk_lines(walk, fields, plain, list_take_last, look_plain);
    walk->scheme = scheme_of_chain(fields, walk->steps);
}

struct client_found client_find(struct slice peer, const struct network *trusted, size_t count,
                                const struct forwarded_fields *fields)
{
    struct walk walk = {.trusted = trusted, .trusted_count = count};
    if (ip_parse(peer, &walk.ip) != STATUS_OK)
        return (struct client_found){0};
    bool via_proxy = networks_hold(trusted, count, &walk.ip);
    if (via_proxy)
        walk_fields(&walk, fields);
    return (struct client_found){
        .ip = walk.ip,
        .known = true,
        .via_proxy = via_proxy,
        .https = walk.scheme == SCHEME_HTTPS,
        .https_told = walk.scheme != SCHEME_UNTOLD,
    };
}
