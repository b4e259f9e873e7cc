/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each sender's vector goes through the same mill: right; every bit of signature, time stamp, body,
 * URL and secret changed; fields missing, empty, repeated, malformed; several secrets; the time at,
 * below and above its limit.
 */
#include "verify_vectors.h"

TestSuite(verify_vectors, .init = open_arena, .fini = close_arena);

Test(verify_vectors, each_is_right)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        expect(&request, VERIFY_OK);
        request.tolerance_ms = 0;
        request.now_ms = 0;
        expect(&request, VERIFY_OK);
    }
}

Test(verify_vectors, each_sender_has_one)
{
    bool seen[VERIFY_SCHEMES] = {false};
    for (size_t i = 0; i < VECTOR_COUNT; i++)
        seen[vectors[i].request.scheme] = true;
    seen[VERIFY_NONE] = seen[VERIFY_MAILGUN] = true;                       /* test_verify_body.c */
    seen[VERIFY_BEARER] = seen[VERIFY_BASIC] = seen[VERIFY_HEADER] = true; /* test_verify_plain.c */
    for (size_t i = 0; i < VERIFY_SCHEMES; i++)
        cr_assert(seen[i], "%s", verify_scheme_text((enum verify_scheme)i));
}

/* ---- every bit ---- */

/* Changes each bit of what *place shows; none may pass but another case of a hexadecimal digit
 * (`folds`). */
static void flip_each_bit(const struct vector *vector, struct verifier *verifier,
                          struct signed_request *request, struct slice *place, bool folds)
{
    struct slice original = *place;
    char *copy = exact_copy(original);
    *place = slice_of(copy, original.len);
    for (size_t bit = 0; bit < 8 * original.len; bit++) {
        size_t secret;
        copy[bit / 8] = (char)(original.data[bit / 8] ^ 1 << bit % 8);
        enum verify_result result = check_with(verifier, request, &secret);
        bool may_pass = folds && slice_ieq(*place, original);
        cr_assert(result != VERIFY_OK || may_pass, "%s: bit %zu of \"%.*s\": %s",
                  verify_scheme_text(vector->request.scheme), bit, (int)original.len, original.data,
                  verify_result_text(result));
        copy[bit / 8] = original.data[bit / 8];
    }
    free(copy);
    *place = original;
}

static void flip_request(const struct vector *vector)
{
    struct signed_request request = request_of(vector);
    struct verify_opts opts = opts_of(&request);
    struct verifier *verifier = NULL;
    char error[256];
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK, "%s", error);
    request.tolerance_ms = 0;
    flip_each_bit(vector, verifier, &request, &header_of(&request, vector->signature)->value,
                  vector->folds);
    flip_each_bit(vector, verifier, &request, &request.body, false);
    if (vector->time)
        flip_each_bit(vector, verifier, &request, &header_of(&request, vector->time)->value, false);
    if (verify_scheme_needs_url(request.scheme))
        flip_each_bit(vector, verifier, &request, &request.target, false);
    verifier_close(verifier);
}

Test(verify_vectors, every_bit_of_signature_body_and_time, .timeout = 120)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++)
        flip_request(&vectors[i]);
}

/* A changed secret is refused at once, or fits nothing. */
Test(verify_vectors, every_bit_of_the_secret, .timeout = 120)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        struct slice original = request.secrets[0];
        char *copy = exact_copy(original);
        request.secrets[0] = slice_of(copy, original.len);
        for (size_t bit = 0; bit < 8 * original.len; bit++) {
            struct verify_opts opts = opts_of(&request);
            struct verifier *verifier = NULL;
            char error[256];
            size_t secret;
            copy[bit / 8] = (char)(original.data[bit / 8] ^ 1 << bit % 8);
            bool is_same = request.scheme == VERIFY_DISCORD &&
                           slice_ieq(original, request.secrets[0]);
            if (verifier_open(&opts, &verifier, error) == STATUS_OK)
                cr_assert_eq(check_with(verifier, &request, &secret) == VERIFY_OK, is_same,
                             "%s: bit %zu", verify_scheme_text(request.scheme), bit);
            verifier_close(verifier);
            copy[bit / 8] = original.data[bit / 8];
        }
        free(copy);
    }
}

/* ---- fields ---- */

