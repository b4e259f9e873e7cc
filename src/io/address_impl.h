/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of io/ share of an address: the socket API's view of its opaque storage.
 */
#ifndef POSTERN_IO_ADDRESS_IMPL_H
#define POSTERN_IO_ADDRESS_IMPL_H

#include <postern/io/stream.h>
#include <sys/socket.h>

/* The address as connect(2) and bind(2) take it. */
const struct sockaddr *address_sockaddr(const struct address *address);

/* Its length for bind(2). */
socklen_t address_sockaddr_len(const struct address *address);

/* Fills *ret_address from what the kernel or the resolver gave. An IPv4 address mapped into IPv6
 * becomes plain IPv4, so that a client has one name whichever socket it came through. False for a
 * family other than IPv4 and IPv6. */
bool address_from_sockaddr(const struct sockaddr *from, struct address *ret_address);

/* Fills *ret_address from a numeric host without brackets. False when `host` isn't numeric. */
bool address_from_numeric(const char *host, uint16_t port, struct address *ret_address);

/* Changes the port. */
void address_set_port(struct address *address, uint16_t port);

/* Reads a decimal port: digits alone, at most 65535. */
bool address_port(struct slice text, uint16_t *ret_port);

#endif
