/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_signature: every scheme, secrets out of every place (and that none is
 * told), the template of the hmac scheme, handshakes. */
#include "parsing.h"
#include "schema.h"

#include <stdlib.h>
#include <unistd.h>

#define SECRET "hush-hush-hush-hush"

static struct parsed parse_signature(const char *signature)
{
    char route[4096];
    int len = snprintf(route, sizeof(route), "    signature: %s\n", signature);
    cr_assert_lt(len, (int)sizeof(route));
    return parse_with("", "", route);
}

static void refuses(const char *signature, const char *words)
{
    struct parsed parsed = parse_signature(signature);
    assert_one_error(parsed, words);
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
}

static void set_up(void)
{
    setenv("POSTERN_TEST_SECRET", SECRET, 1);
    setenv("POSTERN_TEST_OTHER", "other-other-other", 1);
    setenv("POSTERN_TEST_EMPTY", "", 1);
}

TestSuite(read_signature, .init = set_up);

/* ---- schemes ---- */

Test(read_signature, every_scheme_is_in_the_reference)
{
    const struct setting *row = scope_find(&SCOPE_ROUTE, SLICE("handshake"));
    cr_assert_str_eq(verify_scheme_text(VERIFY_NONE), "none");
    cr_assert_str_eq(handshake_text(HANDSHAKE_NONE), "none");
    for (unsigned i = 0; i < HANDSHAKE_KINDS; i++)
        cr_assert(strstr(row->form, handshake_text((enum handshake_kind)i)), "%u", i);
}

Test(read_signature, schemes)
{
    struct parsed parsed = parse_signature("{scheme: github, secret: env:POSTERN_TEST_SECRET}");
    assert_clean(parsed);
    const struct verify_opts *verify = &parsed.config->routes[0].verify;
    cr_assert(verify->scheme == VERIFY_GITHUB && verify->secret_count == 1);
    cr_assert(slice_eq(verify->secrets[0], SLICE(SECRET)));
    cr_assert(verify->tolerance_ms == 300000 && verify->status == 401);
    cr_assert_eq(verify->public_url.len, 0);
    parsed_done(&parsed);
    refuses("{scheme: gihtub, secret: env:POSTERN_TEST_SECRET}", "did you mean \"github\"?");
    refuses("{scheme: [github], secret: env:POSTERN_TEST_SECRET}",
            "signature.scheme must be one value, not a list");
    refuses("{scheme: GitHub!, secret: env:POSTERN_TEST_SECRET}", "there is no signature.scheme");
}

Test(read_signature, none)
{
    struct parsed parsed = parse_with("", "", "");
    cr_assert_eq(parsed.config->routes[0].verify.scheme, VERIFY_NONE);
    cr_assert_eq(parsed.config->routes[0].verify.status, 401);
    parsed_done(&parsed);
    parsed = parse_signature("{scheme: none}");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->routes[0].verify.scheme, VERIFY_NONE);
    parsed_done(&parsed);
}

/* ---- secrets ---- */

Test(read_signature, several_secrets)
{
    struct parsed parsed = parse_signature("{scheme: github, secrets: [env:POSTERN_TEST_SECRET, "
                                           "env:POSTERN_TEST_OTHER]}");
    assert_clean(parsed);
    const struct verify_opts *verify = &parsed.config->routes[0].verify;
    cr_assert(verify->secret_count == 2 && slice_eq(verify->secrets[0], SLICE(SECRET)));
    cr_assert(slice_eq(verify->secrets[1], SLICE("other-other-other")));
    parsed_done(&parsed);
    parsed = parse_signature("{scheme: github, secrets: env:POSTERN_TEST_SECRET}");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->routes[0].verify.secret_count, 1);
    parsed_done(&parsed);
}

Test(read_signature, a_secret_out_of_a_file)
{
    char path[] = "/tmp/postern-signature-XXXXXX", signature[128];
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, SECRET "\n", sizeof(SECRET)) == sizeof(SECRET));
    close(fd);
    snprintf(signature, sizeof(signature), "{scheme: github, secret: \"file:%s\"}", path);
    struct parsed parsed = parse_signature(signature);
    assert_clean(parsed);
    cr_assert(slice_eq(parsed.config->routes[0].verify.secrets[0], SLICE(SECRET)));
    parsed_done(&parsed);
    unlink(path);
    refuses(signature, "No such file or directory");
}

