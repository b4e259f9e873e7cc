/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call into OpenSSL fails once: the digest says so, leaves the caller's bytes alone and works
 * again afterwards; a key says "no memory" and no other rule steps in. The EVP functions here stand
 * in front of the library's, and hand on to them.
 */
#include "key_request.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdio.h>

#define NEVER 1000

static int calls_until_failure = NEVER;

TestSuite(digest_fault, .init = set_up, .fini = tear_down);

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

EVP_MD_CTX *EVP_MD_CTX_new(void)
{
    EVP_MD_CTX *(*next)(void);
    find_next("EVP_MD_CTX_new", &next);
    return fails() ? NULL : next();
}

EVP_MD *EVP_MD_fetch(OSSL_LIB_CTX *context, const char *algorithm, const char *properties)
{
    EVP_MD *(*next)(OSSL_LIB_CTX *, const char *, const char *);
    find_next("EVP_MD_fetch", &next);
    return fails() ? NULL : next(context, algorithm, properties);
}

int EVP_DigestInit_ex2(EVP_MD_CTX *context, const EVP_MD *type, const OSSL_PARAM params[])
{
    int (*next)(EVP_MD_CTX *, const EVP_MD *, const OSSL_PARAM *);
    find_next("EVP_DigestInit_ex2", &next);
    return fails() ? 0 : next(context, type, params);
}

int EVP_DigestUpdate(EVP_MD_CTX *context, const void *data, size_t size)
{
    int (*next)(EVP_MD_CTX *, const void *, size_t);
    find_next("EVP_DigestUpdate", &next);
    return fails() ? 0 : next(context, data, size);
}

int EVP_DigestFinal_ex(EVP_MD_CTX *context, unsigned char *digest, unsigned int *size)
{
    int (*next)(EVP_MD_CTX *, unsigned char *, unsigned int *);
    find_next("EVP_DigestFinal_ex", &next);
    return fails() ? 0 : next(context, digest, size);
}

Test(digest_fault, opening_says_what_is_missing)
{
    static const enum status expected[] = {STATUS_NO_MEMORY, STATUS_UNAVAILABLE};
    for (int call = 0; call < 2; call++) {
        struct digester *opened = digester;
        calls_until_failure = call;
        cr_assert_eq(digester_open(&opened), expected[call]);
        cr_assert_eq(opened, digester, "untouched");
    }
}

/* Short, then longer than what is gathered: all three ways into EVP_DigestUpdate. */
Test(digest_fault, each_failure_of_a_digest_is_told)
{
    static const char text[1000];
    static const uint8_t untouched[SHA256_BYTES];
    uint8_t digest[SHA256_BYTES] = {0};
    int call = -1;
    enum status status;
    do {
        calls_until_failure = ++call;
        cr_assert_arr_eq(digest, untouched, sizeof digest, "call %d", call);
        status = digest_begin(digester);
        for (size_t len = 8; len <= sizeof text && status == STATUS_OK; len *= 5)
            status = digest_add_part(digester, slice_of(text, len));
        if (status == STATUS_OK)
            status = digest_end(digester, digest);
        cr_assert(status == STATUS_OK || status == STATUS_UNAVAILABLE);
    } while (status != STATUS_OK);
    cr_assert_geq(call, 4, "begin, a piece, a long piece, end");
    cr_assert_arr_neq(digest, untouched, sizeof digest);
}

Test(digest_fault, all_at_once_fails_alike)
{
    static const char text[1000];
    uint8_t digest[SHA256_BYTES];
    for (int call = 0; call < 3; call++) {
        calls_until_failure = call;
        cr_assert_eq(digest_sha256(digester, slice_of(text, sizeof text), digest),
                     STATUS_UNAVAILABLE);
    }
}

/* Rules whose parts are long enough that each of their pieces is the one that reaches OpenSSL. */
static struct key_result make_with_failure(const struct key_rule *rules, int call)
{
    static char body[1024];
    static char name[400];
    memset(name, 'n', sizeof name);
    int len = snprintf(body, sizeof body, "{\"%.*s\":\"%.*s\",\"b\":1}", (int)sizeof name, name,
                       (int)sizeof name, name);
    struct request request = {.route = "r",
                              .headers = {{"id", slice_of(name, sizeof name)}},
                              .body = slice_of(body, (size_t)len)};
    calls_until_failure = call;
    return make(rules, 2, &request);
}

static void expect_no_key_until_all_is_well(struct key_rule rule)
{
    struct key_rule rules[] = {rule, {.kind = KEY_PAYLOAD}};
    for (int call = 0;; call++) {
        struct key_result result = make_with_failure(rules, call);
        if (result.found) {
            cr_assert_geq(call, 3);
            cr_assert_eq(result.rule, 0);
            break;
        }
        cr_assert_eq(result.miss, KEY_MISS_NO_MEMORY, "call %d", call);
    }
}

Test(digest_fault, a_key_is_never_made_by_halves)
{
    static char path[408];
    memset(path, 'n', 400);
    expect_no_key_until_all_is_well(pathed(KEY_JSON, path));
    memcpy(path + 400, " b", 3);
    expect_no_key_until_all_is_well(pathed(KEY_FIELDS, path));
    expect_no_key_until_all_is_well(named(KEY_HEADER, "id"));
    expect_no_key_until_all_is_well((struct key_rule){.kind = KEY_PAYLOAD});
}
