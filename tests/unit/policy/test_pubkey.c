/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/pubkey: RFC 8032's vectors, a P-256 vector of SendGrid's library, every bit
 * of them, keys that are none, and OpenSSL's error queue left empty. */
#include "pubkey.h"

#include "base64.h"
#include "samples.h"
#include "verify_match.h"

#include <openssl/err.h>

#define SENDGRID_KEY                                                                               \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+" \
    "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="

static size_t bytes_of(enum verify_encoding encoding, const char *text,
                       uint8_t ret_bytes[static 256])
{
    size_t len = 0;
    cr_assert(verify_decode(encoding, slice_str(text), 256, ret_bytes, &len));
    return len;
}

static void expect_check(const struct pubkey *key, struct slice message, struct slice signature,
                         enum pubkey_result expected)
{
    for (size_t cut = 0; cut <= message.len; cut += 1 + message.len / 4) {
        const struct slice parts[] = {slice_of(message.data, cut), slice_skip(message, cut)};
        cr_assert_eq(pubkey_check(key, parts, 2, signature), expected);
        cr_assert_eq(ERR_peek_error(), 0);
    }
}

static void flip_signature(const struct pubkey *key, struct slice message, uint8_t *signature,
                           size_t len)
{
    expect_check(key, message, slice_of(signature, len), PUBKEY_FITS);
    for (size_t bit = 0; bit < 8 * len; bit += 3) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_check(key, message, slice_of(signature, len), PUBKEY_DIFFERS);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t shorter = 0; shorter < len; shorter++)
        expect_check(key, message, slice_of(signature, shorter), PUBKEY_DIFFERS);
}

/* RFC 8032 7.1, TEST 1 to 3. */
Test(pubkey, ed25519_published_vectors)
{
    static const struct {
        const char *key;
        struct slice message;
        const char *signature;
    } vectors[] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", TEXT(""),
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "c"
         "f9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", TEXT("\x72"),
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0"
         "f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", TEXT("\xaf\x82"),
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "8"
         "4dc6594a7c15e9716ed28dc027beceea1ec40a"},
    };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        uint8_t bytes[256], signature[256];
        struct pubkey *key = NULL;
        size_t len = bytes_of(VERIFY_HEX, vectors[i].key, bytes);
        cr_assert_eq(pubkey_open_ed25519(slice_of(bytes, len), &key), STATUS_OK);
        len = bytes_of(VERIFY_HEX, vectors[i].signature, signature);
        cr_assert_eq(len, PUBKEY_ED25519_SIGNATURE_BYTES);
        flip_signature(key, vectors[i].message, signature, len);
        expect_check(key, SLICE("another message"), slice_of(signature, len), PUBKEY_DIFFERS);
        pubkey_close(key);
    }
}

Test(pubkey, ed25519_keys_of_other_lengths)
{
    static const uint8_t bytes[64] = {1};
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct pubkey *key = NULL;
        if (len == PUBKEY_ED25519_BYTES)
            continue;
        cr_assert_eq(pubkey_open_ed25519(slice_of(bytes, len), &key), STATUS_INVALID);
        cr_assert_null(key);
    }
    pubkey_close(NULL);
}

/* sendgrid/sendgrid-python, test/unit/test_eventwebhook.py. */
Test(pubkey, p256_published_vector)
{
    const struct slice message = SLICE(
        "1600112502[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced "
        "Address\",\"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\","
        "\"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-"
        "5F5FC76C-9.0\",\"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\","
        "\"timestamp\":1600112492}]\r\n");
    uint8_t bytes[256], signature[256];
    struct pubkey *key = NULL;
    size_t len = bytes_of(VERIFY_BASE64, SENDGRID_KEY, bytes);
    cr_assert_eq(pubkey_open_p256(slice_of(bytes, len), &key), STATUS_OK);
    len = bytes_of(VERIFY_BASE64,
                   "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+"
                   "luQAbPIqHh89M15TluLtEZtM=",
                   signature);
    cr_assert_leq(len, PUBKEY_P256_SIGNATURE_MAX_BYTES);
    flip_signature(key, message, signature, len);
    pubkey_close(key);
}

static void expect_no_key(const char *text)
{
    uint8_t bytes[256];
    struct pubkey *key = NULL;
    size_t len = bytes_of(VERIFY_BASE64, text, bytes);
    cr_assert_eq(pubkey_open_p256(slice_of(bytes, len), &key), STATUS_INVALID, "%s", text);
    cr_assert_null(key);
    cr_assert_eq(ERR_peek_error(), 0);
}

Test(pubkey, p256_keys_that_are_none)
{
    expect_no_key("");
    expect_no_key("AAAA");
    /* Ed25519, P-384 and RSA: openssl genpkey … | openssl pkey -pubout -outform DER. */
    expect_no_key("MCowBQYDK2VwAyEAZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=");
    expect_no_key(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEALaKbDheFWS08D4QzF9cOJtRUYkkskbsJd6sA3DuGh1aIHjubKdhlEbXqZ"
        "jFhUIm11eXGzD2Iusar1M356ur3/sWgHF0/twGkov198Y27EHXnBh6nvQMQndP1Fk21uT6");
    expect_no_key(
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDJKvsAO+owXrlUZAVEsf/OZ9py/"
        "ryTPggVlTnYg1Sw5RcvDKUs7FDBcXeLOeY9+d/PrePJWp0RLxsSMunrt378OEsuWY9X7Fquo1RBZ5njD7lW2SsH/"
        "I08A+4wb3d/uhfHaBTZW2tYjQPv2mR3ARFEAWqs8Ln21hrXMAJjtIRnZwIDAQAB");
}

Test(pubkey, p256_keys_cut_continued_and_changed)
{
    uint8_t bytes[256];
    size_t len = bytes_of(VERIFY_BASE64, SENDGRID_KEY, bytes);
    for (size_t other = 0; other <= len + 1; other++) {
        struct pubkey *key = NULL;
        if (other != len)
            cr_assert_eq(pubkey_open_p256(slice_of(bytes, other), &key), STATUS_INVALID, "%zu",
                         other);
    }
    for (size_t bit = 0; bit < 8 * len; bit++) {
        struct pubkey *key = NULL;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(pubkey_open_p256(slice_of(bytes, len), &key), STATUS_INVALID, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* The same point, with its parity for its y: 59 bytes. */
Test(pubkey, a_compressed_point_is_a_key_and_a_hybrid_one_is_not)
{
    uint8_t bytes[256], compressed[59];
    struct pubkey *key = NULL;
    size_t len = bytes_of(VERIFY_BASE64, SENDGRID_KEY, bytes);
    memcpy(compressed, bytes, sizeof compressed);
    compressed[1] = 57;
    compressed[24] = 34;
    compressed[26] = 2; /* y is even */
    cr_assert_eq(pubkey_open_p256(slice_of(compressed, sizeof compressed), &key), STATUS_OK);
    pubkey_close(key);
    key = NULL;
    bytes[26] = 6;
    cr_assert_eq(pubkey_open_p256(slice_of(bytes, len), &key), STATUS_INVALID);
    static const uint8_t zeros[PUBKEY_P256_MAX_BYTES + 1];
    cr_assert_eq(pubkey_open_p256(slice_of(zeros, sizeof zeros), &key), STATUS_INVALID);
    cr_assert_null(key);
}
