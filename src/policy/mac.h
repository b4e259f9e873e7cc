/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC (RFC 2104) with kept, keyed contexts, for sign.c and verify*.c: fetched and keyed once and
 * reset for each message, which is several times cheaper than keying it anew (ECOSYSTEM 3.3).
 * Private to policy/.
 */
#ifndef POSTERN_POLICY_MAC_H
#define POSTERN_POLICY_MAC_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdint.h>

#define MAC_MAX_BYTES 64

enum mac_digest { MAC_SHA256, MAC_SHA1, MAC_SHA512, MAC_DIGESTS };

struct mac; /* one key; not for several threads at once */

/* Bytes of a MAC. */
size_t mac_bytes(enum mac_digest digest);

/* Keys a context; the key is copied. STATUS_INVALID when it is empty, STATUS_UNAVAILABLE when
 * OpenSSL lacks HMAC or the digest, STATUS_NO_MEMORY. */
NODISCARD enum status mac_open(enum mac_digest digest, struct slice key, struct mac **ret_mac);

/* Another context with the same key, for another thread; `mac` is only read, and may be by several
 * threads as long as none of them calls mac_of with it. STATUS_NO_MEMORY. */
NODISCARD enum status mac_copy(const struct mac *mac, struct mac **ret_copy);

/* Frees it, the key wiped; NULL is fine. */
void mac_close(struct mac *mac);

/* The MAC of all parts, one after the other. STATUS_UNAVAILABLE when OpenSSL fails; `ret_mac` is
 * untouched then. */
NODISCARD enum status mac_of(struct mac *mac, const struct slice *parts, size_t count,
                             uint8_t ret_mac[static MAC_MAX_BYTES]);

/* True when `len` bytes are the same; takes as long whatever they are. */
bool mac_equal(const void *a, const void *b, size_t len);

#endif
