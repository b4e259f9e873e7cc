/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/check_signature: whatever would let everyone in, or check less than it seems
 * to, does not start. */
#include "parsing.h"

#include <stdlib.h>

static void set_up(void)
{
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
}

TestSuite(check_signature, .init = set_up);

static struct parsed parse_signature(const char *signature)
{
    char route[1024];
    snprintf(route, sizeof(route), "    signature: %s\n", signature);
    return parse_with("", "", route);
}

static void refuses(const char *signature, const char *words)
{
    struct parsed parsed = parse_signature(signature);
    assert_one_error(parsed, words);
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
}

static void warns(const char *signature, const char *words)
{
    struct parsed parsed = parse_signature(signature);
    assert_one_warning(parsed, words);
    parsed_done(&parsed);
}

static void passes(const char *signature)
{
    struct parsed parsed = parse_signature(signature);
    assert_clean(parsed);
    parsed_done(&parsed);
}

#define SECRET ", secret: env:POSTERN_TEST_SECRET"

Test(check_signature, needs_a_scheme)
{
    refuses("{secret: env:POSTERN_TEST_SECRET}",
            "f.yaml:9:16: error: signature has no scheme: nothing would be verified");
    refuses("{status: 403}", "hint: give signature.scheme, or a preset that has one");
    refuses("{}", "signature has no scheme");
    refuses("", "signature has no scheme");
    refuses("{scheme: none" SECRET "}",
            "signature.secret is given, and signature.scheme is none: nothing would be verified");
    refuses("{scheme: none, secrets: [env:POSTERN_TEST_SECRET]}",
            "signature.secrets is given, and signature.scheme is none");
    passes("{scheme: none}");
}

Test(check_signature, needs_a_secret)
{
    refuses("{scheme: github}", "f.yaml:9:25: error: signature.secret is missing");
    refuses("{scheme: github, secret: env:POSTERN_TEST_SECRET, secrets: [env:POSTERN_TEST_SECRET]}",
            "signature.secret and signature.secrets are both given");
    passes("{scheme: github" SECRET "}");
}

Test(check_signature, a_key_that_can_not_be_used_is_not_told)
{
    refuses("{scheme: discord" SECRET "}", "the signature can't be verified: ");
    refuses("{scheme: discord, secrets: [env:POSTERN_TEST_SECRET]}",
            "f.yaml:9:43: error: the signature can't be verified: ");
}

Test(check_signature, needs_the_url_that_is_signed)
{
    refuses("{scheme: twilio" SECRET "}", "signature.public_url is missing: the sender signs the");
    refuses("{scheme: square" SECRET "}", "signature.public_url is missing");
    refuses("{scheme: hmac, header: X, parts: [url, body]" SECRET "}",
            "signature.public_url is missing");
    passes("{scheme: twilio, public_url: https://h" SECRET "}");
    passes("{scheme: hmac, header: X, parts: [url, body], public_url: https://h" SECRET "}");
}

Test(check_signature, needs_a_header)
{
    refuses("{scheme: hmac" SECRET "}", "signature.header is missing: scheme hmac needs the name");
    refuses("{scheme: header" SECRET "}", "signature.header is missing: scheme header needs the");
    passes("{scheme: header, header: X-Token" SECRET "}");
    refuses("{scheme: github, header: X" SECRET "}", "scheme github reads no signature.header");
}

Test(check_signature, what_a_scheme_does_not_read)
{
    const char *const settings[] = {
        "algorithm: sha512",   "encoding: base64",    "prefix: a",    "separator: \",\"",
        "timestamp_header: X", "timestamp_prefix: t", "parts: [body]"};
    char signature[256], words[128];
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        snprintf(signature, sizeof(signature), "{scheme: stripe, %s" SECRET "}", settings[i]);
        snprintf(words, sizeof(words), "signature.%.*s is for scheme hmac, not for stripe",
                 (int)strcspn(settings[i], ":"), settings[i]);
        refuses(signature, words);
    }
}

#define HMAC "{scheme: hmac, header: X" SECRET

Test(check_signature, the_body_is_signed)
{
    refuses(HMAC ", parts: [{header: X-Id}]}",
            "the body is not among the signed parts: anyone could change it");
    passes(HMAC ", parts: [{header: X-Id}, body]}");
}

Test(check_signature, the_time_stamp_is_signed)
{
    passes(HMAC ", timestamp_header: T, parts: [timestamp, body]}");
    passes(HMAC ", timestamp_header: T, parts: [{header: t}, body]}");
    passes(HMAC ", timestamp_prefix: \"t=\", separator: \",\", parts: [timestamp, body]}");
    refuses(HMAC ", timestamp_header: T, parts: [body]}",
            "the timestamp is not among the signed parts: anyone could change it");
    refuses(HMAC ", timestamp_header: T, parts: [{header: U}, body]}",
            "the timestamp is not among the signed parts");
    refuses(HMAC ", parts: [timestamp, body]}",
            "the timestamp is signed, and there is no signature.timestamp_header");
    refuses(HMAC ", timestamp_prefix: \"t=\", parts: [timestamp, body]}",
            "signature.timestamp_prefix needs a signature.separator");
    refuses(HMAC ", timestamp_header: T, timestamp_prefix: t, separator: \",\", "
                 "parts: [timestamp, body]}",
            "signature.timestamp_header and signature.timestamp_prefix are both given");
}

Test(check_signature, tolerances)
{
    warns("{scheme: stripe, tolerance: 0s" SECRET "}",
          "signature.tolerance is 0: a recorded request can be sent again at any time");
    warns(HMAC ", tolerance: 1m}",
          "signature.tolerance does nothing without a signature.timestamp_header");
    passes(HMAC ", tolerance: 1m, timestamp_header: T, parts: [timestamp, body]}");
    passes("{scheme: stripe, tolerance: 1ms" SECRET "}");
}

/* It looks as if old requests were refused. */
Test(check_signature, a_tolerance_where_no_time_is_signed)
{
    warns(
        "{scheme: github, tolerance: 1m" SECRET "}",
        "f.yaml:9:44: warning: signature.tolerance does nothing: scheme github has no signed time");
    warns("{scheme: github, tolerance: 0s" SECRET "}", "signature.tolerance does nothing");
    warns("{scheme: header, header: X, tolerance: 1m" SECRET "}", "scheme header has no signed");
    passes("{scheme: slack, tolerance: 1m" SECRET "}");
    passes("{scheme: linear, tolerance: 1m" SECRET "}");
}

Test(check_signature, a_refused_setting_is_told_once)
{
    refuses("{scheme: hmacc" SECRET "}", "there is no signature.scheme \"hmacc\"");
    refuses("{scheme: hmac, header: \"a b\"" SECRET "}", "is not the name of a header");
    refuses("{scheme: twilio, public_url: h" SECRET "}", "signature.public_url can't be used");
    refuses("{scheme: github, secret: env:POSTERN_TEST_NONE}", "POSTERN_TEST_NONE is not set");
}
