/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/sign: the published vector of Standard Webhooks, another computation of the
 * same, reuse of one signer, and every shape of secret. */
#include <postern/policy/sign.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define VECTOR_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define VECTOR_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define VECTOR_TIMESTAMP_S 1614265330
#define VECTOR_BODY "{\"test\": 2432232314}"
#define VECTOR_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 1024, 1 << 20);
}

static void close_arena(void)
{
    arena_done(&arena);
}

TestSuite(sign, .init = open_arena, .fini = close_arena);

static struct signer *signer_of(const char *secret)
{
    struct slice key;
    struct signer *signer = NULL;
    cr_assert_eq(sign_secret(slice_str(secret), &arena, &key), STATUS_OK);
    cr_assert_eq(signer_new(key, &signer), STATUS_OK);
    return signer;
}

static void signs(struct signer *signer, struct slice id, uint64_t timestamp_s, struct slice body,
                  const char *expected)
{
    char text[SIGN_TEXT_LEN + 1] = {0};
    text[SIGN_TEXT_LEN] = '#';
    cr_assert_eq(signer_sign(signer, id, timestamp_s, body, text), STATUS_OK);
    cr_assert_eq(text[SIGN_TEXT_LEN], '#', "no NUL");
    cr_assert(slice_eq(slice_of(text, SIGN_TEXT_LEN), slice_str(expected)), "%.*s", SIGN_TEXT_LEN,
              text);
}

Test(sign, the_published_vector)
{
    struct signer *signer = signer_of(VECTOR_SECRET);
    signs(signer, SLICE(VECTOR_ID), VECTOR_TIMESTAMP_S, SLICE(VECTOR_BODY), VECTOR_SIGNATURE);
    signer_free(signer);
}

Test(sign, one_signer_again_and_again)
{
    struct signer *signer = signer_of(VECTOR_SECRET);
    char other[SIGN_TEXT_LEN];
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(signer_sign(signer, SLICE("x"), i, (struct slice){0}, other), STATUS_OK);
        signs(signer, SLICE(VECTOR_ID), VECTOR_TIMESTAMP_S, SLICE(VECTOR_BODY), VECTOR_SIGNATURE);
    }
    signer_free(signer);
}

/* The same by HMAC() over the joined message. */
static void expected_of(struct slice key, const char *message, size_t len, char ret_text[static 80])
{
    unsigned char mac[EVP_MAX_MD_SIZE], base64[72];
    unsigned mac_len = 0;
    cr_assert_not_null(HMAC(EVP_sha256(), key.data, (int)key.len, (const unsigned char *)message,
                            len, mac, &mac_len));
    EVP_EncodeBlock(base64, mac, (int)mac_len);
    snprintf(ret_text, 80, "v1,%s", (const char *)base64);
}

Test(sign, bodies_timestamps_and_keys_of_many_sizes)
{
    static char body[70000], message[70100];
    const size_t sizes[] = {0, 1, 55, 56, 63, 64, 65, 1000, sizeof(body)};
    const uint64_t times[] = {0, 1, 1614265330, UINT64_MAX};
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 7);
    for (size_t key_len = 1; key_len <= 200; key_len += 33)
        for (size_t s = 0; s < 9; s++)
            for (size_t t = 0; t < 4; t++) {
                char expected[80];
                struct slice key = slice_of(body + 5, key_len);
                struct signer *signer = NULL;
                int head =
                    snprintf(message, sizeof(message), "id.%llu.", (unsigned long long)times[t]);
                memcpy(message + head, body, sizes[s]);
                expected_of(key, message, (size_t)head + sizes[s], expected);
                cr_assert_eq(signer_new(key, &signer), STATUS_OK);
                signs(signer, SLICE("id"), times[t], slice_of(body, sizes[s]), expected);
                signer_free(signer);
            }
}

