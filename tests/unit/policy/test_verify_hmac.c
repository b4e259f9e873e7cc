/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_hmac: lists of signatures, time stamps in lists and headers,
 * prefixes, lengths, parts that are missing. What all senders share is in test_verify_vectors.c. */
#include "signed_request.h"

#define SECRET TEXT("a secret")
#define NOW_S "1700000000"
#define NOW_MS 1700000000000u
#define URL "http://h.example/t"
#define OTHER_HEX "0000000000000000000000000000000000000000000000000000000000000000"

TestSuite(verify_hmac, .init = open_arena, .fini = close_arena);

static const char *hex_of(const char *format, const char *message)
{
    return signature_of(format, EVP_sha256(), VERIFY_HEX, SLICE("a secret"), message);
}

static struct signed_request with_header(enum verify_scheme scheme, const char *name,
                                         const char *value)
{
    struct signed_request request = {
        .scheme = scheme,
        .secrets = {SECRET},
        .tolerance_ms = TOLERANCE_MS,
        .body = TEXT("{}"),
        .now_ms = NOW_MS,
    };
    add_header(&request, name, value);
    return request;
}

static void expect_stripe(const char *value, enum verify_result expected)
{
    struct signed_request request = with_header(VERIFY_STRIPE, "Stripe-Signature", value);
    expect(&request, expected);
}

/* ---- lists ---- */

Test(verify_hmac, a_list_with_the_right_one_anywhere)
{
    const char *message = NOW_S ".{}";
    expect_stripe(hex_of("t=" NOW_S ",v1=%s", message), VERIFY_OK);
    expect_stripe(hex_of("t=" NOW_S ",v1=" OTHER_HEX ",v1=%s", message), VERIFY_OK);
    expect_stripe(hex_of("t=" NOW_S ",v1=%s,v1=" OTHER_HEX ",v0=" OTHER_HEX, message), VERIFY_OK);
    expect_stripe(hex_of("v1=%s,t=" NOW_S, message), VERIFY_OK);
    expect_stripe(hex_of("t=" NOW_S ", v1=%s", message), VERIFY_OK);
    expect_stripe(hex_of(",,t=" NOW_S ",,v1=%s,", message), VERIFY_OK);
    expect_stripe(hex_of("t=" NOW_S ",v1=dummy,v1=,v1=%s", message), VERIFY_OK);
    expect_stripe("t=" NOW_S ",v1=" OTHER_HEX, VERIFY_MISMATCH);
}

Test(verify_hmac, a_list_without_one)
{
    const char *message = NOW_S ".{}";
    expect_stripe("t=" NOW_S, VERIFY_MISSING);
    expect_stripe(",", VERIFY_MISSING);
    expect_stripe(hex_of("t=" NOW_S ",v0=%s", message), VERIFY_MISSING);
    expect_stripe(hex_of("t=" NOW_S ",V1=%s", message), VERIFY_MISSING);
    expect_stripe(hex_of("t=" NOW_S ";v1=%s", message), VERIFY_MISSING);
    expect_stripe("t=" NOW_S ",v1=", VERIFY_MALFORMED);
    expect_stripe("t=" NOW_S ",v1=abc", VERIFY_MALFORMED);
    expect_stripe("t=" NOW_S ",v1=" OTHER_HEX "00", VERIFY_MALFORMED);
}

/* PaddleHQ/paddle-python-sdk, tests/Unit/Notification/test_Verifier.py: a dummy in front, and two
 * secrets that don't fit. */
Test(verify_hmac, paddles_published_list_and_secrets)
{
    struct signed_request request = {
        .scheme = VERIFY_PADDLE,
        .secrets = {TEXT("pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_TjIG2BXbm83HPXqNfziwe506sBEdqL/4"),
                    TEXT("pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_vB/yIOnTOCWIvpBadM5jzBZPHc7OmdSo"),
                    TEXT("pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh")},
        .body = TEXT("hello-world"),
        .headers = {{"Paddle-Signature", TEXT("ts=1696195954;h1=dummy;h1=d96299976a6eb066f484d7fde"
                                              "011ac56fc32b38fc9940bc419d6e537fdc6ef02")}},
    };
    size_t secret;
    cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
    cr_assert_eq(secret, 2);
}

/* `others` wrong signatures and then the right one. */
static void expect_after(size_t others, enum verify_result expected)
{
    char value[4096] = "t=" NOW_S;
    for (size_t i = 0; i < others; i++)
        strcat(value, ",v1=" OTHER_HEX);
    strcat(value, hex_of(",v1=%s", NOW_S ".{}"));
    expect_stripe(value, expected);
}

Test(verify_hmac, candidates_at_below_and_above_their_bound)
{
    expect_after(VERIFY_MAX_CANDIDATES - 2, VERIFY_OK);
    expect_after(VERIFY_MAX_CANDIDATES - 1, VERIFY_OK);
    expect_after(VERIFY_MAX_CANDIDATES, VERIFY_MISMATCH);
    expect_after(VERIFY_MAX_CANDIDATES + 20, VERIFY_MISMATCH);
}

