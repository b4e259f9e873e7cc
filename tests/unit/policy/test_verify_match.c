/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_match: decoding, and the list of candidates at its bounds. Comparing
 * is tested with every scheme in test_verify_vectors.c. */
#include "verify_match.h"

#include "samples.h"

Test(verify_match, hexadecimal)
{
    static const struct {
        const char *text;
        bool decodes;
        struct slice bytes;
    } cases[] = {
        {"", true, TEXT("")},       {"00", true, TEXT("\0")},
        {"fF", true, TEXT("\xff")}, {"0aB1", true, TEXT("\x0a\xb1")},
        {"0", false, TEXT("")},     {"0g", false, TEXT("")},
        {"g0", false, TEXT("")},    {"0x", false, TEXT("")},
        {" 0", false, TEXT("")},    {"00\n", false, TEXT("")},
        {"00112", false, TEXT("")}, {"0:", false, TEXT("")},
        {"0/", false, TEXT("")},    {"0@", false, TEXT("")},
        {"0`", false, TEXT("")},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[8];
        size_t len = 77;
        struct slice text = slice_str(cases[i].text);
        cr_assert_eq(verify_decode(VERIFY_HEX, text, 8, bytes, &len), cases[i].decodes, "%s",
                     cases[i].text);
        if (cases[i].decodes)
            cr_assert(slice_eq(slice_of(bytes, len), cases[i].bytes));
    }
}

Test(verify_match, the_room_at_and_below)
{
    uint8_t bytes[2];
    size_t len;
    cr_assert(verify_decode(VERIFY_HEX, SLICE("0011"), 2, bytes, &len));
    cr_assert_not(verify_decode(VERIFY_HEX, SLICE("001122"), 2, bytes, &len));
    cr_assert(verify_decode(VERIFY_BASE64, SLICE("AAA="), 2, bytes, &len));
    cr_assert_not(verify_decode(VERIFY_BASE64, SLICE("AAAA"), 2, bytes, &len));
}

Test(verify_match, candidates)
{
    struct verify_candidates candidates = {.bytes = 2};
    cr_assert_eq(verify_offered(&candidates), VERIFY_MISSING);
    verify_offer(&candidates, VERIFY_HEX, SLICE("00"));
    verify_offer(&candidates, VERIFY_HEX, SLICE("001122"));
    verify_offer(&candidates, VERIFY_HEX, SLICE("wxyz"));
    cr_assert_eq(candidates.count, 0);
    cr_assert_eq(verify_offered(&candidates), VERIFY_MALFORMED);
    for (size_t i = 0; i < VERIFY_MAX_CANDIDATES + 2; i++)
        verify_offer(&candidates, VERIFY_HEX,
                     i < VERIFY_MAX_CANDIDATES ? SLICE("abcd") : SLICE("0"));
    cr_assert_eq(candidates.count, VERIFY_MAX_CANDIDATES);
    cr_assert_eq(verify_offered(&candidates), VERIFY_OK);
}

Test(verify_match, digests_have_the_same_names)
{
    cr_assert_eq(mac_bytes(verify_mac_digest(VERIFY_SHA256)), 32);
    cr_assert_eq(mac_bytes(verify_mac_digest(VERIFY_SHA1)), 20);
    cr_assert_eq(mac_bytes(verify_mac_digest(VERIFY_SHA512)), 64);
}
