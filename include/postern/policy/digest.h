/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 with the algorithm fetched once and one kept context (ECOSYSTEM 3.3: a third of the price
 * of SHA256()). Small pieces are gathered before OpenSSL sees them, so that a key of a dozen parts
 * costs one call. One per thread.
 */
#ifndef POSTERN_POLICY_DIGEST_H
#define POSTERN_POLICY_DIGEST_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdint.h>

#define SHA256_BYTES 32

struct digester; /* not shared between threads */

/* Fetches the algorithm; the caller owns the result and gives it to digester_close.
 * STATUS_UNAVAILABLE when OpenSSL has none (a FIPS configuration without it), STATUS_NO_MEMORY. */
NODISCARD enum status digester_open(struct digester **ret_digester);

/* Frees it; NULL is fine. */
void digester_close(struct digester *digester);

/* Begins a digest; what was begun before is forgotten. STATUS_UNAVAILABLE when OpenSSL fails, here
 * and below: nothing is known of the digest then, and only digest_begin may follow. */
NODISCARD enum status digest_begin(struct digester *digester);

/* Adds bytes; only between digest_begin and digest_end. */
NODISCARD enum status digest_add(struct digester *digester, struct slice bytes);

/* Adds a 64-bit big-endian length and then the bytes, so that parts can't run into each other. */
NODISCARD enum status digest_add_part(struct digester *digester, struct slice bytes);

/* Ends it. */
NODISCARD enum status digest_end(struct digester *digester,
                                 uint8_t ret_digest[static SHA256_BYTES]);

/* All at once; what was begun before is forgotten. */
NODISCARD enum status digest_sha256(struct digester *digester, struct slice bytes,
                                    uint8_t ret_digest[static SHA256_BYTES]);

#endif