/* ---- one signature ---- */

static void expect_github(const char *value, enum verify_result expected)
{
    struct signed_request request = with_header(VERIFY_GITHUB, "X-Hub-Signature-256", value);
    expect(&request, expected);
}

Test(verify_hmac, one_signature_and_nothing_else)
{
    expect_github(hex_of("sha256=%s", "{}"), VERIFY_OK);
    expect_github(hex_of("%s", "{}"), VERIFY_MALFORMED);
    expect_github(hex_of("SHA256=%s", "{}"), VERIFY_MALFORMED);
    expect_github(hex_of("sha1=%s", "{}"), VERIFY_MALFORMED);
    expect_github(hex_of("sha256= %s", "{}"), VERIFY_MALFORMED);
    expect_github(hex_of("sha256=%s ", "{}"), VERIFY_MALFORMED);
    expect_github(hex_of("sha256=%s00", "{}"), VERIFY_MALFORMED);
    expect_github(hex_of("sha256=%s,sha256=" OTHER_HEX, "{}"), VERIFY_MALFORMED);
    expect_github("sha256=", VERIFY_MALFORMED);
    expect_github("sha256=ab", VERIFY_MALFORMED);
    expect_github("sha256=abc", VERIFY_MALFORMED);
    expect_github("sha256=" OTHER_HEX, VERIFY_MISMATCH);
}

Test(verify_hmac, the_old_sha1_header_does_not_count)
{
    const char *sha1 = signature_of("sha1=%s", EVP_sha1(), VERIFY_HEX, SLICE("a secret"), "{}");
    struct signed_request request = with_header(VERIFY_GITHUB, "X-Hub-Signature", sha1);
    expect(&request, VERIFY_MISSING);
    request.scheme = VERIFY_INTERCOM;
    expect(&request, VERIFY_OK);
}

/* ---- time stamps ---- */

Test(verify_hmac, a_time_in_the_list_that_is_none)
{
    expect_stripe(hex_of("v1=%s", ".{}"), VERIFY_MISSING);
    expect_stripe(hex_of("t=,v1=%s", ".{}"), VERIFY_MISSING);
    expect_stripe(hex_of("t=" NOW_S ",t=" NOW_S ",v1=%s", NOW_S ".{}"), VERIFY_REPEATED);
    expect_stripe(hex_of("t=,t=" NOW_S ",v1=%s", NOW_S ".{}"), VERIFY_REPEATED);
}

static void expect_time(const char *time, enum verify_result expected)
{
    char message[100], format[100];
    snprintf(message, sizeof message, "%s.{}", time);
    snprintf(format, sizeof format, "t=%s,v1=%%s", time);
    struct signed_request request =
        with_header(VERIFY_STRIPE, "Stripe-Signature", hex_of(format, message));
    request.tolerance_ms = 0;
    expect(&request, expected);
}

Test(verify_hmac, time_stamps_are_digits_even_where_the_age_does_not_matter)
{
    expect_time("0", VERIFY_OK);
    expect_time("999999999999", VERIFY_OK);
    expect_time("1700000000123", VERIFY_OK);
    expect_time("17000000001234", VERIFY_MALFORMED);
    expect_time("-1", VERIFY_MALFORMED);
    expect_time("+1700000000", VERIFY_MALFORMED);
    expect_time("17e8", VERIFY_MALFORMED);
    expect_time("0x65", VERIFY_MALFORMED);
    expect_time("1700000000.5", VERIFY_MALFORMED);
    expect_time("17000 00000", VERIFY_MALFORMED);
    expect_time("now", VERIFY_MALFORMED);
}

Test(verify_hmac, thirteen_digits_are_milliseconds)
{
    const char *value = hex_of("t=1700000000500,v1=%s", "1700000000500.{}");
    struct signed_request request = with_header(VERIFY_STRIPE, "Stripe-Signature", value);
    request.now_ms = 1700000000500 + TOLERANCE_MS;
    expect(&request, VERIFY_OK);
    request.now_ms++;
    expect(&request, VERIFY_TOO_OLD);
}

Test(verify_hmac, a_scheme_without_time_knows_no_age)
{
    struct signed_request request =
        with_header(VERIFY_GITHUB, "X-Hub-Signature-256", hex_of("sha256=%s", "{}"));
    request.now_ms = 0;
    expect(&request, VERIFY_OK);
    request.now_ms = UINT64_MAX;
    expect(&request, VERIFY_OK);
}

/* ---- the generic scheme ---- */

static struct signed_request generic(const char *message)
{
    struct signed_request request =
        with_header(VERIFY_HMAC, "X-Sig", hex_of("x1=" OTHER_HEX "|x1=%s", message));
    request.hmac = (struct verify_hmac){
        .header = TEXT("x-sig"),
        .prefix = TEXT("x1="),
        .separator = '|',
        .parts = {{.kind = VERIFY_PART_HEADER, .text = TEXT("X-Event")},
                  {.kind = VERIFY_PART_TEXT, .text = TEXT("/")},
                  {.kind = VERIFY_PART_BODY}},
        .part_count = 3,
    };
    return request;
}

