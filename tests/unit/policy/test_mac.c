/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/mac: the vectors of RFC 2202 and RFC 4231, cuts into parts, one context
 * again and again, copies, and comparison. */
#include "mac.h"

#include "samples.h"

struct vector {
    struct slice key, message;
    const char *sha1, *sha256, *sha512;
};

#define TEN(byte) byte byte byte byte byte byte byte byte byte byte
#define AA10 "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
#define AA60 AA10 AA10 AA10 AA10 AA10 AA10
#define AA131 AA60 AA60 AA10 "\xaa"

/* RFC 4231 4.2, 4.3 and 4.7; SHA-1 of the second by RFC 2202 3. */
static const struct vector vectors[] = {
    {TEXT(TEN("\x0b\x0b")), TEXT("Hi There"), NULL,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {TEXT("Jefe"), TEXT("what do ya want for nothing?"), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {TEXT(AA131), TEXT("Test Using Larger Than Block-Size Key - Hash Key First"), NULL,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
     "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
};

static struct mac *open_mac(enum mac_digest digest, struct slice key)
{
    struct mac *mac = NULL;
    cr_assert_eq(mac_open(digest, key, &mac), STATUS_OK);
    return mac;
}

static void expect_hex(struct mac *mac, const struct slice *parts, size_t count, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[MAC_MAX_BYTES];
    cr_assert_eq(mac_of(mac, parts, count, bytes), STATUS_OK);
    for (size_t i = 0; i < strlen(hex) / 2; i++) {
        cr_assert_eq(digits[bytes[i] >> 4], hex[2 * i]);
        cr_assert_eq(digits[bytes[i] & 15], hex[2 * i + 1]);
    }
}

static void expect_vector(enum mac_digest digest, const struct vector *vector, const char *hex)
{
    struct mac *mac = open_mac(digest, vector->key);
    cr_assert_eq(mac_bytes(digest), strlen(hex) / 2);
    for (size_t cut = 0; cut <= vector->message.len; cut++) {
        const struct slice parts[] = {
            slice_of(vector->message.data, cut), {0}, slice_skip(vector->message, cut)};
        expect_hex(mac, parts, 3, hex);
    }
    mac_close(mac);
}

Test(mac, published_vectors_whole_and_in_parts)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        if (vectors[i].sha1)
            expect_vector(MAC_SHA1, &vectors[i], vectors[i].sha1);
        expect_vector(MAC_SHA256, &vectors[i], vectors[i].sha256);
        expect_vector(MAC_SHA512, &vectors[i], vectors[i].sha512);
    }
}

Test(mac, a_copy_outlives_the_first)
{
    struct mac *mac = open_mac(MAC_SHA256, vectors[1].key), *copy = NULL;
    cr_assert_eq(mac_copy(mac, &copy), STATUS_OK);
    expect_hex(mac, &vectors[1].message, 1, vectors[1].sha256);
    mac_close(mac);
    expect_hex(copy, &vectors[1].message, 1, vectors[1].sha256);
    expect_hex(copy, &vectors[1].message, 1, vectors[1].sha256);
    mac_close(copy);
}

Test(mac, nothing_is_a_message_but_no_key)
{
    struct mac *mac = NULL;
    cr_assert_eq(mac_open(MAC_SHA256, (struct slice){0}, &mac), STATUS_INVALID);
    cr_assert_null(mac);
    mac_close(NULL);
    mac = open_mac(MAC_SHA256, SLICE("key"));
    /* hmac.new(b"key", b"", "sha256").hexdigest() */
    expect_hex(mac, NULL, 0, "5d5d139563c95b5967b9bd9a8c9b233a9dedb45072794cd232dc1b74832607d0");
    mac_close(mac);
}

Test(mac, equal_and_not)
{
    uint8_t a[MAC_MAX_BYTES] = {0}, b[MAC_MAX_BYTES] = {0};
    cr_assert(mac_equal(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] = (uint8_t)(1 << bit % 8);
        cr_assert_not(mac_equal(a, b, sizeof a));
        cr_assert(mac_equal(a, b, bit / 8));
        b[bit / 8] = 0;
    }
}
