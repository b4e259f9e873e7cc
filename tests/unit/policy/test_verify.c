/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify: what is refused before it could check, and why; the public URL; the
 * words of schemes and results. */
#include "signed_request.h"

TestSuite(verify, .init = open_arena, .fini = close_arena);

static struct signed_request with(enum verify_scheme scheme, const char *secret)
{
    return (struct signed_request){.scheme = scheme, .secrets = {slice_str(secret)}};
}

static struct signed_request generic(void)
{
    struct signed_request request = with(VERIFY_HMAC, "a secret");
    request.hmac = (struct verify_hmac){
        .header = TEXT("X-Sig"), .parts = {{.kind = VERIFY_PART_BODY}}, .part_count = 1};
    return request;
}

/* ---- what is refused ---- */

Test(verify, no_scheme)
{
    struct signed_request request = with(VERIFY_NONE, "a secret");
    expect_refused(&request, "no scheme");
    request.scheme = VERIFY_SCHEMES;
    expect_refused(&request, "no scheme");
}

Test(verify, secrets_that_are_empty)
{
    static const char *const blank[] = {"", " ", "\n", " \t\r\n"};
    for (enum verify_scheme scheme = VERIFY_HMAC; scheme < VERIFY_SCHEMES; scheme++)
        for (size_t i = 0; i < COUNT_OF(blank); i++) {
            struct signed_request request = generic();
            request.scheme = scheme;
            request.public_url = SLICE("https://h.example");
            request.secrets[0] = slice_str(blank[i]);
            expect_refused(&request, "secret 1 is empty");
        }
    struct signed_request request = with(VERIFY_GITHUB, "a secret");
    request.secrets[1] = SLICE("");
    expect_refused(&request, "secret 2 is empty");
    request.secrets[0] = slice_of("\0", 1);
    request.secrets[1] = (struct slice){0};
    struct verify_opts opts = opts_of(&request);
    struct verifier *verifier = NULL;
    char error[256];
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK, "a NUL is a byte");
    verifier_close(verifier);
}

Test(verify, secrets_at_and_beyond_their_number)
{
    const struct slice secrets[VERIFY_MAX_SECRETS + 1] = {TEXT("1"), TEXT("2"), TEXT("3"),
                                                          TEXT("4"), TEXT("5"), TEXT("6"),
                                                          TEXT("7"), TEXT("8"), TEXT("9")};
    for (size_t count = 0; count <= VERIFY_MAX_SECRETS + 1; count++) {
        struct verify_opts opts = {
            .scheme = VERIFY_GITHUB, .secrets = secrets, .secret_count = count};
        struct verifier *verifier = NULL;
        char error[256];
        bool fits = count >= 1 && count <= VERIFY_MAX_SECRETS;
        cr_assert_eq(verifier_open(&opts, &verifier, error), fits ? STATUS_OK : STATUS_INVALID);
        cr_assert_eq(verifier != NULL, fits);
        verifier_close(verifier);
    }
    verifier_close(NULL);
}

Test(verify, public_urls)
{
    static const char *const wrong[] = {
        "hooks.example.com",
        "ftp://hooks.example.com",
        "HTTPS://hooks.example.com",
        "https://",
        "http://",
        "https:///",
        "https://h.example/",
        "https://h.example/path",
        "https://h.example?x",
        "https://h.example#x",
        "https://h .example",
        "https://h.example\n",
        "https://:443",
        "https://h.example:",
        "https://h\\x",
        "https:",
        " https://h.example",
        "https://h\x7f",
        "https://h\xc3\xbc",
    };
    static const char *const right[] = {"https://h.example",      "http://h.example",
                                        "https://h.example:8443", "https://[::1]",
                                        "https://[::1]:8443",     "https://user:1@h.example"};
    static const enum verify_scheme schemes[] = {VERIFY_TWILIO, VERIFY_SQUARE, VERIFY_HMAC};
    for (size_t s = 0; s < COUNT_OF(schemes); s++) {
        struct signed_request request = generic();
        request.scheme = schemes[s];
        request.hmac.parts[request.hmac.part_count++].kind = VERIFY_PART_URL;
        expect_refused(&request, "public URL is missing");
        for (size_t i = 0; i < COUNT_OF(wrong); i++) {
            request.public_url = slice_str(wrong[i]);
            expect_refused(&request, "public URL has to be");
        }
        for (size_t i = 0; i < COUNT_OF(right); i++) {
            struct verifier *verifier = NULL;
            char error[256];
            request.public_url = slice_str(right[i]);
            struct verify_opts opts = opts_of(&request);
            cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK, "%s", right[i]);
            verifier_close(verifier);
        }
    }
}

