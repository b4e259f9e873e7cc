/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol's header, read byte by byte while it is told which version it is and how long,
 * so that garbage is known with its first byte, and never more is held than both addresses need.
 *
 *   1: PROXY TCP4 203.0.113.7 192.0.2.1 51234 443 CR LF
 *   2: signature (12) | version, command | family, transport | length (2) | addresses | TLVs,
 * skipped
 */
#include "proxy_header.h"

#include "address_impl.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define SIGNATURE_LEN 12u
#define FIXED_LEN 16u      /* of version 2, up to its addresses */
#define IPV4_ADDRESSES 12u /* two addresses, two ports */
#define IPV6_ADDRESSES 36u
#define LINE_FIELDS 6u

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
static const char line_start[] = "PROXY ";

_Static_assert(FIXED_LEN + IPV6_ADDRESSES <= PROXY_HEADER_HELD, "room for version 2");

static unsigned byte_at(const struct proxy_header *header, size_t at)
{
    return (unsigned char)header->held[at];
}

/* ---- version 1 ---- */

/* A decimal port as the rules have it: no zero in front. */
static bool read_port(struct slice text, uint16_t *ret_port)
{
    return (text.len == 1 || !slice_starts(text, SLICE("0"))) && address_port(text, ret_port);
}

static bool read_endpoint(struct slice host, struct slice port_text, sa_family_t family,
                          struct address *ret_address)
{
    char text[INET6_ADDRSTRLEN];
    uint16_t port;
    struct address address;
    if (host.len >= sizeof text || !read_port(port_text, &port) ||
        memchr(host.data, '\0', host.len))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    if ((memchr(text, ':', host.len) != NULL) != (family == AF_INET6) ||
        !address_from_numeric(text, port, &address))
        return false;
    return address_from_sockaddr(address_sockaddr(&address), ret_address); /* IPv4 in IPv6 */
}

/* Cuts the line at its spaces. Returns the number of fields, at most LINE_FIELDS + 1. */
static size_t split(struct slice line, struct slice *fields)
{
    size_t count = 0;
    while (count < LINE_FIELDS) {
        const char *space = memchr(line.data, ' ', line.len);
        if (!space) {
            fields[count++] = line;
            return count;
        }
        fields[count++] = slice_of(line.data, (size_t)(space - line.data));
        line = slice_skip(line, fields[count - 1].len + 1);
    }
    return count + 1;
}

static enum proxy_step read_line(struct proxy_header *header, struct slice line)
{
    struct slice fields[LINE_FIELDS] = {{0}};
    size_t count = split(line, fields);
    struct address destination;
    if (count >= 2 && slice_eq(fields[1], SLICE("UNKNOWN")))
        return PROXY_DONE; /* whatever else it says is to be ignored */
    bool is_ipv4 = slice_eq(fields[1], SLICE("TCP4"));
    if (count != LINE_FIELDS || (!is_ipv4 && !slice_eq(fields[1], SLICE("TCP6"))))
        return PROXY_BAD;
    sa_family_t family = is_ipv4 ? AF_INET : AF_INET6;
    if (!read_endpoint(fields[2], fields[4], family, &header->source) ||
        !read_endpoint(fields[3], fields[5], family, &destination))
        return PROXY_BAD;
    header->has_source = true;
    return PROXY_DONE;
}

static enum proxy_step look_at_line(struct proxy_header *header)
{
    size_t len = header->held_len, last = len - 1;
    if (last < sizeof line_start - 1)
        return header->held[last] == line_start[last] ? PROXY_MORE : PROXY_BAD;
    if (header->held[last] != '\n')
        return len < sizeof header->held ? PROXY_MORE : PROXY_BAD;
    if (header->held[last - 1] != '\r')
        return PROXY_BAD;
    return read_line(header, slice_of(header->held, len - 2));
}

/* ---- version 2 ---- */

/* Bytes of addresses to be read; false for a family or transport that doesn't exist. Of those that
 * are not TCP/IP nothing is read. */
static bool size_of_addresses(unsigned family, uint8_t *ret_size)
{
    if (family >> 4 > 3 || (family & 0xf) > 2)
        return false;
    *ret_size = family == 0x11 ? IPV4_ADDRESSES : family == 0x21 ? IPV6_ADDRESSES : 0;
    return true;
}

/* The fixed part is there: how much follows. */
static enum proxy_step read_fixed(struct proxy_header *header)
{
    unsigned version = byte_at(header, 12) >> 4, command = byte_at(header, 12) & 0xf;
    uint32_t len = byte_at(header, 14) << 8 | byte_at(header, 15);
    uint8_t addresses;
    if (version != 2 || command > 1 || !size_of_addresses(byte_at(header, 13), &addresses))
        return PROXY_BAD;
    if (command == 0)
        addresses = 0; /* LOCAL: the proxy's own connection */
    if (len < addresses)
        return PROXY_BAD;
    header->wanted = (uint8_t)(FIXED_LEN + addresses);
    header->skip = len - addresses;
    return PROXY_MORE;
}

static void read_addresses(struct proxy_header *header)
{
    const char *from = header->held + FIXED_LEN;
    if (header->wanted == FIXED_LEN + IPV4_ADDRESSES) {
        struct sockaddr_in ipv4 = {.sin_family = AF_INET};
        memcpy(&ipv4.sin_addr, from, sizeof ipv4.sin_addr);
        memcpy(&ipv4.sin_port, from + 8, sizeof ipv4.sin_port);
        header->has_source = address_from_sockaddr((const struct sockaddr *)&ipv4, &header->source);
    } else if (header->wanted == FIXED_LEN + IPV6_ADDRESSES) {
        struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
        memcpy(&ipv6.sin6_addr, from, sizeof ipv6.sin6_addr);
        memcpy(&ipv6.sin6_port, from + 32, sizeof ipv6.sin6_port);
        header->has_source = address_from_sockaddr((const struct sockaddr *)&ipv6, &header->source);
    }
}

static enum proxy_step look_at_binary(struct proxy_header *header)
{
    size_t len = header->held_len;
    if (len <= SIGNATURE_LEN)
        return header->held[len - 1] == signature[len - 1] ? PROXY_MORE : PROXY_BAD;
    if (len == FIXED_LEN && read_fixed(header) == PROXY_BAD)
        return PROXY_BAD;
    if (len < FIXED_LEN || len < header->wanted)
        return PROXY_MORE;
    read_addresses(header);
    return header->skip > 0 ? PROXY_MORE : PROXY_DONE;
}

/* ---- both ---- */

static enum proxy_step take_skipped(struct proxy_header *header, struct slice *input)
{
    size_t len = input->len < header->skip ? input->len : header->skip;
    *input = slice_skip(*input, len);
    header->skip -= (uint32_t)len;
    return header->skip > 0 ? PROXY_MORE : PROXY_DONE;
}

static bool has_all_held(const struct proxy_header *header)
{
    return header->wanted > 0 && header->held_len == header->wanted;
}

enum proxy_step proxy_header_take(struct proxy_header *header, struct slice *input)
{
    enum proxy_step step = PROXY_MORE;
    while (step == PROXY_MORE && input->len > 0 && !has_all_held(header)) {
        header->held[header->held_len++] = input->data[0];
        *input = slice_skip(*input, 1);
        step = header->held[0] == line_start[0] ? look_at_line(header) : look_at_binary(header);
    }
    return step == PROXY_MORE && has_all_held(header) ? take_skipped(header, input) : step;
}
