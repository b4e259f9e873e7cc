/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/base64: RFC 4648's own vectors, every length there and back beside OpenSSL's
 * encoder, and every kind of text that no encoder writes. */
#include "base64.h"

#include "samples.h"

#include <openssl/evp.h>

static bool decodes(const char *text, size_t room, size_t *ret_len)
{
    uint8_t bytes[600];
    *ret_len = 999;
    return base64_decode(slice_str(text), room, bytes, ret_len);
}

/* RFC 4648 section 10. */
Test(base64, published_vectors)
{
    static const struct {
        struct slice bytes;
        const char *text;
    } vectors[] = {{TEXT(""), ""},
                   {TEXT("f"), "Zg=="},
                   {TEXT("fo"), "Zm8="},
                   {TEXT("foo"), "Zm9v"},
                   {TEXT("foob"), "Zm9vYg=="},
                   {TEXT("fooba"), "Zm9vYmE="},
                   {TEXT("foobar"), "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char text[16] = "###############";
        uint8_t bytes[8];
        size_t len = 0;
        base64_encode(vectors[i].bytes, text);
        cr_assert_eq(memcmp(text, vectors[i].text, strlen(vectors[i].text)), 0);
        cr_assert_eq(text[BASE64_LEN(vectors[i].bytes.len)], '#', "no NUL, nothing behind");
        cr_assert(base64_decode(slice_str(vectors[i].text), vectors[i].bytes.len, bytes, &len));
        cr_assert(slice_eq(slice_of(bytes, len), vectors[i].bytes));
    }
}

Test(base64, all_lengths_and_all_bytes_there_and_back)
{
    uint8_t bytes[300], again[300];
    unsigned char expected[500];
    char text[500];
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t got = 0;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i * 197 + len);
        base64_encode(slice_of(bytes, len), text);
        EVP_EncodeBlock(expected, bytes, (int)len);
        cr_assert_eq(memcmp(text, expected, BASE64_LEN(len)), 0);
        cr_assert(base64_decode(slice_of(text, BASE64_LEN(len)), len, again, &got));
        cr_assert(slice_eq(slice_of(again, got), slice_of(bytes, len)));
        if (len > 0)
            cr_assert_not(base64_decode(slice_of(text, BASE64_LEN(len)), len - 1, again, &got));
    }
}

Test(base64, each_byte_as_a_character)
{
    for (int c = 0; c < 256; c++) {
        char text[4] = {(char)c, 'A', 'A', 'A'};
        uint8_t bytes[3];
        size_t len = 0;
        bool is_character = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                            (c >= '0' && c <= '9') || c == '+' || c == '/';
        cr_assert_eq(base64_decode(slice_of(text, 4), 3, bytes, &len), is_character, "%d", c);
    }
}

Test(base64, what_no_encoder_writes)
{
    static const char *const wrong[] = {
        "Z",        "Zg",       "Zg=",      "Zg===",     "=",    "==",         "===",      "====",
        "Zg==Zg==", "Z===",     "Zh==",     "Zm9=",      "Zm8",  "Zm9v\n",     " Zm9v",    "Zm 9v",
        "Zm9v====", "Zm9vZm-_", "Zm9v=m9v", "Zm9vYg==A", "A===", "Zm9vYg==\n", "Zm9v,AAA",
    };
    size_t len;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        cr_assert_not(decodes(wrong[i], 600, &len), "%s", wrong[i]);
        cr_assert_eq(len, 999, "untouched");
    }
}

Test(base64, the_room_at_and_below)
{
    size_t len;
    cr_assert(decodes("Zm9vYg==", 4, &len));
    cr_assert_eq(len, 4);
    cr_assert_not(decodes("Zm9vYg==", 3, &len));
    cr_assert(decodes("", 0, &len));
    cr_assert_eq(len, 0);
    cr_assert_not(decodes("Zg==", 0, &len));
}