Test(read_signature, a_secret_in_the_file_is_warned_of_and_not_told)
{
    struct parsed parsed = parse_signature("{scheme: github, secret: " SECRET "}");
    assert_one_warning(parsed, "signature.secret stands in the file, for all who can read it");
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    cr_assert(strstr(parsed.report, "(not shown: it holds a secret)"), "%s", parsed.report);
    parsed_done(&parsed);
}

Test(read_signature, a_public_key_is_no_secret)
{
    struct parsed parsed =
        parse_signature("{scheme: discord, secret: "
                        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a}");
    assert_clean(parsed);
    parsed_done(&parsed);
}

Test(read_signature, secrets_that_are_not_there)
{
    refuses("{scheme: github, secret: env:POSTERN_TEST_EMPTY}",
            "the secret in POSTERN_TEST_EMPTY is empty");
    refuses("{scheme: github, secret: env:POSTERN_TEST_NONE}",
            "the environment variable POSTERN_TEST_NONE is not set");
    refuses("{scheme: github, secret: ''}", "signature.secret is empty");
    refuses("{scheme: github, secret: }", "signature.secret has no value");
    refuses("{scheme: github, secrets: []}", "signature.secrets must have 1 to 8 items, not 0");
    refuses("{scheme: github, secrets: [env:POSTERN_TEST_SECRET, '']}",
            "signature.secrets is empty");
    refuses("{scheme: github, secrets: [env:POSTERN_TEST_SECRET, ~]}",
            "signature.secrets has no value");
}

Test(read_signature, secrets_of_a_wrong_shape_are_not_told)
{
    refuses("{scheme: github, secret: [hush, hush]}", "signature.secret must be one value");
    refuses("{scheme: github, secret: [hush]}", "hint: several are given as signature.secrets");
    refuses("{scheme: github, secret: {hush: hush}}", "signature.secret must be one value");
    refuses("{scheme: github, secrets: {hush: hush}}",
            "signature.secrets must be one value, not a");
    refuses("{scheme: github, secrets: [[hush]]}",
            "signature.secrets must be one value, not a list");
    refuses("{scheme: github, sekret: hush}", "unknown key in signature");
    refuses("hush", "signature must be a map of settings");
    refuses("[hush]", "signature must be a map of settings");
}

Test(read_signature, secrets_at_and_above_their_most)
{
    char signature[1024];
    for (unsigned count = VERIFY_MAX_SECRETS; count <= VERIFY_MAX_SECRETS + 1; count++) {
        size_t len = (size_t)snprintf(signature, sizeof(signature), "{scheme: github, secrets: [");
        for (unsigned i = 0; i < count; i++)
            len += (size_t)snprintf(signature + len, sizeof(signature) - len,
                                    "env:POSTERN_TEST_SECRET, ");
        snprintf(signature + len, sizeof(signature) - len, "]}");
        if (count > VERIFY_MAX_SECRETS) {
            refuses(signature, "signature.secrets must have 1 to 8 items, not 9");
            continue;
        }
        struct parsed parsed = parse_signature(signature);
        assert_clean(parsed);
        cr_assert_eq(parsed.config->routes[0].verify.secret_count, VERIFY_MAX_SECRETS);
        parsed_done(&parsed);
    }
}

/* ---- the template ---- */

#define HMAC "{scheme: hmac, secret: env:POSTERN_TEST_SECRET, header: X-Signature"

Test(read_signature, the_least_of_a_template)
{
    struct parsed parsed = parse_signature(HMAC "}");
    assert_clean(parsed);
    const struct verify_hmac *hmac = &parsed.config->routes[0].verify.hmac;
    cr_assert(slice_eq(hmac->header, SLICE("X-Signature")) && hmac->digest == VERIFY_SHA256);
    cr_assert(hmac->encoding == VERIFY_HEX && hmac->prefix.len == 0 && hmac->separator == 0);
    cr_assert(hmac->time_header.len == 0 && hmac->time_prefix.len == 0);
    cr_assert(hmac->part_count == 1 && hmac->parts[0].kind == VERIFY_PART_BODY);
    parsed_done(&parsed);
}