Test(sign, the_key_is_copied)
{
    char bytes[] = "sixteen-or-more-characters";
    char before[SIGN_TEXT_LEN], after[SIGN_TEXT_LEN];
    struct signer *signer = NULL;
    cr_assert_eq(signer_new(slice_of(bytes, sizeof(bytes) - 1), &signer), STATUS_OK);
    cr_assert_eq(signer_sign(signer, SLICE("i"), 1, SLICE("b"), before), STATUS_OK);
    memset(bytes, 0, sizeof(bytes));
    cr_assert_eq(signer_sign(signer, SLICE("i"), 1, SLICE("b"), after), STATUS_OK);
    cr_assert_arr_eq(before, after, SIGN_TEXT_LEN);
    signer_free(signer);
}

Test(sign, no_key_and_no_signer)
{
    struct signer *signer = NULL;
    cr_assert_eq(signer_new((struct slice){0}, &signer), STATUS_INVALID);
    cr_assert_null(signer);
    signer_free(NULL);
}

/* ---- secrets ---- */

static enum status secret(const char *text, struct slice *ret_key)
{
    return sign_secret(slice_str(text), &arena, ret_key);
}

/* "whsec_" and the Base64 of `len` bytes. */
static void write_secret(size_t len, char ret_text[static 256])
{
    unsigned char bytes[100] = {0}, base64[200];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(251 * i + 3);
    EVP_EncodeBlock(base64, bytes, (int)len);
    snprintf(ret_text, 256, "whsec_%s", (const char *)base64);
}

Test(sign, encoded_secrets_at_below_and_above_their_bounds)
{
    char text[256];
    for (size_t len = 0; len <= 100; len++) {
        struct slice key = {.data = "untouched", .len = 9};
        write_secret(len, text);
        bool fits = len >= 24 && len <= 64;
        cr_assert_eq(secret(text, &key), fits ? STATUS_OK : STATUS_INVALID, "%zu bytes", len);
        cr_assert_eq(key.len, fits ? len : 9);
        for (size_t i = 0; i < len && fits; i++)
            cr_assert_eq((unsigned char)key.data[i], (unsigned char)(251 * i + 3));
    }
}

Test(sign, encoded_secrets_that_are_none)
{
    const char *const wrong[] = {
        "whsec_",
        "whsec_====",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",   /* a character is missing */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA", /* one too many */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",  /* the URL alphabet */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_",
        "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",   /* white space */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", /* a line end */
        "whsec_MfKQ9r8GKYqr=wjUPD8ILPZIo2LaLaSw",   /* padding inside */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMf==MfKQ",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwM===", /* too much of it */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw====",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMf",   /* too little of it */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMf==", /* bits behind the last byte */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfL=",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct slice key = {.len = 9};
        cr_assert_eq(secret(wrong[i], &key), STATUS_INVALID, "%s", wrong[i]);
        cr_assert_eq(key.len, 9, "untouched");
    }
    struct slice key;
    cr_assert_eq(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMQ==", &key), STATUS_OK);
    cr_assert_eq(key.len, 25);
}

Test(sign, plain_secrets_are_taken_as_they_are)
{
    struct slice key;
    cr_assert_eq(secret("fifteen-charact", &key), STATUS_INVALID);
    cr_assert_eq(secret("", &key), STATUS_INVALID);
    cr_assert_eq(secret("sixteen-characte", &key), STATUS_OK);
    cr_assert(slice_eq(key, SLICE("sixteen-characte")));
    cr_assert_eq(secret("WHSEC_sixteen-or-more", &key), STATUS_OK);
    cr_assert(slice_eq(key, SLICE("WHSEC_sixteen-or-more")));
}

Test(sign, an_arena_that_is_full)
{
    struct arena small;
    struct slice key;
    arena_init(&small, 16, 8);
    cr_assert_eq(sign_secret(SLICE(VECTOR_SECRET), &small, &key), STATUS_NO_MEMORY);
    cr_assert_eq(sign_secret(SLICE("sixteen-characte"), &small, &key), STATUS_NO_MEMORY);
    arena_done(&small);
}
