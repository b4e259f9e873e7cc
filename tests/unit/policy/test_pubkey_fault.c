/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of OpenSSL during a check fails once: a wrong signature never passes, and a
 * right one is not called wrong but where OpenSSL doesn't tell (a few places).
 */
#include "pubkey.h"

#include "verify_match.h"
#include "verify_vectors.h"

#include <openssl/crypto.h>

#define NEVER 1000000

static int allocations_until_failure = NEVER;

static void *fail_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return allocations_until_failure-- == 0 ? NULL : malloc(size);
}

static void *fail_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return allocations_until_failure-- == 0 ? NULL : realloc(old, size);
}

static void plain_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static bool stands_between;

/* Before OpenSSL has allocated anything, which Criterion makes it do. */
__attribute__((constructor)) static void stand_between(void)
{
    stands_between = CRYPTO_set_mem_functions(fail_malloc, fail_realloc, plain_free) == 1;
}

static void count_results(const struct pubkey *key, const struct slice *parts,
                          struct slice signature, size_t counts[static PUBKEY_FAILED + 1])
{
    bool has_failed = true;
    for (int allocation = 0; has_failed; allocation++) {
        allocations_until_failure = allocation;
        enum pubkey_result result = pubkey_check(key, parts, 2, signature);
        has_failed = allocations_until_failure < 0;
        allocations_until_failure = NEVER;
        counts[result]++;
    }
}

static void fail_each_allocation(struct pubkey *key, struct slice time, struct slice body,
                                 struct slice signature)
{
    size_t right[PUBKEY_FAILED + 1] = {0}, wrong[PUBKEY_FAILED + 1] = {0};
    cr_assert(stands_between);
    const struct slice parts[] = {time, body}, others[] = {time, time};
    count_results(key, parts, signature, right);
    cr_assert_gt(right[PUBKEY_FITS], 0);
    cr_assert_gt(right[PUBKEY_FAILED], right[PUBKEY_DIFFERS]);
    count_results(key, others, signature, wrong);
    cr_assert_eq(wrong[PUBKEY_FITS], 0);
    cr_assert_gt(wrong[PUBKEY_FAILED], 0);
    cr_assert_eq(pubkey_check(key, parts, 2, signature), PUBKEY_FITS);
    pubkey_close(key);
}

/* The vector of a sender: its key, and its signature. */
static const struct vector *read_vector(enum verify_scheme scheme, enum verify_encoding encoding,
                                        uint8_t key[static 256], size_t *ret_key_len,
                                        uint8_t signature[static 256], size_t *ret_signature_len)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        const struct signed_request *request = &vectors[i].request;
        if (request->scheme != scheme)
            continue;
        cr_assert(verify_decode(encoding, request->secrets[0], 256, key, ret_key_len));
        cr_assert(
            verify_decode(encoding, request->headers[0].value, 256, signature, ret_signature_len));
        return &vectors[i];
    }
    cr_assert_fail("no vector");
    return NULL;
}

Test(pubkey_fault, ed25519)
{
    uint8_t bytes[256], signature[256];
    size_t len, signature_len;
    struct pubkey *key = NULL;
    const struct vector *vector =
        read_vector(VERIFY_DISCORD, VERIFY_HEX, bytes, &len, signature, &signature_len);
    cr_assert_eq(pubkey_open_ed25519(slice_of(bytes, len), &key), STATUS_OK);
    fail_each_allocation(key, vector->request.headers[1].value, vector->request.body,
                         slice_of(signature, signature_len));
}

Test(pubkey_fault, p256)
{
    uint8_t bytes[256], signature[256];
    size_t len, signature_len;
    struct pubkey *key = NULL;
    const struct vector *vector =
        read_vector(VERIFY_SENDGRID, VERIFY_BASE64, bytes, &len, signature, &signature_len);
    cr_assert_eq(pubkey_open_p256(slice_of(bytes, len), &key), STATUS_OK);
    fail_each_allocation(key, vector->request.headers[1].value, vector->request.body,
                         slice_of(signature, signature_len));
}
