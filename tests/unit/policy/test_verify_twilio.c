/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_twilio: the vectors of Twilio's own libraries (ports, credentials,
 * repeated fields, bodySHA256), then forms at their limits and forms that are none. */
#include "signed_request.h"

#define FORM                                                                                       \
    "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B"       \
    "14158675309"
#define FORM_TYPE "application/x-www-form-urlencoded"
#define BODY "{\"property\": \"value\", \"boolean\": true}"
#define BODY_SHA256 "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define MOST_FIELDS 512u
#define MOST_BYTES 65536u

TestSuite(verify_twilio, .init = open_arena, .fini = close_arena);

static struct signed_request with(const char *url, const char *target, const char *body,
                                  const char *signature)
{
    struct signed_request request = {
        .scheme = VERIFY_TWILIO,
        .secrets = {TEXT("12345")},
        .public_url = slice_str(url),
        .target = slice_str(target),
        .body = slice_str(body),
    };
    add_header(&request, "X-Twilio-Signature", signature);
    add_header(&request, "Content-Type", FORM_TYPE);
    return request;
}

static void expect_form(const char *url, const char *signature, enum verify_result expected)
{
    struct signed_request request = with(url, "/myapp.php?foo=1&bar=2", FORM, signature);
    expect(&request, expected);
}

static const char *sign(const char *message)
{
    return signature_of("%s", EVP_sha1(), VERIFY_BASE64, SLICE("12345"), message);
}

/* ---- published vectors ---- */

/* twilio/twilio-python, tests/unit/test_request_validator.py, and twilio/twilio-csharp,
 * RequestValidatorTest. */
