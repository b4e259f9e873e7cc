/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_secret: each kind of secret at its limits and outside them. That no
 * reason quotes a secret is part of expect_refused. */
#include "signed_request.h"

TestSuite(verify_secret, .init = open_arena, .fini = close_arena);

static void expect_opens(enum verify_scheme scheme, const char *secret)
{
    struct signed_request request = {.scheme = scheme, .secrets = {slice_str(secret)}};
    request.hmac.header = SLICE("X-Api-Key");
    struct verify_opts opts = opts_of(&request);
    struct verifier *verifier = NULL;
    char error[256] = "";
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK, "%s: %s", secret, error);
    verifier_close(verifier);
}

static void expect_reason(enum verify_scheme scheme, const char *secret, const char *words)
{
    struct signed_request request = {.scheme = scheme, .secrets = {slice_str(secret)}};
    request.hmac.header = SLICE("X-Api-Key");
    expect_refused(&request, words);
}

/* `prefix` and the Base64 of `len` bytes. */
static const char *encoded(const char *prefix, size_t len)
{
    static char text[800];
    unsigned char bytes[300], base64[500];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 89 + 1);
    EVP_EncodeBlock(base64, bytes, (int)len);
    snprintf(text, sizeof text, "%s%s", prefix, (const char *)base64);
    return text;
}

Test(verify_secret, lengths_of_whsec_keys)
{
    expect_reason(VERIFY_STANDARD_WEBHOOKS, "whsec_", "shorter than 16");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, encoded("whsec_", 15), "shorter than 16");
    expect_opens(VERIFY_STANDARD_WEBHOOKS, encoded("whsec_", 16));
    expect_opens(VERIFY_STANDARD_WEBHOOKS, encoded("whsec_", 24));
    expect_opens(VERIFY_STANDARD_WEBHOOKS, encoded("whsec_", 64));
    expect_opens(VERIFY_STANDARD_WEBHOOKS, encoded("whsec_", 256));
    expect_reason(VERIFY_STANDARD_WEBHOOKS, encoded("whsec_", 257), "not Base64");
}

Test(verify_secret, webhook_keys_that_are_none)
{
    static const char *const wrong[] = {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        expect_reason(VERIFY_STANDARD_WEBHOOKS, wrong[i], "begins neither");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "not Base64");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
                  "not Base64");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_", "not Base64");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, "whpk_", "Ed25519");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, encoded("whpk_", 31), "Ed25519");
    expect_opens(VERIFY_STANDARD_WEBHOOKS, encoded("whpk_", 32));
    expect_reason(VERIFY_STANDARD_WEBHOOKS, encoded("whpk_", 33), "Ed25519");
    expect_reason(VERIFY_STANDARD_WEBHOOKS, "whpk_not Base64", "Ed25519");
}

Test(verify_secret, gitlab)
{
    expect_opens(VERIFY_GITLAB, "a token");
    expect_opens(VERIFY_GITLAB, encoded("whsec_", 32));
    expect_reason(VERIFY_GITLAB, "whsec_a token", "not Base64");
    expect_reason(VERIFY_GITLAB, "a token\n", "no header can hold it");
}

Test(verify_secret, discord)
{
    expect_opens(VERIFY_DISCORD,
                 "D75A980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    expect_reason(VERIFY_DISCORD, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751",
                  "64 hex");
    expect_reason(VERIFY_DISCORD,
                  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00", "64 hex");
    expect_reason(VERIFY_DISCORD,
                  "g75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "64 hex");
    expect_reason(VERIFY_DISCORD, "token", "64 hex");
}

Test(verify_secret, sendgrid)
{
    expect_reason(VERIFY_SENDGRID, "-----BEGIN PUBLIC KEY-----", "P-256");
    expect_reason(VERIFY_SENDGRID, "AAAAAAAA", "P-256");
    expect_reason(VERIFY_SENDGRID,
                  "MCowBQYDK2VwAyEAZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=", "P-256");
    expect_reason(VERIFY_SENDGRID, encoded("", 300), "P-256");
}

Test(verify_secret, what_no_header_can_hold)
{
    static const enum verify_scheme schemes[] = {VERIFY_BEARER, VERIFY_HEADER};
    static const char *const wrong[] = {" token",  "token ",    "token\n", "to\nken",
                                        "to\rken", "to\x7fken", "token\t", "to\x01ken"};
    static const char *const right[] = {"token", "to ken", "to\tken", "t\xc3\xb6ken"};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < COUNT_OF(wrong); i++)
            expect_reason(schemes[s], wrong[i], "no header can hold it");
        for (size_t i = 0; i < COUNT_OF(right); i++)
            expect_opens(schemes[s], right[i]);
    }
}

Test(verify_secret, basic)
{
    expect_opens(VERIFY_BASIC, "user:password");
    expect_opens(VERIFY_BASIC, "user:");
    expect_opens(VERIFY_BASIC, ":password");
    expect_opens(VERIFY_BASIC, "user:pass:word");
    expect_reason(VERIFY_BASIC, "user-and-password", "user:password");
}

Test(verify_secret, the_second_is_named_as_such)
{
    struct signed_request request = {
        .scheme = VERIFY_DISCORD,
        .secrets = {TEXT("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62"
                         "325af021a68f707511a"),
                    TEXT("no key")}};
    expect_refused(&request, "secret 2 is not an Ed25519");
}
