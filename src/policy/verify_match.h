/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heart of a check: candidates, decoded off a request, against every secret. All secrets and
 * all candidates are tried always, and compared in constant time. Private to policy/.
 */
#ifndef POSTERN_POLICY_VERIFY_MATCH_H
#define POSTERN_POLICY_VERIFY_MATCH_H

#include "verifier.h"

/* Signatures of one length that a request offers. */
struct verify_candidates {
    size_t bytes; /* of each; set by the caller */
    size_t count;
    bool malformed; /* one stood there that can't be read */
    uint8_t list[VERIFY_MAX_CANDIDATES][MAC_MAX_BYTES];
};

/* The digest's name in mac.h. */
enum mac_digest verify_mac_digest(enum verify_digest digest);

/* Decodes strictly (hexadecimal in either case). False: malformed, or more than `room` bytes. */
bool verify_decode(enum verify_encoding encoding, struct slice text, size_t room,
                   uint8_t *ret_bytes, size_t *ret_len);

/* Adds what `text` encodes; one that can't be read, and what is more than the list holds, is left
 * out. */
void verify_offer(struct verify_candidates *candidates, enum verify_encoding encoding,
                  struct slice text);

/* VERIFY_OK when there is one to try, else VERIFY_MALFORMED or VERIFY_MISSING. */
enum verify_result verify_offered(const struct verify_candidates *candidates);

/* Against the MAC of all parts with each secret that keys one: VERIFY_OK and call->secret,
 * VERIFY_MISMATCH or VERIFY_UNAVAILABLE. */
enum verify_result verify_match_macs(struct verify_call *call, const struct slice *parts,
                                     size_t count, const struct verify_candidates *candidates);

/* Against each secret that is a public key; only the first VERIFY_MAX_KEY_CANDIDATES are tried. */
enum verify_result verify_match_keys(struct verify_call *call, const struct slice *parts,
                                     size_t count, const struct verify_candidates *candidates);

/* As above for one signature, of any length. */
enum verify_result verify_match_key(struct verify_call *call, const struct slice *parts,
                                    size_t count, struct slice signature);

/* Against each secret that is sent as it is. */
enum verify_result verify_match_plain(struct verify_call *call, struct slice value);

#endif
