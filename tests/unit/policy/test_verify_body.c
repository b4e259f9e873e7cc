/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_body: Mailgun's signature in JSON and in forms, Linear's time in the
 * body it signs. */
#include "signed_request.h"

#include <postern/policy/key.h>

/* The token and time of documentation.mailgun.com, "Securing Webhooks", whose signature is made up;
 * this one is hmac.new(b"mailgun-signing-key", time + token, "sha256").hexdigest(). */
#define TOKEN "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"
#define TIME "1770920772"
#define SIGNATURE "adbb83c91c8abbcfd4e37393fb3b2fa9675c9672c7510e241669951d5f8b7537"
#define EVENT ",\"event-data\":{\"id\":\"x\",\"timestamp\":1.5,\"signature\":3}"
#define MAILGUN_JSON(time, token, signature)                                                       \
    "{\"signature\":{\"token\":" token ",\"timestamp\":" time ",\"signature\":" signature          \
    "}" EVENT "}"
#define MAILGUN_FORM "event=opened&timestamp=" TIME "&token=" TOKEN "&signature=" SIGNATURE
#define TOLD_MS 1677611643000u

TestSuite(verify_body, .init = open_arena, .fini = close_arena);

/* ---- Mailgun ---- */

static struct signed_request mailgun(const char *body, const char *type)
{
    struct signed_request request = {
        .scheme = VERIFY_MAILGUN,
        .secrets = {TEXT("mailgun-signing-key")},
        .tolerance_ms = TOLERANCE_MS,
        .body = slice_str(body),
        .headers = {{"Content-Type", slice_str(type)}},
        .now_ms = 1770920772000,
    };
    return request;
}

static void expect_json(const char *body, enum verify_result expected)
{
    struct signed_request request = mailgun(body, "application/json");
    expect(&request, expected);
}

static void expect_form(const char *body, enum verify_result expected)
{
    struct signed_request request = mailgun(body, "application/x-www-form-urlencoded");
    expect(&request, expected);
}

Test(verify_body, mailgun_in_json_and_in_a_form)
{
    expect_json(MAILGUN_JSON("\"" TIME "\"", "\"" TOKEN "\"", "\"" SIGNATURE "\""), VERIFY_OK);
    expect_json(MAILGUN_JSON(TIME, "\"" TOKEN "\"", "\"" SIGNATURE "\""), VERIFY_OK);
    expect_form(MAILGUN_FORM, VERIFY_OK);
    expect_json(MAILGUN_FORM, VERIFY_MALFORMED);
    expect_form(MAILGUN_JSON(TIME, "\"" TOKEN "\"", "\"" SIGNATURE "\""), VERIFY_MISSING);
    expect_json("", VERIFY_MISSING);
    expect_form("", VERIFY_MISSING);
}

Test(verify_body, mailgun_every_bit_of_what_is_signed)
{
    char body[] = MAILGUN_FORM;
    struct signed_request request = mailgun(body, "application/x-www-form-urlencoded");
    request.tolerance_ms = 0;
    for (size_t bit = 8 * strlen("event=opened&"); bit < 8 * strlen(body); bit++) {
        size_t secret;
        body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
        bool is_capital = bit % 8 == 5 && bit / 8 >= strlen(body) - 64;
        enum verify_result result = check_once(&request, &secret);
        cr_assert(result != VERIFY_OK || is_capital, "bit %zu", bit);
        body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
    }
}

