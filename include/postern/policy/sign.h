/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard Webhooks signatures (https://github.com/standard-webhooks/standard-webhooks, spec
 * "Webhook signature", scheme v1): what Postern puts on its deliveries.
 */
#ifndef POSTERN_POLICY_SIGN_H
#define POSTERN_POLICY_SIGN_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdint.h>

#define SIGN_TEXT_LEN 47 /* "v1," and 44 characters of Base64 */

struct signer;

/* A signer with a kept, keyed MAC context (not for several threads at once). `secret` is the raw
 * key, copied; STATUS_INVALID when it is empty. STATUS_UNAVAILABLE when OpenSSL has no HMAC with
 * SHA-256, STATUS_NO_MEMORY. */
NODISCARD enum status signer_new(struct slice secret, struct signer **ret_signer);

/* Frees it, its key wiped; NULL is fine. */
void signer_free(struct signer *signer);

/* Signs "id.timestamp.body" into `ret_text`: "v1,<base64>", not NUL-terminated. STATUS_UNAVAILABLE
 * when OpenSSL fails; `ret_text` is untouched then. */
NODISCARD enum status signer_sign(struct signer *signer, struct slice id, uint64_t timestamp_s,
                                  struct slice body, char ret_text[static SIGN_TEXT_LEN]);

/* The raw key of a configured secret: "whsec_" and Base64 (padded, nothing around it) is decoded to
 * 24 to 64 bytes, as the specification asks, anything else is taken as it is, 16 bytes or more;
 * STATUS_INVALID otherwise. The key is in the arena: who owns that wipes it. STATUS_NO_MEMORY: the
 * arena is full. */
NODISCARD enum status sign_secret(struct slice text, struct arena *arena, struct slice *ret_key);

#endif
