/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numeric socket addresses: text to storage and back. Names are io/resolve's; nothing here calls
 * the kernel.
 */
#include "address_impl.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>

#define HOST_TEXT_SIZE INET6_ADDRSTRLEN
#define PORT_DIGITS_MAX 5

_Static_assert(sizeof(struct address) >= sizeof(struct sockaddr_in6), "room for either family");
_Static_assert(sizeof(struct address) >= sizeof(struct sockaddr_in), "room for either family");
/* "[" host "]:65535" */
_Static_assert(ADDRESS_TEXT_SIZE >= 1 + HOST_TEXT_SIZE + 2 + PORT_DIGITS_MAX, "room for any text");

static struct sockaddr_in as_ipv4(const struct address *address)
{
    struct sockaddr_in ipv4;
    memcpy(&ipv4, address->storage, sizeof ipv4);
    return ipv4;
}

static struct sockaddr_in6 as_ipv6(const struct address *address)
{
    struct sockaddr_in6 ipv6;
    memcpy(&ipv6, address->storage, sizeof ipv6);
    return ipv6;
}

static struct address from_ipv4(struct in_addr host, in_port_t port_be)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = port_be, .sin_addr = host};
    struct address address = {0};
    memcpy(address.storage, &ipv4, sizeof ipv4);
    return address;
}

static struct address from_ipv6(const struct sockaddr_in6 *ipv6)
{
    struct address address = {0};
    memcpy(address.storage, ipv6, sizeof *ipv6);
    return address;
}

/* The IPv4 address inside ::ffff:a.b.c.d. */
static struct in_addr mapped_ipv4(const struct in6_addr *host)
{
    struct in_addr ipv4;
    memcpy(&ipv4, host->s6_addr + 12, sizeof ipv4);
    return ipv4;
}

const struct sockaddr *address_sockaddr(const struct address *address)
{
    return (const struct sockaddr *)(const void *)address->storage;
}

socklen_t address_sockaddr_len(const struct address *address)
{
    return address_sockaddr(address)->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                           : sizeof(struct sockaddr_in6);
}

bool address_from_sockaddr(const struct sockaddr *from, struct address *ret_address)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, from, sizeof ipv4);
        *ret_address = from_ipv4(ipv4.sin_addr, ipv4.sin_port);
        return true;
    }
    if (from->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 ipv6;
    memcpy(&ipv6, from, sizeof ipv6);
    *ret_address = IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)
                       ? from_ipv4(mapped_ipv4(&ipv6.sin6_addr), ipv6.sin6_port)
                       : from_ipv6(&ipv6);
    return true;
}

bool address_from_numeric(const char *host, uint16_t port, struct address *ret_address)
{
    struct in_addr ipv4;
    if (inet_pton(AF_INET, host, &ipv4) == 1) {
        *ret_address = from_ipv4(ipv4, htons(port));
        return true;
    }
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, host, &ipv6.sin6_addr) != 1)
        return false;
    *ret_address = from_ipv6(&ipv6);
    return true;
}

void address_set_port(struct address *address, uint16_t port)
{
    /* The port lies at the same place in both families. */
    _Static_assert(offsetof(struct sockaddr_in, sin_port) ==
                       offsetof(struct sockaddr_in6, sin6_port),
                   "one offset");
    in_port_t port_be = htons(port);
    memcpy(address->storage + offsetof(struct sockaddr_in, sin_port), &port_be, sizeof port_be);
}

bool address_port(struct slice text, uint16_t *ret_port)
{
    uint32_t port = 0;
    if (text.len == 0 || text.len > PORT_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* Cuts "host:port" at its last colon. */
static bool split(struct slice text, struct slice *ret_host, struct slice *ret_port)
{
    for (size_t i = text.len; i-- > 0;) {
        if (text.data[i] != ':')
            continue;
        *ret_host = slice_of(text.data, i);
        *ret_port = slice_skip(text, i + 1);
        return true;
    }
    return false;
}

/* Takes the brackets off, which IPv6 has to have and IPv4 must not. */
static bool unwrap(struct slice *host)
{
    bool has_colon = host->len > 0 && memchr(host->data, ':', host->len);
    bool bracketed = host->len >= 2 && host->data[0] == '[' && host->data[host->len - 1] == ']';
    if (bracketed)
        *host = slice_of(host->data + 1, host->len - 2);
    return has_colon == bracketed;
}

enum status address_parse(struct slice text, struct address *ret_address)
{
    struct slice host_text, port_text;
    uint16_t port;
    if (!split(text, &host_text, &port_text) || !address_port(port_text, &port) ||
        !unwrap(&host_text) || host_text.len >= HOST_TEXT_SIZE ||
        memchr(host_text.data, '\0', host_text.len))
        return STATUS_INVALID;
    char host[HOST_TEXT_SIZE];
    memcpy(host, host_text.data, host_text.len);
    host[host_text.len] = '\0';
    return address_from_numeric(host, port, ret_address) ? STATUS_OK : STATUS_INVALID;
}

/* Writes the host and returns the port, in host order. */
static uint16_t format_host(const struct address *address, char ret_text[static HOST_TEXT_SIZE])
{
    const char *written;
    uint16_t port;
    if (address_sockaddr(address)->sa_family == AF_INET) {
        struct sockaddr_in ipv4 = as_ipv4(address);
        written = inet_ntop(AF_INET, &ipv4.sin_addr, ret_text, HOST_TEXT_SIZE);
        port = ntohs(ipv4.sin_port);
    } else {
        struct sockaddr_in6 ipv6 = as_ipv6(address);
        written = inet_ntop(AF_INET6, &ipv6.sin6_addr, ret_text, HOST_TEXT_SIZE);
        port = ntohs(ipv6.sin6_port);
    }
    assert(written); /* the room was asserted above */
    (void)written;
    return port;
}

void address_format(const struct address *address, char ret_text[static ADDRESS_TEXT_SIZE])
{
    char host[HOST_TEXT_SIZE];
    uint16_t port = format_host(address, host);
    bool is_ipv4 = address_sockaddr(address)->sa_family == AF_INET;
    snprintf(ret_text, ADDRESS_TEXT_SIZE, is_ipv4 ? "%s:%u" : "[%s]:%u", host, (unsigned)port);
}

void address_format_host(const struct address *address, char ret_text[static ADDRESS_TEXT_SIZE])
{
    format_host(address, ret_text);
}

static bool is_loopback_ipv4(struct in_addr host)
{
    return ntohl(host.s_addr) >> 24 == 127;
}

bool address_is_loopback(const struct address *address)
{
    if (address_sockaddr(address)->sa_family == AF_INET)
        return is_loopback_ipv4(as_ipv4(address).sin_addr);
    struct sockaddr_in6 ipv6 = as_ipv6(address);
    if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr))
        return is_loopback_ipv4(mapped_ipv4(&ipv6.sin6_addr));
    return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}
