/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys that check signatures: Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256. Not on a
 * loop: what a check takes is told at verifier_is_costly. Private to policy/.
 */
#ifndef POSTERN_POLICY_PUBKEY_H
#define POSTERN_POLICY_PUBKEY_H

#include <postern/base/slice.h>
#include <postern/base/status.h>

#define PUBKEY_ED25519_BYTES 32
#define PUBKEY_ED25519_SIGNATURE_BYTES 64
#define PUBKEY_P256_MAX_BYTES 256          /* DER with the point in either form has 59 or 91 */
#define PUBKEY_P256_SIGNATURE_MAX_BYTES 72 /* DER of two numbers of 33 bytes */

struct pubkey; /* immutable: any number of threads may check with it at once */

enum pubkey_result {
    PUBKEY_FITS,
    PUBKEY_DIFFERS, /* also a signature that can't be one */
    PUBKEY_FAILED,  /* no memory, or OpenSSL failed */
};

/* The key of 32 raw bytes. STATUS_INVALID: another length, or not a key. STATUS_NO_MEMORY. */
NODISCARD enum status pubkey_open_ed25519(struct slice bytes, struct pubkey **ret_key);

/* The key of a DER SubjectPublicKeyInfo with nothing behind it. STATUS_INVALID: it is none, or of
 * another curve or algorithm. STATUS_NO_MEMORY. */
NODISCARD enum status pubkey_open_p256(struct slice der, struct pubkey **ret_key);

/* Frees it; NULL is fine. */
void pubkey_close(struct pubkey *key);

/* Checks the signature (Ed25519: 64 bytes; P-256: DER) of all parts, one after the other. */
enum pubkey_result pubkey_check(const struct pubkey *key, const struct slice *parts, size_t count,
                                struct slice signature);

#endif
