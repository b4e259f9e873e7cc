/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of policy/verify: a signed request as a sender sends it, the route's settings for
 * it, and one check of it. A suite that includes it runs with `open_arena` and `close_arena`.
 */
#ifndef POSTERN_TESTS_POLICY_SIGNED_REQUEST_H
#define POSTERN_TESTS_POLICY_SIGNED_REQUEST_H

#include <postern/policy/verify.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define MAX_TEST_HEADERS 8u
#define TOLERANCE_MS 300000u
#define NO_SECRET 99u

struct test_header {
    const char *name; /* NULL: the list ends */
    struct slice value;
};

struct signed_request {
    enum verify_scheme scheme;
    struct slice secrets[VERIFY_MAX_SECRETS];
    struct slice public_url;
    struct verify_hmac hmac;
    uint64_t tolerance_ms; /* set to 0 where the age isn't looked at */
    struct slice method, target, body;
    struct test_header headers[MAX_TEST_HEADERS];
    uint64_t now_ms;
};

static struct arena arena;

static inline void open_arena(void)
{
    arena_init(&arena, 8192, 256u * 1024);
}

static inline void close_arena(void)
{
    arena_done(&arena);
}

static inline size_t find_header(const void *headers, struct slice name, struct slice *ret_value)
{
    const struct test_header *header = headers;
    size_t found = 0;
    for (size_t i = 0; i < MAX_TEST_HEADERS && header[i].name; i++)
        if (slice_ieq(slice_str(header[i].name), name) && found++ == 0)
            *ret_value = header[i].value;
    return found;
}

static inline struct verify_opts opts_of(const struct signed_request *request)
{
    size_t count = 0;
    while (count < VERIFY_MAX_SECRETS && request->secrets[count].data)
        count++;
    return (struct verify_opts){
        .scheme = request->scheme,
        .secrets = request->secrets,
        .secret_count = count,
        .tolerance_ms = request->tolerance_ms,
        .hmac = request->hmac,
        .public_url = request->public_url,
    };
}

static inline enum verify_result
check_with(struct verifier *verifier, const struct signed_request *request, size_t *ret_secret)
{
    const struct verify_input input = {
        .method = request->method,
        .target = request->target,
        .body = request->body,
        .now_ms = request->now_ms,
        .headers = request->headers,
        .header = find_header,
    };
    *ret_secret = NO_SECRET;
    arena_reset(&arena);
    return verifier_check(verifier, &input, &arena, ret_secret);
}

/* Opens, checks once, closes. *ret_secret is NO_SECRET unless the result is VERIFY_OK. */
static inline enum verify_result check_once(const struct signed_request *request,
                                            size_t *ret_secret)
{
    struct verify_opts opts = opts_of(request);
    struct verifier *verifier = NULL;
    char error[256];
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK, "%s: %s",
                 verify_scheme_text(request->scheme), error);
    enum verify_result result = check_with(verifier, request, ret_secret);
    cr_assert((result == VERIFY_OK) == (*ret_secret != NO_SECRET));
    verifier_close(verifier);
    return result;
}

static inline void expect(const struct signed_request *request, enum verify_result expected)
{
    size_t secret;
    enum verify_result result = check_once(request, &secret);
    cr_assert_eq(result, expected, "%s: %s, not %s", verify_scheme_text(request->scheme),
                 verify_result_text(result), verify_result_text(expected));
}

/* Expects that the verifier is refused, and that the reason holds `words` and no secret. */
static inline void expect_refused(const struct signed_request *request, const char *words)
{
    struct verify_opts opts = opts_of(request);
    struct verifier *verifier = NULL;
    char error[256] = "";
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_INVALID, "%s: not refused (%s)",
                 verify_scheme_text(request->scheme), words);
    cr_assert_null(verifier);
    cr_assert_not_null(strstr(error, words), "\"%s\" instead of \"%s\"", error, words);
    for (size_t i = 0; i < opts.secret_count; i++)
        if (opts.secrets[i].len > 6) /* "whsec_" alone is no secret */
            cr_assert_null(memmem(error, strlen(error), opts.secrets[i].data, opts.secrets[i].len));
}

static inline struct test_header *header_of(struct signed_request *request, const char *name)
{
    for (size_t i = 0; i < MAX_TEST_HEADERS && request->headers[i].name; i++)
        if (slice_ieq(slice_str(request->headers[i].name), slice_str(name)))
            return &request->headers[i];
    cr_assert_fail("%s: no header %s", verify_scheme_text(request->scheme), name);
    return NULL;
}

static inline void set_header(struct signed_request *request, const char *name, const char *value)
{
    header_of(request, name)->value = slice_str(value);
}

static inline void add_header(struct signed_request *request, const char *name, const char *value)
{
    size_t i = 0;
    while (i < MAX_TEST_HEADERS && request->headers[i].name)
        i++;
    cr_assert_lt(i, MAX_TEST_HEADERS);
    request->headers[i] = (struct test_header){name, slice_str(value)};
}

static inline void remove_header(struct signed_request *request, const char *name)
{
    struct test_header *header = header_of(request, name);
    const struct test_header *end = request->headers + MAX_TEST_HEADERS;
    for (; header + 1 < end; header++)
        header[0] = header[1];
    *header = (struct test_header){0};
}

/* A signature by OpenSSL's one-shot HMAC(), for requests that are no published vectors: `format`
 * has one %s for it. The result lives until the eighth call after this one. */
static inline const char *signature_of(const char *format, const EVP_MD *digest,
                                       enum verify_encoding encoding, struct slice key,
                                       const char *message)
{
    static char texts[8][512];
    static size_t turn;
    unsigned char mac[EVP_MAX_MD_SIZE], encoded[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len = 0;
    cr_assert_not_null(HMAC(digest, key.data, (int)key.len, (const unsigned char *)message,
                            strlen(message), mac, &len));
    if (encoding == VERIFY_BASE64)
        EVP_EncodeBlock(encoded, mac, (int)len);
    for (unsigned i = 0; encoding == VERIFY_HEX && i < len; i++)
        snprintf((char *)encoded + 2 * i, 3, "%02x", mac[i]);
    char *text = texts[turn++ % COUNT_OF(texts)];
    const char *mark = strstr(format, "%s");
    cr_assert_not_null(mark);
    snprintf(text, sizeof texts[0], "%.*s%s%s", (int)(mark - format), format, (const char *)encoded,
             mark + 2);
    return text;
}

#endif
