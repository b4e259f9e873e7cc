/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops have no way out before their end but a failure, so that the time taken tells nothing of
 * which secret or candidate fits, or how well.
 */
#include "verify_match.h"

#include "base64.h"
#include "hex.h"

#define NOTHING SIZE_MAX

enum mac_digest verify_mac_digest(enum verify_digest digest)
{
    static const enum mac_digest digests[] = {
        [VERIFY_SHA256] = MAC_SHA256, [VERIFY_SHA1] = MAC_SHA1, [VERIFY_SHA512] = MAC_SHA512};
    return digests[digest];
}

/* ---- decoding ---- */

static bool decode_hex(struct slice text, size_t room, uint8_t *ret_bytes, size_t *ret_len)
{
    int wrong = 0;
    if (text.len % 2 != 0 || text.len / 2 > room)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);
        wrong |= high | low; /* -1 sets the sign */
        ret_bytes[i / 2] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    *ret_len = text.len / 2;
    return wrong >= 0;
}

bool verify_decode(enum verify_encoding encoding, struct slice text, size_t room,
                   uint8_t *ret_bytes, size_t *ret_len)
{
    return encoding == VERIFY_HEX ? decode_hex(text, room, ret_bytes, ret_len)
                                  : base64_decode(text, room, ret_bytes, ret_len);
}

/* ---- candidates ---- */

void verify_offer(struct verify_candidates *candidates, enum verify_encoding encoding,
                  struct slice text)
{
    size_t len = 0;
    if (candidates->count == VERIFY_MAX_CANDIDATES)
        return;
    if (verify_decode(encoding, text, candidates->bytes, candidates->list[candidates->count],
                      &len) &&
        len == candidates->bytes)
        candidates->count++;
    else
        candidates->malformed = true;
}

enum verify_result verify_offered(const struct verify_candidates *candidates)
{
    if (candidates->count > 0)
        return VERIFY_OK;
    return candidates->malformed ? VERIFY_MALFORMED : VERIFY_MISSING;
}

/* ---- MACs ---- */

static enum verify_result result_of(struct verify_call *call, size_t found)
{
    if (found == NOTHING)
        return VERIFY_MISMATCH;
    call->secret = found;
    return VERIFY_OK;
}

/* A costly verifier is used by several threads at once, and its contexts can't be. */
static enum status make_mac(const struct verifier *verifier, struct mac *mac,
                            const struct slice *parts, size_t count,
                            uint8_t ret_mac[static MAC_MAX_BYTES])
{
    if (!verifier->is_costly)
        return mac_of(mac, parts, count, ret_mac);
    struct mac *own = NULL;
    enum status status = mac_copy(mac, &own);
    if (status == STATUS_OK)
        status = mac_of(own, parts, count, ret_mac);
    mac_close(own);
    return status;
}

static bool is_among(const struct verify_candidates *candidates, const uint8_t *mac)
{
    bool found = false;
    for (size_t i = 0; i < candidates->count; i++)
        found |= mac_equal(candidates->list[i], mac, candidates->bytes);
    return found;
}

enum verify_result verify_match_macs(struct verify_call *call, const struct slice *parts,
                                     size_t count, const struct verify_candidates *candidates)
{
    const struct verifier *verifier = call->verifier;
    size_t found = NOTHING;
    for (size_t i = 0; i < verifier->secret_count; i++) {
        uint8_t mac[MAC_MAX_BYTES];
        if (!verifier->secrets[i].mac)
            continue;
        if (make_mac(verifier, verifier->secrets[i].mac, parts, count, mac) != STATUS_OK)
            return VERIFY_UNAVAILABLE;
        if (is_among(candidates, mac) && found == NOTHING)
            found = i;
    }
    return result_of(call, found);
}

/* ---- public keys ---- */

enum verify_result verify_match_key(struct verify_call *call, const struct slice *parts,
                                    size_t count, struct slice signature)
{
    const struct verifier *verifier = call->verifier;
    size_t found = NOTHING;
    for (size_t i = 0; i < verifier->secret_count; i++) {
        if (!verifier->secrets[i].pubkey)
            continue;
        enum pubkey_result result =
            pubkey_check(verifier->secrets[i].pubkey, parts, count, signature);
        if (result == PUBKEY_FAILED)
            return VERIFY_UNAVAILABLE;
        if (result == PUBKEY_FITS && found == NOTHING)
            found = i;
    }
    return result_of(call, found);
}

enum verify_result verify_match_keys(struct verify_call *call, const struct slice *parts,
                                     size_t count, const struct verify_candidates *candidates)
{
    size_t found = NOTHING;
    for (size_t i = 0; i < candidates->count && i < VERIFY_MAX_KEY_CANDIDATES; i++) {
        struct slice signature = slice_of(candidates->list[i], candidates->bytes);
        enum verify_result result = verify_match_key(call, parts, count, signature);
        if (result == VERIFY_UNAVAILABLE)
            return result;
        if (result == VERIFY_OK && found == NOTHING)
            found = call->secret;
    }
    return result_of(call, found);
}

/* ---- secrets sent as they are ---- */

enum verify_result verify_match_plain(struct verify_call *call, struct slice value)
{
    const struct verifier *verifier = call->verifier;
    uint8_t digest[SHA256_BYTES];
    size_t found = NOTHING;
    if (digest_sha256(verifier->digester, value, digest) != STATUS_OK)
        return VERIFY_UNAVAILABLE;
    for (size_t i = 0; i < verifier->secret_count; i++) {
        const struct verify_secret *secret = &verifier->secrets[i];
        if (secret->is_plain && mac_equal(secret->digest, digest, sizeof digest) &&
            found == NOTHING)
            found = i;
    }
    return result_of(call, found);
}
