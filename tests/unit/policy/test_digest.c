/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/digest: known vectors, pieces of every size, parts that can't run together.
 */
#include <postern/policy/digest.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define HEX_LEN (2 * SHA256_BYTES)

static struct digester *digester;

static void open_digester(void)
{
    cr_assert_eq(digester_open(&digester), STATUS_OK);
}

static void close_digester(void)
{
    digester_close(digester);
}

TestSuite(digest, .init = open_digester, .fini = close_digester);

static void end_as_hex(char ret_hex[static HEX_LEN + 1])
{
    uint8_t digest[SHA256_BYTES];
    cr_assert_eq(digest_end(digester, digest), STATUS_OK);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

static void expect_sha256(struct slice bytes, const char *hex)
{
    char got[HEX_LEN + 1];
    cr_assert_eq(digest_begin(digester), STATUS_OK);
    cr_assert_eq(digest_add(digester, bytes), STATUS_OK);
    end_as_hex(got);
    cr_assert_str_eq(got, hex);
}

/* FIPS 180-4 examples, and the digest of nothing. */
Test(digest, gives_the_known_vectors)
{
    expect_sha256((struct slice){0},
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sha256(SLICE("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sha256(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_sha256(
        SLICE("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklm"
              "nopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

Test(digest, gives_the_vector_of_a_million_letters)
{
    char *letters = malloc(1000000);
    cr_assert_not_null(letters);
    memset(letters, 'a', 1000000);
    expect_sha256(slice_of(letters, 1000000),
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

/* Pieces below, at and above what is gathered before OpenSSL sees it. */
Test(digest, does_not_depend_on_the_pieces)
{
    char text[1500];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7 % 251);
    uint8_t whole[SHA256_BYTES];
    cr_assert_eq(digest_sha256(digester, slice_of(text, sizeof text), whole), STATUS_OK);
    for (size_t size = 1; size <= 600; size++) {
        cr_assert_eq(digest_begin(digester), STATUS_OK);
        for (struct slice rest = slice_of(text, sizeof text); rest.len > 0;) {
            size_t len = rest.len < size ? rest.len : size;
            cr_assert_eq(digest_add(digester, slice_of(rest.data, len)), STATUS_OK);
            rest = slice_skip(rest, len);
        }
        uint8_t pieced[SHA256_BYTES];
        cr_assert_eq(digest_end(digester, pieced), STATUS_OK);
        cr_assert_arr_eq(pieced, whole, sizeof whole, "pieces of %zu", size);
    }
}

Test(digest, begin_forgets_what_was_begun)
{
    cr_assert_eq(digest_begin(digester), STATUS_OK);
    cr_assert_eq(digest_add(digester, SLICE("forgotten")), STATUS_OK);
    expect_sha256(SLICE("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(digest, a_part_is_its_length_and_its_bytes)
{
    char parted[HEX_LEN + 1];
    cr_assert_eq(digest_begin(digester), STATUS_OK);
    cr_assert_eq(digest_add_part(digester, SLICE("abc")), STATUS_OK);
    end_as_hex(parted);
    expect_sha256(SLICE("\0\0\0\0\0\0\0\003abc"), parted);
}

static void digest_two_parts(struct slice a, struct slice b,
                             uint8_t ret_digest[static SHA256_BYTES])
{
    cr_assert_eq(digest_begin(digester), STATUS_OK);
    cr_assert_eq(digest_add_part(digester, a), STATUS_OK);
    cr_assert_eq(digest_add_part(digester, b), STATUS_OK);
    cr_assert_eq(digest_end(digester, ret_digest), STATUS_OK);
}

Test(digest, every_cut_of_a_text_into_two_parts_differs)
{
    struct slice text = SLICE("\0\0\0\0\0\0\0\001abcdefgh\0\0\0\0\0\0\0\002");
    uint8_t digests[64][SHA256_BYTES];
    for (size_t cut = 0; cut <= text.len; cut++) {
        digest_two_parts(slice_of(text.data, cut), slice_skip(text, cut), digests[cut]);
        for (size_t i = 0; i < cut; i++)
            cr_assert_arr_neq(digests[i], digests[cut], SHA256_BYTES, "cuts %zu and %zu", i, cut);
    }
}

Test(digest, closing_nothing_is_fine)
{
    digester_close(NULL);
}
