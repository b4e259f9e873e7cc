/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by OpenSSL's EVP, which mac.c and pubkey.c know as well. The algorithm is fetched and the
 * context made once; each digest only resets the context. A call into EVP costs about as much as
 * hashing a block, so short pieces wait in `gathered` and go in together; long ones go straight in.
 */
#include <postern/policy/digest.h>

#include <assert.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GATHERED_BYTES 256 /* holds the parts of a usual key; four blocks of SHA-256 */
#define LENGTH_BYTES 8

struct digester {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
    bool begun;
    size_t gathered_len;
    char gathered[GATHERED_BYTES];
};

enum status digester_open(struct digester **ret_digester)
{
    struct digester *digester = calloc(1, sizeof *digester);
    if (!digester)
        return STATUS_NO_MEMORY;
    digester->context = EVP_MD_CTX_new();
    digester->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!digester->context || !digester->algorithm) {
        enum status status = digester->context ? STATUS_UNAVAILABLE : STATUS_NO_MEMORY;
        digester_close(digester);
        return status;
    }
    *ret_digester = digester;
    return STATUS_OK;
}

void digester_close(struct digester *digester)
{
    if (!digester)
        return;
    EVP_MD_CTX_free(digester->context);
    EVP_MD_free(digester->algorithm);
    free(digester);
}

enum status digest_begin(struct digester *digester)
{
    digester->gathered_len = 0;
    digester->begun = EVP_DigestInit_ex2(digester->context, digester->algorithm, NULL) == 1;
    return digester->begun ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status flush(struct digester *digester)
{
    size_t len = digester->gathered_len;
    digester->gathered_len = 0;
    if (len > 0 && EVP_DigestUpdate(digester->context, digester->gathered, len) != 1)
        return STATUS_UNAVAILABLE;
    return STATUS_OK;
}

/* Bytes that don't fit among the gathered ones. */
static enum status add_long(struct digester *digester, struct slice bytes)
{
    enum status status = flush(digester);
    if (status == STATUS_OK && EVP_DigestUpdate(digester->context, bytes.data, bytes.len) != 1)
        status = STATUS_UNAVAILABLE;
    return status;
}

enum status digest_add(struct digester *digester, struct slice bytes)
{
    assert(digester->begun);
    if (bytes.len == 0)
        return STATUS_OK;
    if (bytes.len > GATHERED_BYTES - digester->gathered_len)
        return add_long(digester, bytes);
    memcpy(digester->gathered + digester->gathered_len, bytes.data, bytes.len);
    digester->gathered_len += bytes.len;
    return STATUS_OK;
}

enum status digest_add_part(struct digester *digester, struct slice bytes)
{
    char length[LENGTH_BYTES];
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length[i] = (char)((uint64_t)bytes.len >> (8 * (LENGTH_BYTES - 1 - i)) & 0xff);
    enum status status = digest_add(digester, slice_of(length, sizeof length));
    return status == STATUS_OK ? digest_add(digester, bytes) : status;
}

enum status digest_end(struct digester *digester, uint8_t ret_digest[static SHA256_BYTES])
{
    assert(digester->begun);
    uint8_t digest[SHA256_BYTES]; /* the caller's stays untouched on failure */
    enum status status = flush(digester);
    if (status == STATUS_OK && EVP_DigestFinal_ex(digester->context, digest, NULL) != 1)
        status = STATUS_UNAVAILABLE;
    digester->begun = false;
    if (status == STATUS_OK)
        memcpy(ret_digest, digest, sizeof digest);
    return status;
}

enum status digest_sha256(struct digester *digester, struct slice bytes,
                          uint8_t ret_digest[static SHA256_BYTES])
{
    enum status status = digest_begin(digester);
    if (status == STATUS_OK)
        status = digest_add(digester, bytes);
    return status == STATUS_OK ? digest_end(digester, ret_digest) : status;
}