Test(verify_twilio, the_libraries_ports)
{
    expect_form("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", VERIFY_OK);
    expect_form("https://mycompany.com:1234", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", VERIFY_OK);
    expect_form("https://mycompany.com:1234", "CYn1h0gLBdNxDGkKJg6hYohgeD8=", VERIFY_OK);
    expect_form("https://mycompany.com", "CYn1h0gLBdNxDGkKJg6hYohgeD8=", VERIFY_MISMATCH);
    expect_form("https://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w=", VERIFY_OK);
    expect_form("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4=", VERIFY_OK);
    expect_form("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", VERIFY_OK);
    expect_form("https://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", VERIFY_MISMATCH);
    expect_form("https://MyCompany.com", "g9IN/x4Cft2g517EjYvEvM/W7LU=", VERIFY_OK);
    expect_form("https://MyCompany.com:1234", "PCqOZm8cnu/L6+u5i5fuEd+Iac4=", VERIFY_OK);
    expect_form("http://MyCompany.com", "XY7AlKOKL6im4yWyX84gldUrtis=", VERIFY_OK);
    expect_form("http://username:password@MyCompany.com",
                "PJ08CxXr7KLPjEQCTc8LkUSMwSM=", VERIFY_OK);
    expect_form("http://Username:Password@MyCompany.com",
                "SkTSKyDJH9kUlhItI0slbgZ1UsI=", VERIFY_OK);
    expect_form("https://MyCompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", VERIFY_MISMATCH);
}

Test(verify_twilio, the_libraries_repeated_fields)
{
    const char *target = "/myapp.php?foo=1&bar=2", *signature = "IK+Dwps556ElfBT0I3Rgjkr1wJU=";
    struct signed_request request = with("https://mycompany.com", target,
                                         "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234",
                                         signature);
    expect(&request, VERIFY_OK);
    request.body = SLICE("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234");
    expect(&request, VERIFY_OK);
    request.body = SLICE("Sid=CA123&SidAccount=AC123&Digits=5678");
    expect(&request, VERIFY_MISMATCH);
}

Test(verify_twilio, the_libraries_bodies)
{
    struct signed_request request = with("https://mycompany.com",
                                         "/myapp.php?foo=1&bar=2&bodySHA256=" BODY_SHA256, BODY,
                                         "a9nBmqA0ju/hNViExpshrM61xv4=");
    expect(&request, VERIFY_OK);
    request.target = SLICE("/myapp.php?bodySHA256=" BODY_SHA256);
    set_header(&request, "X-Twilio-Signature", "y77kIzt2vzLz71DgmJGsen2scGs=");
    expect(&request, VERIFY_OK);
    request.target = SLICE("/myapp.php?foo=1&bar=2");
    set_header(&request, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    expect(&request, VERIFY_MISMATCH);
}

/* ---- other bodies ---- */

static void expect_body(const char *target, const char *body, const char *type,
                        enum verify_result expected)
{
    char url[300];
    snprintf(url, sizeof url, "https://mycompany.com%s", target);
    struct signed_request request = with("https://mycompany.com", target, body, sign(url));
    set_header(&request, "Content-Type", type);
    expect(&request, expected);
}

Test(verify_twilio, a_body_that_nothing_covers)
{
    expect_body("/x", BODY, "application/json", VERIFY_MISSING);
    expect_body("/x", BODY, "multipart/form-data; boundary=x", VERIFY_MISSING);
    expect_body("/x", BODY, "", VERIFY_MISSING);
    expect_body("/x?bodysha256=" BODY_SHA256, BODY, "application/json", VERIFY_MISSING);
    expect_body("/x", "", "application/json", VERIFY_OK);
    expect_body("/x?a=1", "", "", VERIFY_OK);
}

Test(verify_twilio, a_digest_in_the_url_that_is_not_the_bodys)
{
    expect_body("/x?bodySHA256=" BODY_SHA256, BODY, "application/json", VERIFY_OK);
    expect_body("/x?bodySHA256=" EMPTY_SHA256, "", "application/json", VERIFY_OK);
    expect_body("/x?bodySHA256=" BODY_SHA256, BODY " ", "application/json", VERIFY_MISMATCH);
    expect_body("/x?bodySHA256=" BODY_SHA256, "", FORM_TYPE, VERIFY_MISMATCH);
    expect_body("/x?bodySHA256=" BODY_SHA256, "a=b", FORM_TYPE, VERIFY_MISMATCH);
    expect_body("/x?bodySHA256=", BODY, "application/json", VERIFY_MISSING);
    expect_body("/x?bodySHA256=0a1f", BODY, "application/json", VERIFY_MALFORMED);
    expect_body("/x?bodySHA256=" BODY_SHA256 "00", BODY, "application/json", VERIFY_MALFORMED);
    expect_body("/x?bodySHA256=%zz", BODY, "application/json", VERIFY_MALFORMED);
    expect_body("/x?bodySHA256=" BODY_SHA256 "&bodySHA256=" EMPTY_SHA256, BODY, "application/json",
                VERIFY_REPEATED);
}

/* ---- forms ---- */

static void expect_fields(const char *body, const char *signed_fields, enum verify_result expected)
{
    char message[400];
    snprintf(message, sizeof message, "https://mycompany.com/x%s", signed_fields);
    struct signed_request request = with("https://mycompany.com", "/x", body, sign(message));
    expect(&request, expected);
}

Test(verify_twilio, fields_decoded_and_sorted)
{
    expect_fields("Body=Gr%C3%BC%c3%9fe+%26+a%2Bb&Empty=",
                  "BodyGr\xc3\xbc\xc3\x9f"
                  "e & a+bEmpty",
                  VERIFY_OK);
    expect_fields("b=2&a=1&c=3", "a1b2c3", VERIFY_OK);
    expect_fields("b=2&B=1&_=3", "B1_3b2", VERIFY_OK);
    expect_fields("aa=1&a=2", "a2aa1", VERIFY_OK);
    expect_fields("a=2&a=1&a=10", "a1a10a2", VERIFY_OK);
    expect_fields("b=2&a=1", "b2a1", VERIFY_MISMATCH);
    expect_fields("&&a=1&", "a1", VERIFY_OK);
    expect_fields("a", "a", VERIFY_OK);
    expect_fields("a==1=", "a=1=", VERIFY_OK);
    expect_fields("%61=1", "a1", VERIFY_OK);
    expect_fields("a%20b=%", "a b%", VERIFY_MALFORMED);
    expect_fields("a=%2", "a%2", VERIFY_MALFORMED);
    expect_fields("%g0=1", "%g01", VERIFY_MALFORMED);
}

Test(verify_twilio, content_types_of_forms)
{
    struct signed_request request =
        with("https://mycompany.com", "/x", "a=1", sign("https://mycompany.com/xa1"));
    set_header(&request, "Content-Type", "Application/X-WWW-Form-Urlencoded ; charset=UTF-8");
    expect(&request, VERIFY_OK);
    set_header(&request, "Content-Type", "application/x-www-form-urlencodedx");
    expect(&request, VERIFY_MISSING);
    set_header(&request, "Content-Type", FORM_TYPE);
    add_header(&request, "Content-Type", FORM_TYPE);
    expect(&request, VERIFY_MISSING);
}

/* `count` fields "a=1", which are one to Twilio's libraries. */
static void expect_count(size_t count, enum verify_result expected)
{
    char *body = malloc(4 * count);
    cr_assert_not_null(body);
    for (size_t i = 0; i < count; i++)
        memcpy(body + 4 * i, "a=1&", 4);
    struct signed_request request =
        with("https://mycompany.com", "/x", "", sign("https://mycompany.com/xa1"));
    request.body = slice_of(body, 4 * count - 1);
    expect(&request, expected);
    free(body);
}

Test(verify_twilio, fields_at_and_above_their_bound)
{
    expect_count(MOST_FIELDS - 1, VERIFY_OK);
    expect_count(MOST_FIELDS, VERIFY_OK);
    expect_count(MOST_FIELDS + 1, VERIFY_MALFORMED);
    expect_count(20000, VERIFY_MALFORMED);
}

/* One field of `len` bytes in all. */
static void expect_length(size_t len, enum verify_result expected)
{
    static char body[MOST_BYTES + 2], message[MOST_BYTES + 40];
    memset(body, 'b', len);
    memcpy(body, "a=", 2);
    body[len] = '\0';
    snprintf(message, sizeof message, "https://mycompany.com/xa%s", body + 2);
    struct signed_request request = with("https://mycompany.com", "/x", body, sign(message));
    expect(&request, expected);
}

Test(verify_twilio, bytes_at_and_above_their_bound)
{
    expect_length(MOST_BYTES - 1, VERIFY_OK);
    expect_length(MOST_BYTES, VERIFY_OK);
    expect_length(MOST_BYTES + 1, VERIFY_MALFORMED);
}

/* ---- the signature ---- */

Test(verify_twilio, signatures_that_are_none)
{
    expect_form("https://mycompany.com", "", VERIFY_MISSING);
    expect_form("https://mycompany.com", "FAIL", VERIFY_MALFORMED);
    expect_form("https://mycompany.com", "NOTRSOYDt4T1cUTdK1PDd93/VVr8B8=", VERIFY_MALFORMED);
    expect_form("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8", VERIFY_MALFORMED);
    expect_form("https://mycompany.com", "AAOYDt4T1cUTdK1PDd93/VVr8B8=", VERIFY_MISMATCH);
    struct signed_request request =
        with("https://mycompany.com", "/x", "", sign("https://mycompany.com/x"));
    expect(&request, VERIFY_OK);
    add_header(&request, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    expect(&request, VERIFY_REPEATED);
}

Test(verify_twilio, two_secrets_with_port_and_without)
{
    static const char *const urls[] = {"https://mycompany.com:443/x", "https://mycompany.com/x"};
    for (size_t i = 0; i < 2; i++) {
        struct signed_request request = with("https://mycompany.com", "/x", "", sign(urls[i]));
        size_t secret;
        request.secrets[1] = request.secrets[0];
        request.secrets[0] = SLICE("54321");
        cr_assert_eq(check_once(&request, &secret), VERIFY_OK);
        cr_assert_eq(secret, 1);
    }
}

Test(verify_twilio, addresses_in_brackets)
{
    static const char *const signatures[] = {"https://[2001:db8::1]:8443/x",
                                             "https://[2001:db8::1]/x"};
    for (size_t i = 0; i < 2; i++) {
        struct signed_request request =
            with("https://[2001:db8::1]:8443", "/x", "", sign(signatures[i]));
        expect(&request, VERIFY_OK);
    }
    struct signed_request request =
        with("https://[2001:db8::1]", "/x", "", sign("https://[2001:db8::1]:443/x"));
    expect(&request, VERIFY_OK);
}

Test(verify_twilio, an_arena_that_is_full)
{
    struct signed_request request =
        with("https://mycompany.com", "/x", "a=1", sign("https://mycompany.com/xa1"));
    bool passed = false;
    for (size_t room = 0; room < 400 && !passed; room += 8) {
        size_t secret;
        arena_done(&arena);
        arena_init(&arena, 64, room);
        enum verify_result result = check_once(&request, &secret);
        cr_assert(result == VERIFY_UNAVAILABLE || result == VERIFY_OK);
        passed = result == VERIFY_OK;
    }
    cr_assert(passed);
}
