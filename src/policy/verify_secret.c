/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a secret to a keyed MAC, a public key or a digest. What a secret is wrong for is
 * said in words that never quote it: they end in the log.
 */
#include "verify_secret.h"

#include "base64.h"
#include "verify_match.h"

#define WHSEC SLICE("whsec_")
#define WHPK SLICE("whpk_")

/* The specification says 24 to 64 bytes; its libraries take any. Shorter than 128 bits is guessed,
 * longer than this is a slip. */
#define WHSEC_MIN_BYTES 16u
#define WHSEC_MAX_BYTES 256u

static enum status invalid(const char *problem, const char **ret_problem)
{
    *ret_problem = problem;
    return STATUS_INVALID;
}

/* ---- keys of MACs ---- */

enum status verify_open_mac(struct verifier *verifier, struct slice text,
                            struct verify_secret *secret, const char **ret_problem)
{
    (void)ret_problem;
    return mac_open(verify_mac_digest(verifier->hmac->digest), text, &secret->mac);
}

static enum status open_whsec(struct slice text, struct verify_secret *secret,
                              const char **ret_problem)
{
    uint8_t key[WHSEC_MAX_BYTES];
    size_t len = 0;
    enum status status = STATUS_OK;
    if (!base64_decode(text, sizeof key, key, &len))
        status = invalid("is not Base64 behind its \"whsec_\"", ret_problem);
    else if (len < WHSEC_MIN_BYTES)
        status = invalid("is shorter than 16 bytes behind its \"whsec_\"", ret_problem);
    else
        status = mac_open(MAC_SHA256, slice_of(key, len), &secret->mac);
    explicit_bzero(key, sizeof key);
    return status;
}

/* ---- public keys ---- */

static enum status open_ed25519(struct verifier *verifier, enum verify_encoding encoding,
                                struct slice text, struct verify_secret *secret)
{
    uint8_t key[PUBKEY_ED25519_BYTES];
    size_t len = 0;
    verifier->is_costly = true;
    if (!verify_decode(encoding, text, sizeof key, key, &len))
        return STATUS_INVALID;
    return pubkey_open_ed25519(slice_of(key, len), &secret->pubkey);
}

enum status verify_open_discord(struct verifier *verifier, struct slice text,
                                struct verify_secret *secret, const char **ret_problem)
{
    *ret_problem = "is not an Ed25519 public key of 64 hexadecimal digits";
    return open_ed25519(verifier, VERIFY_HEX, text, secret);
}

enum status verify_open_sendgrid(struct verifier *verifier, struct slice text,
                                 struct verify_secret *secret, const char **ret_problem)
{
    uint8_t key[PUBKEY_P256_MAX_BYTES];
    size_t len = 0;
    verifier->is_costly = true;
    *ret_problem = "is not the Base64 of a P-256 public key (SubjectPublicKeyInfo)";
    if (!base64_decode(text, sizeof key, key, &len))
        return STATUS_INVALID;
    return pubkey_open_p256(slice_of(key, len), &secret->pubkey);
}

enum status verify_open_webhook(struct verifier *verifier, struct slice text,
                                struct verify_secret *secret, const char **ret_problem)
{
    if (slice_starts(text, WHSEC))
        return open_whsec(slice_skip(text, WHSEC.len), secret, ret_problem);
    if (!slice_starts(text, WHPK))
        return invalid("begins neither with \"whsec_\" nor with \"whpk_\"", ret_problem);
    *ret_problem = "is not the Base64 of an Ed25519 public key behind its \"whpk_\"";
    return open_ed25519(verifier, VERIFY_BASE64, slice_skip(text, WHPK.len), secret);
}

/* ---- secrets sent as they are ---- */

/* What may stand in a field (RFC 9110 5.5). A secret that can't be sent would never fit. */
static bool may_be_sent(struct slice text)
{
    if (slice_trim(text).len != text.len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum status keep_digest(struct verifier *verifier, struct slice text,
                               struct verify_secret *secret)
{
    secret->is_plain = true;
    return digest_sha256(verifier->digester, text, secret->digest);
}

enum status verify_open_plain(struct verifier *verifier, struct slice text,
                              struct verify_secret *secret, const char **ret_problem)
{
    if (!may_be_sent(text))
        return invalid("has a control character, or a space at an end: no header can hold it",
                       ret_problem);
    return keep_digest(verifier, text, secret);
}

enum status verify_open_basic(struct verifier *verifier, struct slice text,
                              struct verify_secret *secret, const char **ret_problem)
{
    if (!memchr(text.data, ':', text.len))
        return invalid("is not \"user:password\"", ret_problem);
    return keep_digest(verifier, text, secret);
}

enum status verify_open_gitlab(struct verifier *verifier, struct slice text,
                               struct verify_secret *secret, const char **ret_problem)
{
    if (slice_starts(text, WHSEC))
        return open_whsec(slice_skip(text, WHSEC.len), secret, ret_problem);
    return verify_open_plain(verifier, text, secret, ret_problem);
}

/* ---- the end ---- */

void verify_secret_done(struct verify_secret *secret)
{
    mac_close(secret->mac);
    pubkey_close(secret->pubkey);
    explicit_bzero(secret, sizeof *secret);
}
