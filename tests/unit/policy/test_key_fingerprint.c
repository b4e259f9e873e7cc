/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys with the body in them: the same of both is the same, anything else another.
 */
#include <criterion/criterion.h>
#include <postern/policy/key_fingerprint.h>

static struct event_key mixed(uint8_t key_byte, const char *body)
{
    struct digester *digester;
    struct fingerprint fingerprint;
    struct event_key key = {.digest = {key_byte}};
    cr_assert_eq(digester_open(&digester), STATUS_OK);
    cr_assert_eq(fingerprint_make(digester, slice_str(body), &fingerprint), STATUS_OK);
    cr_assert_eq(key_add_fingerprint(digester, &fingerprint, &key), STATUS_OK);
    digester_close(digester);
    return key;
}

static bool same(struct event_key one, struct event_key other)
{
    return memcmp(one.digest, other.digest, sizeof one.digest) == 0;
}

Test(key_fingerprint, the_same_of_both_is_the_same)
{
    cr_assert(same(mixed(7, "body"), mixed(7, "body")));
}

Test(key_fingerprint, another_body_or_key_is_another_event)
{
    cr_assert_not(same(mixed(7, "body"), mixed(7, "bodY")));
    cr_assert_not(same(mixed(7, "body"), mixed(8, "body")));
    cr_assert_not(same(mixed(7, ""), mixed(7, "body")));
}

Test(key_fingerprint, it_is_not_the_key_alone)
{
    cr_assert_not(same(mixed(7, ""), (struct event_key){.digest = {7}}));
}

/* Keys outlive a version of this program: python3 -c "import hashlib; f=hashlib.sha256(
 * b'body').digest()[:16]; print(hashlib.sha256(b'1fingerprint'+bytes([7]+[0]*15)+f).hexdigest())"
 */
Test(key_fingerprint, its_octets_stay)
{
    static const uint8_t want[EVENT_KEY_BYTES] = {0x4d, 0xeb, 0xe6, 0x40, 0xea, 0xa0, 0x74, 0x01,
                                                  0x34, 0x30, 0x82, 0xa7, 0x8e, 0xad, 0x07, 0x3a};
    cr_assert_arr_eq(mixed(7, "body").digest, want, sizeof want);
}
