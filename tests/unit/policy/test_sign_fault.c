/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call of policy/sign into OpenSSL fails once: the signer says so, leaves the caller's bytes
 * alone and signs rightly afterwards. The EVP functions here stand in front of the library's.
 */
#include <postern/policy/sign.h>

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <openssl/evp.h>

#define NEVER 1000
#define KEY SLICE("sixteen-or-more-characters")

static int calls_until_failure = NEVER;

static bool fails(void)
{
    return calls_until_failure-- == 0;
}

/* Sets the function pointer at `function` to the library's own. */
static void find_next(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    cr_assert_not_null(symbol);
    memcpy(function, &symbol, sizeof symbol);
}

EVP_MAC *EVP_MAC_fetch(OSSL_LIB_CTX *context, const char *algorithm, const char *properties)
{
    EVP_MAC *(*next)(OSSL_LIB_CTX *, const char *, const char *);
    find_next("EVP_MAC_fetch", &next);
    return fails() ? NULL : next(context, algorithm, properties);
}

EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac)
{
    EVP_MAC_CTX *(*next)(EVP_MAC *);
    find_next("EVP_MAC_CTX_new", &next);
    return fails() ? NULL : next(mac);
}

int EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                 const OSSL_PARAM params[])
{
    int (*next)(EVP_MAC_CTX *, const unsigned char *, size_t, const OSSL_PARAM *);
    find_next("EVP_MAC_init", &next);
    return fails() ? 0 : next(context, key, key_len, params);
}

int EVP_MAC_update(EVP_MAC_CTX *context, const unsigned char *data, size_t len)
{
    int (*next)(EVP_MAC_CTX *, const unsigned char *, size_t);
    find_next("EVP_MAC_update", &next);
    return fails() ? 0 : next(context, data, len);
}

int EVP_MAC_final(EVP_MAC_CTX *context, unsigned char *out, size_t *len, size_t size)
{
    int (*next)(EVP_MAC_CTX *, unsigned char *, size_t *, size_t);
    find_next("EVP_MAC_final", &next);
    return fails() ? 0 : next(context, out, len, size);
}

Test(sign_fault, a_new_signer_says_what_is_missing)
{
    static const enum status expected[] = {STATUS_UNAVAILABLE, STATUS_NO_MEMORY,
                                           STATUS_UNAVAILABLE};
    for (int call = 0; call < 3; call++) {
        struct signer *signer = NULL;
        calls_until_failure = call;
        cr_assert_eq(signer_new(KEY, &signer), expected[call]);
        cr_assert_null(signer);
    }
}

Test(sign_fault, each_failure_of_a_signature_is_told)
{
    struct signer *signer = NULL;
    char right[SIGN_TEXT_LEN], text[SIGN_TEXT_LEN];
    static const char untouched[SIGN_TEXT_LEN];
    cr_assert_eq(signer_new(KEY, &signer), STATUS_OK);
    cr_assert_eq(signer_sign(signer, SLICE("id"), 7, SLICE("body"), right), STATUS_OK);
    for (int call = 0; call < 5; call++) {
        memset(text, 0, sizeof text);
        calls_until_failure = call;
        cr_assert_eq(signer_sign(signer, SLICE("id"), 7, SLICE("body"), text), STATUS_UNAVAILABLE);
        cr_assert_arr_eq(text, untouched, sizeof text);
        calls_until_failure = NEVER;
        cr_assert_eq(signer_sign(signer, SLICE("id"), 7, SLICE("body"), text), STATUS_OK);
        cr_assert_arr_eq(text, right, sizeof text);
    }
    signer_free(signer);
}