Test(read_signature, a_whole_template)
{
    struct parsed parsed = parse_signature(
        HMAC ", algorithm: sha512, encoding: base64, prefix: \"v1=\", "
             "separator: \",\", timestamp_prefix: \"t=\", tolerance: 1m, status: "
             "403, public_url: \"https://hooks.example.com:8443/\", parts: [method, "
             "path, url, {header: X-Id}, timestamp, {text: \".\"}, body]}");
    assert_clean(parsed);
    const struct verify_opts *verify = &parsed.config->routes[0].verify;
    const struct verify_hmac *hmac = &verify->hmac;
    cr_assert(hmac->digest == VERIFY_SHA512 && hmac->encoding == VERIFY_BASE64);
    cr_assert(slice_eq(hmac->prefix, SLICE("v1=")) && hmac->separator == ',');
    cr_assert(slice_eq(hmac->time_prefix, SLICE("t=")) && hmac->part_count == 7);
    cr_assert(hmac->parts[0].kind == VERIFY_PART_METHOD && hmac->parts[1].kind == VERIFY_PART_PATH);
    cr_assert(hmac->parts[2].kind == VERIFY_PART_URL && hmac->parts[4].kind == VERIFY_PART_TIME);
    cr_assert(hmac->parts[3].kind == VERIFY_PART_HEADER);
    cr_assert(slice_eq(hmac->parts[3].text, SLICE("X-Id")));
    cr_assert(hmac->parts[5].kind == VERIFY_PART_TEXT && slice_eq(hmac->parts[5].text, SLICE(".")));
    cr_assert(verify->tolerance_ms == 60000 && verify->status == 403);
    cr_assert(slice_eq(verify->public_url, SLICE("https://hooks.example.com:8443")));
    parsed_done(&parsed);
}

Test(read_signature, a_time_stamp_in_a_header)
{
    struct parsed parsed = parse_signature(
        HMAC ", timestamp_header: X-Time, parts: [{header: X-Time}, body], algorithm: sha1}");
    assert_clean(parsed);
    const struct verify_hmac *hmac = &parsed.config->routes[0].verify.hmac;
    cr_assert(slice_eq(hmac->time_header, SLICE("X-Time")) && hmac->digest == VERIFY_SHA1);
    parsed_done(&parsed);
}

Test(read_signature, templates_that_are_refused)
{
    refuses(HMAC ", parts: []}", "signature.parts must have 1 to 8 items, not 0");
    refuses(HMAC ", parts: [body, body, body, body, body, body, body, body, body]}",
            "signature.parts must have 1 to 8 items, not 9");
    refuses(HMAC ", parts: [body, head]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, ~]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, [body]]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, {text: \"\"}]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, {text: [a]}]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, {query: a}]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, {text: a, header: b}]}", "this is not a part of what is signed");
    refuses(HMAC ", parts: [body, {header: \"a b\"}]}", "\"a b\" is not the name of a header");
    refuses(HMAC ", parts: [body, *a]}", "aliases are not allowed here");
    refuses(HMAC ", algorithm: md5}", "signature.algorithm must be sha256 | sha1 | sha512");
    refuses(HMAC ", encoding: base32}", "signature.encoding must be hex | base64");
    refuses("{scheme: hmac, secret: env:POSTERN_TEST_SECRET, header: \"a b\"}",
            "\"a b\" is not the name of a header");
    refuses(HMAC ", timestamp_header: [a]}", "signature.timestamp_header must be one value");
}

Test(read_signature, separators)
{
    const char *const right[] = {"\",\"", "\";\"", "\" \"", "\"|\""};
    const char *const wrong[] = {"a",     "\"1\"", "\"=\"",  "\"+\"", "\"/\"",
                                 "\"-\"", "\"_\"", "\",,\"", "\"\"",  "\"\xc3\xa4\""};
    char signature[256];
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        snprintf(signature, sizeof(signature), HMAC ", separator: %s}", right[i]);
        struct parsed parsed = parse_signature(signature);
        assert_clean(parsed);
        cr_assert_eq(parsed.config->routes[0].verify.hmac.separator, right[i][1]);
        parsed_done(&parsed);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(signature, sizeof(signature), HMAC ", separator: %s}", wrong[i]);
        refuses(signature, "signature.separator must be one character that no signature holds");
    }
}