Test(verify_body, mailgun_fields_missing_empty_repeated_malformed)
{
    const char *wrong_json[] = {
        "{}",
        "{\"signature\":null}",
        "{\"signature\":{}}",
        "{\"token\":\"" TOKEN "\",\"timestamp\":\"" TIME "\",\"signature\":\"" SIGNATURE "\"}",
        MAILGUN_JSON("null", "\"" TOKEN "\"", "\"" SIGNATURE "\""),
        MAILGUN_JSON("\"\"", "\"" TOKEN "\"", "\"" SIGNATURE "\""),
        MAILGUN_JSON("\"" TIME "\"", "\"\"", "\"" SIGNATURE "\""),
        MAILGUN_JSON("\"" TIME "\"", "\"" TOKEN "\"", "\"\""),
    };
    for (size_t i = 0; i < COUNT_OF(wrong_json); i++)
        expect_json(wrong_json[i], VERIFY_MISSING);
    expect_form("token=" TOKEN "&signature=" SIGNATURE, VERIFY_MISSING);
    expect_form("timestamp=&token=" TOKEN "&signature=" SIGNATURE, VERIFY_MISSING);
    expect_form("timestamp=" TIME "&token=&signature=" SIGNATURE, VERIFY_MISSING);
    expect_form(MAILGUN_FORM "&token=" TOKEN, VERIFY_REPEATED);
    expect_form("timestamp=" TIME "&token=%zz&signature=" SIGNATURE, VERIFY_MALFORMED);
    expect_json("{\"signature\":{\"token\":\"a\",\"token\":\"" TOKEN "\"}}", VERIFY_REPEATED);
    expect_json("{\"signature\":", VERIFY_MALFORMED);
    expect_json(MAILGUN_JSON(TIME, "1", "\"" SIGNATURE "\""), VERIFY_MALFORMED);
    expect_json(MAILGUN_JSON("[1]", "\"" TOKEN "\"", "\"" SIGNATURE "\""), VERIFY_MALFORMED);
    expect_json(MAILGUN_JSON("\"x\"", "\"" TOKEN "\"", "\"" SIGNATURE "\""), VERIFY_MALFORMED);
    expect_json(MAILGUN_JSON("\"" TIME "\"", "\"" TOKEN "\"", "\"12\""), VERIFY_MALFORMED);
    expect_json(MAILGUN_JSON("\"" TIME "\"", "\"" TOKEN "\"", "7"), VERIFY_MALFORMED);
}

/* A digit of the token taken for the last of the time, or the other way round, leaves the signature
 * right. */
Test(verify_body, mailgun_digits_do_not_move_between_time_and_token)
{
    /* hmac.new(key, b"1770920772e0b5", "sha256"), and with a token that begins with digits. */
    expect_form("timestamp=" TIME "&token=e0b5&signature="
                "4e8ac8618ccb898b16daeb7d7b74f29b4f849a7dad31a24481c32faf7dcc3a57",
                VERIFY_OK);
    const char *digits = signature_of("timestamp=17709207721&token=23x&signature=%s", EVP_sha256(),
                                      VERIFY_HEX, SLICE("mailgun-signing-key"), TIME "123x");
    expect_form(digits, VERIFY_MALFORMED);
    digits = signature_of("timestamp=1770920772123&token=x&signature=%s", EVP_sha256(), VERIFY_HEX,
                          SLICE("mailgun-signing-key"), TIME "123x");
    expect_form(digits, VERIFY_MALFORMED);
    digits = signature_of("timestamp=177092077&token=2123x&signature=%s", EVP_sha256(), VERIFY_HEX,
                          SLICE("mailgun-signing-key"), TIME "123x");
    expect_form(digits, VERIFY_MALFORMED);
}

Test(verify_body, mailgun_secrets_and_tolerance)
{
    struct signed_request request = mailgun(MAILGUN_FORM, "application/x-www-form-urlencoded");
    size_t secret;
    request.secrets[1] = request.secrets[0];
    request.secrets[0] = SLICE("another");
    cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
    cr_assert_eq(secret, 1);
    request.now_ms += TOLERANCE_MS;
    expect(&request, VERIFY_OK);
    request.now_ms++;
    expect(&request, VERIFY_TOO_OLD);
    request.now_ms -= 2 * TOLERANCE_MS + 1;
    expect(&request, VERIFY_OK);
    request.now_ms--;
    expect(&request, VERIFY_TOO_NEW);
    request.secrets[1] = (struct slice){0};
    expect(&request, VERIFY_MISMATCH);
}

Test(verify_body, an_arena_that_is_full)
{
    struct signed_request request = mailgun(
        MAILGUN_JSON(TIME, "\"" TOKEN "\\u0020\"", "\"" SIGNATURE "\""), "application/json");
    arena_done(&arena);
    arena_init(&arena, 64, 8);
    expect(&request, VERIFY_UNAVAILABLE);
}

