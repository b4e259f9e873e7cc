/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `on_mismatch: new`: the body is part of what makes two arrivals the same event, beside the key
 * that the route's rule finds. Pure.
 */
#ifndef POSTERN_POLICY_KEY_FINGERPRINT_H
#define POSTERN_POLICY_KEY_FINGERPRINT_H

#include <postern/base/event_key.h>
#include <postern/policy/digest.h>
#include <postern/policy/reply.h>

/* The key of an event whose body counts: the first 128 bits of SHA-256(version, key, fingerprint),
 * both of fixed length. STATUS_UNAVAILABLE when OpenSSL fails; then *key is as it was. */
NODISCARD enum status key_add_fingerprint(struct digester *digester,
                                          const struct fingerprint *fingerprint,
                                          struct event_key *key);

#endif