/* A URL that nobody signs isn't looked at. */
Test(verify, a_public_url_nobody_needs)
{
    struct signed_request request = with(VERIFY_GITHUB, "It's a Secret to Everybody");
    request.public_url = SLICE("no URL");
    request.body = SLICE("Hello, World!");
    add_header(&request, "X-Hub-Signature-256",
               "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    expect(&request, VERIFY_OK);
}

Test(verify, generic_schemes_that_cannot_check)
{
    struct signed_request request = generic();
    request.hmac.header = (struct slice){0};
    expect_refused(&request, "header of the signature");
    request = generic();
    request.hmac.part_count = 0;
    expect_refused(&request, "1 to 8 parts");
    request.hmac.part_count = VERIFY_MAX_PARTS + 1;
    expect_refused(&request, "1 to 8 parts");
    request = generic();
    request.hmac.parts[0].kind = VERIFY_PART_PATH;
    expect_refused(&request, "the body is not among");
    request = generic();
    request.hmac.parts[request.hmac.part_count++].kind = VERIFY_PART_HEADER;
    expect_refused(&request, "has no name");
    request.hmac.parts[1].kind = VERIFY_PART_TEXT;
    expect_refused(&request, "has no name");
    request = with(VERIFY_HEADER, "a secret");
    expect_refused(&request, "is not named");
}

Test(verify, generic_times_that_say_nothing)
{
    struct signed_request request = generic();
    request.hmac.time_header = SLICE("X-Time");
    expect_refused(&request, "anybody could renew it");
    request.hmac.time_prefix = SLICE("t=");
    expect_refused(&request, "not in both");
    request.hmac.time_header = (struct slice){0};
    expect_refused(&request, "separator is missing");
    request.hmac.separator = ',';
    expect_refused(&request, "anybody could renew it");
    request = generic();
    request.hmac.parts[request.hmac.part_count++].kind = VERIFY_PART_TIME;
    expect_refused(&request, "where it stands is not said");
}

/* The time's header, signed as any other. */
Test(verify, a_time_signed_as_a_header)
{
    struct signed_request request = generic();
    request.hmac.time_header = SLICE("X-Time");
    request.hmac.parts[request.hmac.part_count++] =
        (struct verify_part){.kind = VERIFY_PART_HEADER, .text = TEXT("x-time")};
    request.now_ms = 1700000000000;
    request.tolerance_ms = TOLERANCE_MS;
    request.body = SLICE("{}");
    add_header(&request, "X-Time", "1700000000");
    add_header(&request, "X-Sig",
               signature_of("%s", EVP_sha256(), VERIFY_HEX, SLICE("a secret"), "{}1700000000"));
    expect(&request, VERIFY_OK);
    request.now_ms += TOLERANCE_MS + 1;
    expect(&request, VERIFY_TOO_OLD);
}

/* ---- what holds for all ---- */

Test(verify, only_public_keys_are_costly)
{
    static const struct {
        enum verify_scheme scheme;
        const char *secret;
        bool is_costly;
    } cases[] = {
        {VERIFY_GITHUB, "x", false},
        {VERIFY_BEARER, "x", false},
        {VERIFY_STANDARD_WEBHOOKS, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false},
        {VERIFY_STANDARD_WEBHOOKS, "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=", true},
        {VERIFY_DISCORD, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", true},
        {VERIFY_SENDGRID,
         "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62"
         "gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
         true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct signed_request request = with(cases[i].scheme, cases[i].secret);
        struct verify_opts opts = opts_of(&request);
        struct verifier *verifier = NULL;
        char error[256];
        cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK);
        cr_assert_eq(verifier_is_costly(verifier), cases[i].is_costly);
        verifier_close(verifier);
    }
}

/* The context is used again and again, after results of every kind. */
Test(verify, one_verifier_for_many_requests)
{
    struct signed_request request = with(VERIFY_GITHUB, "It's a Secret to Everybody");
    struct verify_opts opts = opts_of(&request);
    struct verifier *verifier = NULL;
    char error[256];
    size_t secret;
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK);
    add_header(&request, "X-Hub-Signature-256",
               "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    for (int i = 0; i < 100; i++) {
        request.body = i % 2 ? SLICE("Hello, World?") : SLICE("Hello, World!");
        cr_assert_eq(check_with(verifier, &request, &secret), i % 2 ? VERIFY_MISMATCH : VERIFY_OK);
    }
    verifier_close(verifier);
}

/* ---- words ---- */

Test(verify, words_are_different_and_known)
{
    static const char *const schemes[VERIFY_SCHEMES] = {
        "none",     "hmac",      "standard-webhooks",
        "github",   "gitlab",    "stripe",
        "slack",    "shopify",   "twilio",
        "meta",     "linear",    "square",
        "paddle",   "pagerduty", "zoom",
        "discord",  "sendgrid",  "dropbox",
        "intercom", "mailgun",   "bearer",
        "basic",    "header"};
    static const char *const results[VERIFY_RESULTS] = {
        "ok", "missing", "repeated", "malformed", "mismatch", "too_old", "too_new", "unavailable"};
    for (size_t i = 0; i < VERIFY_SCHEMES; i++) {
        enum verify_scheme scheme = (enum verify_scheme)i;
        cr_assert_str_eq(verify_scheme_text(scheme), schemes[i]);
        cr_assert_eq(verify_scheme_needs_url(scheme),
                     scheme == VERIFY_TWILIO || scheme == VERIFY_SQUARE);
    }
    static const enum verify_scheme timed[] = {VERIFY_STANDARD_WEBHOOKS,
                                               VERIFY_GITLAB,
                                               VERIFY_STRIPE,
                                               VERIFY_SLACK,
                                               VERIFY_LINEAR,
                                               VERIFY_PADDLE,
                                               VERIFY_ZOOM,
                                               VERIFY_DISCORD,
                                               VERIFY_SENDGRID,
                                               VERIFY_MAILGUN};
    size_t count = 0;
    for (size_t i = 0; i < VERIFY_SCHEMES; i++)
        count += verify_scheme_has_time((enum verify_scheme)i);
    cr_assert_eq(count, sizeof timed / sizeof *timed);
    for (size_t i = 0; i < count; i++)
        cr_assert(verify_scheme_has_time(timed[i]), "%s", verify_scheme_text(timed[i]));
    for (size_t i = 0; i < VERIFY_RESULTS; i++)
        cr_assert_str_eq(verify_result_text((enum verify_result)i), results[i]);
    cr_assert_str_eq(verify_result_text(VERIFY_RESULTS), "unknown");
}