Test(read_signature, affixes_at_and_above_their_longest)
{
    char signature[512], affix[66];
    memset(affix, 'x', sizeof(affix));
    const char *const forms[] = {", prefix: %.*s}", ", parts: [body, {text: %.*s}]}"};
    for (size_t i = 0; i < 2; i++)
        for (int len = 64; len <= 65; len++) {
            size_t at = (size_t)snprintf(signature, sizeof(signature), HMAC);
            if (i == 0)
                snprintf(signature + at, sizeof(signature) - at, ", prefix: %.*s}", len, affix);
            else
                snprintf(signature + at, sizeof(signature) - at, ", parts: [body, {text: %.*s}]}",
                         len, affix);
            struct parsed parsed = parse_signature(signature);
            cr_assert_eq(parsed.status, len == 64 ? STATUS_OK : STATUS_INVALID, "%s", forms[i]);
            parsed_done(&parsed);
        }
}

#define TWILIO "{scheme: twilio, secret: env:POSTERN_TEST_SECRET, public_url: "

Test(read_signature, public_urls)
{
    struct parsed parsed = parse_signature(TWILIO "http://h:80}");
    assert_clean(parsed);
    cr_assert(slice_eq(parsed.config->routes[0].verify.public_url, SLICE("http://h:80")));
    parsed_done(&parsed);
    refuses(TWILIO "h.example.com}", "signature.public_url can't be used: it has no scheme");
    refuses(TWILIO "ftp://h}", "its scheme is not https:// or http://");
    refuses(TWILIO "https://h/path}", "no path may follow the host");
    refuses(TWILIO "\"https://me:no@h\"}", "a user is not allowed in it");
    refuses(TWILIO "https://}", "it has no host");
}

Test(read_signature, bounds)
{
#define STRIPE "{scheme: stripe, secret: env:POSTERN_TEST_SECRET, "
    const char *const right[] = {"status: 400}", "status: 499}", "tolerance: 1ms}",
                                 "tolerance: 1d}"};
    char signature[256];
    for (size_t i = 0; i < 4; i++) {
        snprintf(signature, sizeof(signature), STRIPE "%s", right[i]);
        struct parsed parsed = parse_signature(signature);
        assert_clean(parsed);
        parsed_done(&parsed);
    }
    refuses(STRIPE "status: 399}", "signature.status must be from 400 to 499, not 399");
    refuses(STRIPE "status: 500}", "signature.status must be from 400 to 499, not 500");
    refuses(STRIPE "tolerance: 86400001ms}", "signature.tolerance must be from 0s to 24h");
    refuses(STRIPE "tolerance: 300}", "missing unit: signature.tolerance");
}

/* ---- handshakes ---- */

Test(read_signature, handshakes)
{
    const char *const words[] = {"none", "slack", "dropbox", "discord"};
    const enum handshake_kind kinds[] = {HANDSHAKE_NONE, HANDSHAKE_SLACK, HANDSHAKE_DROPBOX,
                                         HANDSHAKE_DISCORD};
    char route[128];
    for (size_t i = 0; i < 4; i++) {
        snprintf(route, sizeof(route), "    handshake: %s\n", words[i]);
        struct parsed parsed = parse_with("", "", route);
        assert_clean(parsed);
        cr_assert_eq(parsed.config->routes[0].handshake.kind, kinds[i]);
        parsed_done(&parsed);
    }
    expect_error("", "", "    handshake: slak\n", "there is no handshake \"slak\"");
    expect_error("", "", "    handshake: slak\n", "did you mean \"slack\"?");
    expect_error("", "", "    handshake: [slack]\n", "handshake must be one value, not a list");
}

Test(read_signature, the_token_of_a_handshake)
{
    struct parsed parsed =
        parse_with("", "", "    handshake: meta\n    handshake_token: env:POSTERN_TEST_SECRET\n");
    assert_clean(parsed);
    const struct handshake_opts *handshake = &parsed.config->routes[0].handshake;
    cr_assert(handshake->kind == HANDSHAKE_META && slice_eq(handshake->token, SLICE(SECRET)));
    parsed_done(&parsed);
    parsed = parse_with("", "", "    handshake: meta\n    handshake_token: " SECRET "\n");
    assert_one_warning(parsed, "handshake_token stands in the file");
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
    expect_error("", "", "    handshake: meta\n    handshake_token: ''\n",
                 "handshake_token is empty");
    parsed = parse_with("", "", "    handshake: meta\n    handshake_token: [hush]\n");
    assert_one_error(parsed, "handshake_token must be one value, not a list");
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
}
