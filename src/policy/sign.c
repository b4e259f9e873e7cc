/* SPDX-License-Identifier: Apache-2.0 */
/* "v1" signatures: a MAC (mac.c) and its Base64. */
#include <postern/policy/sign.h>

#include "base64.h"
#include "mac.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAC_BYTES 32
#define SCHEME "v1,"
#define SECRET_PREFIX "whsec_"
#define SECRET_MIN_BYTES 24u /* the specification's bounds of a key */
#define SECRET_MAX_BYTES 64u
#define PLAIN_MIN_BYTES 16u

_Static_assert(SIGN_TEXT_LEN == sizeof(SCHEME) - 1 + BASE64_LEN(MAC_BYTES),
               "the scheme and the Base64");

struct signer {
    struct mac *mac;
};

/* ---- the signer ---- */

enum status signer_new(struct slice secret, struct signer **ret_signer)
{
    if (secret.len == 0)
        return STATUS_INVALID;
    struct signer *signer = calloc(1, sizeof *signer);
    if (!signer)
        return STATUS_NO_MEMORY;
    enum status status = mac_open(MAC_SHA256, secret, &signer->mac);
    if (status == STATUS_OK)
        *ret_signer = signer;
    else
        signer_free(signer);
    return status;
}

void signer_free(struct signer *signer)
{
    if (!signer)
        return;
    mac_close(signer->mac);
    free(signer);
}

enum status signer_sign(struct signer *signer, struct slice id, uint64_t timestamp_s,
                        struct slice body, char ret_text[static SIGN_TEXT_LEN])
{
    char middle[32]; /* the longest number has 20 digits */
    int len = snprintf(middle, sizeof middle, ".%" PRIu64 ".", timestamp_s);
    const struct slice message[] = {id, slice_of(middle, (size_t)len), body};
    uint8_t mac[MAC_MAX_BYTES];
    enum status status = mac_of(signer->mac, message, 3, mac);
    if (status != STATUS_OK)
        return status;
    memcpy(ret_text, SCHEME, sizeof(SCHEME) - 1);
    base64_encode(slice_of(mac, MAC_BYTES), ret_text + sizeof(SCHEME) - 1);
    return STATUS_OK;
}

/* ---- the secret ---- */

static enum status decode_secret(struct slice text, struct arena *arena, struct slice *ret_key)
{
    uint8_t bytes[SECRET_MAX_BYTES];
    size_t len = 0;
    enum status status = STATUS_INVALID;
    if (base64_decode(text, sizeof bytes, bytes, &len) && len >= SECRET_MIN_BYTES)
        status = arena_copy(arena, slice_of(bytes, len), ret_key) ? STATUS_OK : STATUS_NO_MEMORY;
    explicit_bzero(bytes, sizeof bytes);
    return status;
}

enum status sign_secret(struct slice text, struct arena *arena, struct slice *ret_key)
{
    struct slice prefix = SLICE(SECRET_PREFIX);
    if (slice_starts(text, prefix))
        return decode_secret(slice_skip(text, prefix.len), arena, ret_key);
    if (text.len < PLAIN_MIN_BYTES)
        return STATUS_INVALID;
    return arena_copy(arena, text, ret_key) ? STATUS_OK : STATUS_NO_MEMORY;
}