static void miss_field(const struct vector *vector, const char *name)
{
    struct signed_request request = request_of(vector);
    set_header(&request, name, "");
    expect(&request, VERIFY_MISSING);
    request = request_of(vector);
    remove_header(&request, name);
    expect(&request, VERIFY_MISSING);
    request = request_of(vector);
    add_header(&request, name, "1");
    expect(&request, VERIFY_REPEATED);
    request = request_of(vector);
    set_header(&request, name, "no such thing");
    expect(&request, request.headers[0].value.len == 0 ? VERIFY_MISSING : VERIFY_MALFORMED);
}

Test(verify_vectors, fields_missing_empty_repeated_malformed)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        bool is_list = vectors[i].request.scheme == VERIFY_STANDARD_WEBHOOKS ||
                       vectors[i].request.scheme == VERIFY_GITLAB ||
                       vectors[i].request.scheme == VERIFY_STRIPE ||
                       vectors[i].request.scheme == VERIFY_PADDLE ||
                       vectors[i].request.scheme == VERIFY_PAGERDUTY;
        if (!is_list) /* lists that hold nothing: test_verify_hmac.c, test_verify_webhook.c */
            miss_field(&vectors[i], vectors[i].signature);
        if (vectors[i].time)
            miss_field(&vectors[i], vectors[i].time);
    }
}

Test(verify_vectors, an_empty_body_is_another_body)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        request.body = (struct slice){0};
        expect(&request, VERIFY_MISMATCH);
    }
}

/* ---- secrets ---- */

Test(verify_vectors, two_secrets_and_the_one_that_fits)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        size_t secret;
        request.secrets[1] = vectors[i].other_secret;
        cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
        cr_assert_eq(secret, 0);
        request.secrets[1] = request.secrets[0];
        request.secrets[0] = vectors[i].other_secret;
        cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
        cr_assert_eq(secret, 1, "%s", verify_scheme_text(request.scheme));
        request.secrets[1] = (struct slice){0};
        expect(&request, VERIFY_MISMATCH);
    }
}

Test(verify_vectors, the_last_of_eight_secrets)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        size_t secret;
        for (size_t s = 0; s < VERIFY_MAX_SECRETS; s++)
            request.secrets[s] = vectors[i].other_secret;
        request.secrets[VERIFY_MAX_SECRETS - 1] = vectors[i].request.secrets[0];
        cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
        cr_assert_eq(secret, VERIFY_MAX_SECRETS - 1);
    }
}

/* ---- time ---- */

Test(verify_vectors, the_tolerance_at_below_and_above_both_ways)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        uint64_t sent_ms = vectors[i].sent_ms;
        if (sent_ms == 0)
            continue;
        request.now_ms = sent_ms + TOLERANCE_MS;
        expect(&request, VERIFY_OK);
        request.now_ms = sent_ms + TOLERANCE_MS + 1;
        expect(&request, VERIFY_TOO_OLD);
        request.now_ms = sent_ms - TOLERANCE_MS;
        expect(&request, VERIFY_OK);
        request.now_ms = sent_ms - TOLERANCE_MS - 1;
        expect(&request, VERIFY_TOO_NEW);
    }
}

Test(verify_vectors, a_wrong_signature_is_never_too_old)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct signed_request request = request_of(&vectors[i]);
        request.secrets[0] = vectors[i].other_secret;
        request.now_ms = vectors[i].sent_ms + TOLERANCE_MS + 1;
        expect(&request, VERIFY_MISMATCH);
        request.now_ms = 0;
        expect(&request, VERIFY_MISMATCH);
    }
}

/* ---- spelling ---- */

Test(verify_vectors, hexadecimal_in_capitals)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        if (!vectors[i].folds)
            continue;
        struct signed_request request = request_of(&vectors[i]);
        struct test_header *header = header_of(&request, vectors[i].signature);
        char *copy = exact_copy(header->value);
        size_t digits = header->value.len < 64 ? 40 : 64;
        for (size_t at = header->value.len - digits; at < header->value.len; at++)
            if (copy[at] >= 'a' && copy[at] <= 'f')
                copy[at] = (char)(copy[at] - 'a' + 'A');
        header->value = slice_of(copy, header->value.len);
        expect(&request, VERIFY_OK);
        free(copy);
    }
}
