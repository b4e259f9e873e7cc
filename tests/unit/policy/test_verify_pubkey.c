/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_pubkey: what is not in the mill of test_verify_vectors.c: digits that
 * would move between time and body, and signatures of wrong lengths. */
#include "verify_vectors.h"

#define DISCORD_SIGNATURE                                                                          \
    "1695961a47c91a1ec033b819b7e87e3dbc583dd0cee6d1fd0216f58ac87b6228"                             \
    "ae531ddbf91fb7bc28d7edf7f08604da16f54624f38a6bc0614e4dc13cd47f0f"

TestSuite(verify_pubkey, .init = open_arena, .fini = close_arena);

static struct signed_request vector_of(enum verify_scheme scheme)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        if (vectors[i].request.scheme == scheme)
            return request_of(&vectors[i]);
    cr_assert_fail("no vector");
    return (struct signed_request){0};
}

/* "1700000000" and "{…" are signed as "170000000" and "0{…" would be, and Discord's library takes
 * both. */
Test(verify_pubkey, digits_do_not_move_between_time_and_body)
{
    struct signed_request request = vector_of(VERIFY_DISCORD);
    request.tolerance_ms = 0;
    expect(&request, VERIFY_OK);
    set_header(&request, "X-Signature-Timestamp", "170000000");
    request.body = SLICE("0{\"type\":1}");
    expect(&request, VERIFY_MALFORMED);
    set_header(&request, "X-Signature-Timestamp", "1700000000{");
    request.body = SLICE("\"type\":1}");
    expect(&request, VERIFY_MALFORMED);
}

Test(verify_pubkey, signatures_of_wrong_lengths)
{
    struct signed_request request = vector_of(VERIFY_DISCORD);
    set_header(&request, "X-Signature-Ed25519", DISCORD_SIGNATURE "00");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "X-Signature-Ed25519", "00");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "X-Signature-Ed25519", DISCORD_SIGNATURE DISCORD_SIGNATURE);
    expect(&request, VERIFY_MALFORMED);
    set_header(&request, "X-Signature-Ed25519", "0x" DISCORD_SIGNATURE);
    expect(&request, VERIFY_MALFORMED);
}

/* The same two numbers, not as DER. */
Test(verify_pubkey, a_sendgrid_signature_that_is_no_der)
{
    struct signed_request request = vector_of(VERIFY_SENDGRID);
    set_header(
        &request, "X-Twilio-Email-Event-Webhook-Signature",
        "YdBW0aP5jcuQb18tzF/ep8jXRDKyANaYw5WbEbS7plTIGJcNbMz6457lbQm4b6W5ABs8ioeHz0zXlOW4u0Rm"
        "0w==");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "X-Twilio-Email-Event-Webhook-Signature", "MEUC");
    expect(&request, VERIFY_MISMATCH);
}
