/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call of policy/verify into OpenSSL fails once: a verifier isn't opened or says
 * "unavailable", and nothing ever passes for right that isn't. The functions here stand in front of
 * the library's, and hand on to them. Fetching digests is left to test_digest_fault.c: OpenSSL
 * fetches for itself, too.
 */
#include "verify_vectors.h"

#include <dlfcn.h>

#define NEVER 100000

TestSuite(verify_fault, .init = open_arena, .fini = close_arena);

static int calls_until_failure = NEVER;

static int depth; /* OpenSSL's calls to itself aren't counted: some end as "does not fit" */

static bool fails(void)
{
    return depth == 0 && calls_until_failure-- == 0;
}

/* Sets the function pointer at `function` to the library's own. */
static void find_next(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    cr_assert_not_null(symbol);
    memcpy(function, &symbol, sizeof symbol);
}

EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac)
{
    EVP_MAC_CTX *(*next)(EVP_MAC *);
    find_next("EVP_MAC_CTX_new", &next);
    if (fails())
        return NULL;
    depth++;
    EVP_MAC_CTX *result = next(mac);
    depth--;
    return result;
}

EVP_MAC_CTX *EVP_MAC_CTX_dup(const EVP_MAC_CTX *context)
{
    EVP_MAC_CTX *(*next)(const EVP_MAC_CTX *);
    find_next("EVP_MAC_CTX_dup", &next);
    if (fails())
        return NULL;
    depth++;
    EVP_MAC_CTX *result = next(context);
    depth--;
    return result;
}

int EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                 const OSSL_PARAM params[])
{
    int (*next)(EVP_MAC_CTX *, const unsigned char *, size_t, const OSSL_PARAM *);
    find_next("EVP_MAC_init", &next);
    if (fails())
        return 0;
    depth++;
    int result = next(context, key, key_len, params);
    depth--;
    return result;
}

int EVP_MAC_update(EVP_MAC_CTX *context, const unsigned char *data, size_t len)
{
    int (*next)(EVP_MAC_CTX *, const unsigned char *, size_t);
    find_next("EVP_MAC_update", &next);
    if (fails())
        return 0;
    depth++;
    int result = next(context, data, len);
    depth--;
    return result;
}

int EVP_MAC_final(EVP_MAC_CTX *context, unsigned char *out, size_t *len, size_t size)
{
    int (*next)(EVP_MAC_CTX *, unsigned char *, size_t *, size_t);
    find_next("EVP_MAC_final", &next);
    if (fails())
        return 0;
    depth++;
    int result = next(context, out, len, size);
    depth--;
    return result;
}

EVP_MD_CTX *EVP_MD_CTX_new(void)
{
    EVP_MD_CTX *(*next)(void);
    find_next("EVP_MD_CTX_new", &next);
    if (fails())
        return NULL;
    depth++;
    EVP_MD_CTX *result = next();
    depth--;
    return result;
}

int EVP_DigestInit_ex2(EVP_MD_CTX *context, const EVP_MD *type, const OSSL_PARAM params[])
{
    int (*next)(EVP_MD_CTX *, const EVP_MD *, const OSSL_PARAM *);
    find_next("EVP_DigestInit_ex2", &next);
    if (fails())
        return 0;
    depth++;
    int result = next(context, type, params);
    depth--;
    return result;
}

int EVP_DigestVerifyInit_ex(EVP_MD_CTX *context, EVP_PKEY_CTX **key_context, const char *digest,
                            OSSL_LIB_CTX *library, const char *properties, EVP_PKEY *key,
                            const OSSL_PARAM params[])
{
    int (*next)(EVP_MD_CTX *, EVP_PKEY_CTX **, const char *, OSSL_LIB_CTX *, const char *,
                EVP_PKEY *, const OSSL_PARAM *);
    find_next("EVP_DigestVerifyInit_ex", &next);
    if (fails())
        return 0;
    depth++;
    int result = next(context, key_context, digest, library, properties, key, params);
    depth--;
    return result;
}

int EVP_DigestVerifyUpdate(EVP_MD_CTX *context, const void *data, size_t len)
{
    int (*next)(EVP_MD_CTX *, const void *, size_t);
    find_next("EVP_DigestVerifyUpdate", &next);
    if (fails())
        return 0;
    depth++;
    int result = next(context, data, len);
    depth--;
    return result;
}

int EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature, size_t signature_len,
                     const unsigned char *data, size_t len)
{
    int (*next)(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);
    find_next("EVP_DigestVerify", &next);
    depth++;
    int result = next(context, signature, signature_len, data, len);
    depth--;
    return result;
}

int EVP_DigestVerifyFinal(EVP_MD_CTX *context, const unsigned char *signature, size_t len)
{
    int (*next)(EVP_MD_CTX *, const unsigned char *, size_t);
    find_next("EVP_DigestVerifyFinal", &next);
    depth++;
    int result = next(context, signature, len);
    depth--;
    return result;
}

/* What opening and one check end with when call number `call` fails. False: there is none of that
 * number. */
static bool fail_call(const struct signed_request *request, int call, enum verify_result right)
{
    struct verify_opts opts = opts_of(request);
    struct verifier *verifier = NULL;
    char error[256] = "";
    size_t secret = NO_SECRET;
    calls_until_failure = call;
    enum status status = verifier_open(&opts, &verifier, error);
    cr_assert_eq(verifier != NULL, status == STATUS_OK);
    enum verify_result result = status == STATUS_OK ? check_with(verifier, request, &secret)
                                                    : VERIFY_UNAVAILABLE;
    bool has_failed = calls_until_failure < 0;
    calls_until_failure = NEVER;
    cr_assert_eq(result, has_failed ? VERIFY_UNAVAILABLE : right, "%s: call %d: %s, %s",
                 verify_scheme_text(request->scheme), call, verify_result_text(result), error);
    if (status != STATUS_OK)
        cr_assert(status == STATUS_NO_MEMORY || status == STATUS_UNAVAILABLE);
    else
        cr_assert_eq(check_with(verifier, request, &secret), right, "and then it works again");
    verifier_close(verifier);
    return has_failed;
}

static void fail_each_call(const struct signed_request *request, enum verify_result right)
{
    int call = 0;
    while (fail_call(request, call, right))
        call++;
    cr_assert_gt(call, 1);
}

Test(verify_fault, each_call_for_each_sender)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct signed_request request = request_of(&vectors[i]);
        fail_each_call(&request, VERIFY_OK);
    }
}

Test(verify_fault, each_call_when_nothing_fits)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct signed_request request = request_of(&vectors[i]);
        request.secrets[0] = request.secrets[1] = vectors[i].other_secret;
        fail_each_call(&request, VERIFY_MISMATCH);
    }
}

Test(verify_fault, each_call_with_both_kinds_of_key)
{
    for (size_t i = 0; i < 3; i++) { /* all three of Standard Webhooks */
        struct signed_request request = request_of(&vectors[i]);
        cr_assert_eq(request.scheme, VERIFY_STANDARD_WEBHOOKS);
        request.secrets[0] = vectors[0].request.secrets[0];
        request.secrets[1] = vectors[2].request.secrets[0];
        fail_each_call(&request, VERIFY_OK);
    }
}

Test(verify_fault, each_call_with_a_secret_that_is_sent)
{
    struct signed_request request = {.scheme = VERIFY_BEARER, .secrets = {TEXT("token")}};
    add_header(&request, "Authorization", "Bearer token");
    fail_each_call(&request, VERIFY_OK);
}