Test(verify_hmac, a_signed_header_has_to_be_there_once)
{
    struct signed_request request = generic("evt_1/{}");
    expect(&request, VERIFY_MISSING);
    add_header(&request, "X-Event", "evt_1");
    expect(&request, VERIFY_OK);
    set_header(&request, "X-Event", "evt_2");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "X-Event", "");
    expect(&request, VERIFY_MISSING);
    set_header(&request, "X-Event", "evt_1");
    add_header(&request, "x-event", "evt_1");
    expect(&request, VERIFY_REPEATED);
}

Test(verify_hmac, all_elements_of_a_list_without_a_prefix)
{
    struct signed_request request = generic("evt_1/{}");
    add_header(&request, "X-Event", "evt_1");
    request.hmac.prefix = (struct slice){0};
    set_header(&request, "X-Sig", hex_of(OTHER_HEX "|%s", "evt_1/{}"));
    expect(&request, VERIFY_OK);
}

Test(verify_hmac, eight_parts_of_two_pieces_each)
{
    struct signed_request request = generic("");
    request.public_url = SLICE("http://h.example");
    request.target = SLICE("/t");
    for (size_t i = 0; i < VERIFY_MAX_PARTS - 1; i++)
        request.hmac.parts[i] = (struct verify_part){.kind = VERIFY_PART_URL};
    request.hmac.parts[VERIFY_MAX_PARTS - 1] = (struct verify_part){.kind = VERIFY_PART_BODY};
    request.hmac.part_count = VERIFY_MAX_PARTS;
    set_header(&request, "X-Sig", hex_of("x1=%s", URL URL URL URL URL URL URL "{}"));
    expect(&request, VERIFY_OK);
}

/* ---- a time that nothing separates from what is beside it ---- */

static struct signed_request bare_time(const char *time, const char *body, const char *message)
{
    struct signed_request request = with_header(VERIFY_HMAC, "X-Sig", hex_of("%s", message));
    request.hmac = (struct verify_hmac){
        .header = TEXT("X-Sig"),
        .time_header = TEXT("X-Time"),
        .parts = {{.kind = VERIFY_PART_TIME}, {.kind = VERIFY_PART_BODY}},
        .part_count = 2,
    };
    request.body = slice_str(body);
    add_header(&request, "X-Time", time);
    return request;
}

/* Seconds and the first three digits of a body read as milliseconds, and back: both are now. */
Test(verify_hmac, digits_do_not_move_between_time_and_body)
{
    struct signed_request request = bare_time(NOW_S, "{}", NOW_S "{}");
    expect(&request, VERIFY_OK);
    request = bare_time(NOW_S "123", "{}", NOW_S "123{}");
    expect(&request, VERIFY_OK);
    request = bare_time(NOW_S, "123{}", NOW_S "123{}");
    expect(&request, VERIFY_MALFORMED);
    request = bare_time(NOW_S, "123", NOW_S "123");
    expect(&request, VERIFY_MALFORMED);
    request = bare_time(NOW_S "123", "", NOW_S "123");
    expect(&request, VERIFY_OK);
    request = bare_time(NOW_S, "12{}", NOW_S "12{}");
    expect(&request, VERIFY_OK);
    request = bare_time(NOW_S "123", "4{}", NOW_S "1234{}");
    expect(&request, VERIFY_OK);
}

/* Nor where the age is not looked at. */
Test(verify_hmac, a_time_beside_a_body_has_ten_digits_or_thirteen)
{
    static const char *const times[] = {"170000000", NOW_S "1", NOW_S "12"};
    static const char *const bodies[] = {"012{}", "2{}", "{}"};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct signed_request request = bare_time(times[i], bodies[i], NOW_S "12{}");
        request.tolerance_ms = 0;
        expect(&request, VERIFY_MALFORMED);
    }
}

/* What is empty separates nothing; a text does; and the time may be signed as its header. */
Test(verify_hmac, what_follows_a_time_may_lie_behind_an_empty_part)
{
    struct signed_request request = bare_time(NOW_S, "123{}", NOW_S "123{}");
    request.hmac.parts[0] =
        (struct verify_part){.kind = VERIFY_PART_HEADER, .text = TEXT("x-time")};
    request.hmac.parts[1] = (struct verify_part){.kind = VERIFY_PART_METHOD};
    request.hmac.parts[2] = (struct verify_part){.kind = VERIFY_PART_BODY};
    request.hmac.part_count = 3;
    expect(&request, VERIFY_MALFORMED);
    request.method = SLICE("1");
    request.body = SLICE("23{}");
    expect(&request, VERIFY_MALFORMED);
    request.hmac.parts[1] = (struct verify_part){.kind = VERIFY_PART_TEXT, .text = TEXT(".")};
    set_header(&request, "X-Sig", hex_of("%s", NOW_S ".23{}"));
    expect(&request, VERIFY_OK);
}
