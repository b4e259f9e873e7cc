/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_plain: bearer tokens, user and password, and a header of one's own.
 */
#include "signed_request.h"

TestSuite(verify_plain, .init = open_arena, .fini = close_arena);

static struct signed_request with(enum verify_scheme scheme, const char *secret, const char *name,
                                  const char *value)
{
    struct signed_request request = {.scheme = scheme, .secrets = {slice_str(secret)}};
    request.hmac.header = SLICE("X-Api-Key");
    add_header(&request, name, value);
    return request;
}

static void expect_value(enum verify_scheme scheme, const char *secret, const char *value,
                         enum verify_result expected)
{
    const char *name = scheme == VERIFY_HEADER ? "x-api-key" : "authorization";
    struct signed_request request = with(scheme, secret, name, value);
    expect(&request, expected);
    if (expected == VERIFY_OK) {
        add_header(&request, name, value);
        expect(&request, VERIFY_REPEATED);
    }
}

Test(verify_plain, bearer)
{
    expect_value(VERIFY_BEARER, "mF_9.B5f-4.1JqM", "Bearer mF_9.B5f-4.1JqM", VERIFY_OK); /* RFC 6750
                                                                                            2.1 */
    expect_value(VERIFY_BEARER, "token", "bEARER   token", VERIFY_OK);
    expect_value(VERIFY_BEARER, "two words", "Bearer two words", VERIFY_OK);
    expect_value(VERIFY_BEARER, "token", "Bearer Token", VERIFY_MISMATCH);
    expect_value(VERIFY_BEARER, "token", "Bearer toke", VERIFY_MISMATCH);
    expect_value(VERIFY_BEARER, "token", "Bearer tokens", VERIFY_MISMATCH);
    expect_value(VERIFY_BEARER, "token", "Bearer token token", VERIFY_MISMATCH);
    expect_value(VERIFY_BEARER, "token", "Bearertoken", VERIFY_MALFORMED);
    expect_value(VERIFY_BEARER, "token", "Bearer\ttoken", VERIFY_MALFORMED);
    expect_value(VERIFY_BEARER, "token", "token", VERIFY_MALFORMED);
    expect_value(VERIFY_BEARER, "token", "Basic token", VERIFY_MALFORMED);
    expect_value(VERIFY_BEARER, "token", "Bear", VERIFY_MALFORMED);
    expect_value(VERIFY_BEARER, "token", "Bearer", VERIFY_MISSING);
    expect_value(VERIFY_BEARER, "token", "Bearer  ", VERIFY_MISSING);
    expect_value(VERIFY_BEARER, "token", "", VERIFY_MISSING);
}

Test(verify_plain, basic)
{
    /* RFC 7617 2 and 2.1. */
    expect_value(VERIFY_BASIC, "Aladdin:open sesame",
                 "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", VERIFY_OK);
    expect_value(VERIFY_BASIC, "test:123\xc2\xa3", "basic dGVzdDoxMjPCow==", VERIFY_OK);
    expect_value(VERIFY_BASIC, "Aladdin:", "Basic QWxhZGRpbjo=", VERIFY_OK);
    expect_value(VERIFY_BASIC, "Aladdin:open",
                 "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", VERIFY_MISMATCH);
    expect_value(VERIFY_BASIC, "aladdin:open sesame",
                 "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", VERIFY_MISMATCH);
    expect_value(VERIFY_BASIC, "a:b", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", VERIFY_MALFORMED);
    expect_value(VERIFY_BASIC, "a:b", "Basic a:b", VERIFY_MALFORMED);
    expect_value(VERIFY_BASIC, "a:b", "Basic =", VERIFY_MALFORMED);
    expect_value(VERIFY_BASIC, "a:b", "Bearer YTpi", VERIFY_MALFORMED);
    expect_value(VERIFY_BASIC, "a:b", "Basic YTpi", VERIFY_OK);
    expect_value(VERIFY_BASIC, "a:b", "Basic", VERIFY_MISSING);
}

Test(verify_plain, a_header)
{
    expect_value(VERIFY_HEADER, "a key", "a key", VERIFY_OK);
    expect_value(VERIFY_HEADER, "a key", "A key", VERIFY_MISMATCH);
    expect_value(VERIFY_HEADER, "a key", "a", VERIFY_MISMATCH);
    expect_value(VERIFY_HEADER, "a key", "", VERIFY_MISSING);
    struct signed_request request = with(VERIFY_HEADER, "a key", "X-Other", "a key");
    expect(&request, VERIFY_MISSING);
    request = with(VERIFY_BEARER, "a", "Proxy-Authorization", "Bearer a");
    expect(&request, VERIFY_MISSING);
}

Test(verify_plain, several_secrets)
{
    static const struct slice others[] = {TEXT("another"), TEXT("a:b"), TEXT("x")};
    static const struct {
        enum verify_scheme scheme;
        const char *secret, *name, *value;
    } cases[] = {{VERIFY_BEARER, "token", "Authorization", "Bearer token"},
                 {VERIFY_BASIC, "u:p", "Authorization", "Basic dTpw"},
                 {VERIFY_HEADER, "key", "X-Api-Key", "key"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct signed_request request =
            with(cases[i].scheme, cases[i].secret, cases[i].name, cases[i].value);
        size_t secret;
        request.secrets[1] = request.secrets[0];
        request.secrets[0] = others[i];
        cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
        cr_assert_eq(secret, 1);
        request.secrets[1] = (struct slice){0};
        expect(&request, VERIFY_MISMATCH);
    }
}

Test(verify_plain, every_bit_of_the_value)
{
    char value[] = "Bearer a-long-token-of-30-characters";
    struct signed_request request =
        with(VERIFY_BEARER, "a-long-token-of-30-characters", "Authorization", value);
    expect(&request, VERIFY_OK);
    for (size_t bit = 8 * strlen("Bearer "); bit < 8 * strlen(value); bit++) {
        size_t secret;
        value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
        cr_assert_neq(check_once(&request, &secret), VERIFY_OK);
        value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
    }
}

Test(verify_plain, an_arena_that_is_full)
{
    struct signed_request request = with(VERIFY_BASIC, "a:b", "Authorization", "Basic YTpi");
    arena_done(&arena);
    arena_init(&arena, 64, 0);
    expect(&request, VERIFY_UNAVAILABLE);
}