/* A token of `len` bytes, of which the first `escaped` are written as \u0041. */
static enum verify_result check_long_token(size_t len, size_t escaped)
{
    char *message = calloc(1, strlen(TIME) + len + 1), *token = message + strlen(TIME);
    char *body = malloc(6 * len + 256), *at = body;
    size_t secret;
    cr_assert(message && body);
    memcpy(message, TIME, strlen(TIME));
    memset(token, 'A', len);
    at += sprintf(at, "{\"signature\":{\"token\":\"");
    for (size_t i = 0; i < escaped; i++)
        at += sprintf(at, "\\u0041");
    at += sprintf(
        at, "%s\",\"timestamp\":\"" TIME "\",\"signature\":\"%s\"}}", token + escaped,
        signature_of("%s", EVP_sha256(), VERIFY_HEX, SLICE("mailgun-signing-key"), message));
    struct signed_request request = mailgun(body, "application/json");
    enum verify_result result = check_once(&request, &secret);
    free(body);
    free(message);
    return result;
}

/* Nobody has signed it yet: what would not fit the arena must not look like our own want of memory
 * (503, and a metric that tells of a sick machine). */
Test(verify_body, mailgun_a_token_that_is_too_long_is_the_senders_fault)
{
    const size_t escaped[] = {0, 1, KEY_MAX_VALUE_BYTES - 1};
    for (size_t i = 0; i < COUNT_OF(escaped); i++) {
        cr_assert_eq(check_long_token(KEY_MAX_VALUE_BYTES - 1, escaped[i]), VERIFY_OK);
        cr_assert_eq(check_long_token(KEY_MAX_VALUE_BYTES, escaped[i]), VERIFY_OK);
        cr_assert_eq(check_long_token(KEY_MAX_VALUE_BYTES + 1, escaped[i]), VERIFY_MALFORMED);
    }
    cr_assert_eq(check_long_token(KEY_MAX_VALUE_BYTES, KEY_MAX_VALUE_BYTES), VERIFY_OK);
    cr_assert_eq(check_long_token(600u * 1024, 1), VERIFY_MALFORMED);
}

/* ---- Linear ---- */

static void expect_linear(const char *body, enum verify_result expected)
{
    struct signed_request request = {
        .scheme = VERIFY_LINEAR,
        .secrets = {TEXT("SECRET")},
        .tolerance_ms = TOLERANCE_MS,
        .body = slice_str(body),
        .now_ms = TOLD_MS,
    };
    add_header(&request, "Linear-Signature",
               signature_of("%s", EVP_sha256(), VERIFY_HEX, SLICE("SECRET"), body));
    expect(&request, expected);
    request.tolerance_ms = 0; /* the body isn't even read */
    expect(&request, VERIFY_OK);
}

Test(verify_body, linears_time_in_the_body)
{
    expect_linear("{\"webhookTimestamp\":1677611643000}", VERIFY_OK);
    expect_linear("{\"a\":{\"webhookTimestamp\":1},\"webhookTimestamp\":1677611643000}", VERIFY_OK);
    expect_linear("{\"webhookTimestamp\":1677611943000}", VERIFY_OK);
    expect_linear("{\"webhookTimestamp\":1677611943001}", VERIFY_TOO_NEW);
    expect_linear("{\"webhookTimestamp\":1677611343000}", VERIFY_OK);
    expect_linear("{\"webhookTimestamp\":1677611342999}", VERIFY_TOO_OLD);
    expect_linear("{\"webhookTimestamp\":1677611643}", VERIFY_TOO_OLD);
    expect_linear("{\"webhookTimestamp\":123456789012345}", VERIFY_TOO_NEW);
    expect_linear("{\"webhookTimestamp\":0}", VERIFY_TOO_OLD);
}

Test(verify_body, linears_time_that_is_none)
{
    expect_linear("{\"a\":1}", VERIFY_MISSING);
    expect_linear("{\"webhookTimestamp\":null}", VERIFY_MISSING);
    expect_linear("{\"webhookTimestamp\":\"1677611643000\"}", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":1677611643000.5}", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":16e11}", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":-1}", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":1234567890123456}", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":[1677611643000]}", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":1677611643000", VERIFY_MALFORMED);
    expect_linear("", VERIFY_MALFORMED);
    expect_linear("{\"webhookTimestamp\":1,\"webhookTimestamp\":1677611643000}", VERIFY_REPEATED);
}
