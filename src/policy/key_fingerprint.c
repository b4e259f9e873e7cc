/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key and a fingerprint to one key. No key of key_make is made of the same octets: those begin
 * with their version and the length of a route's name.
 */
#include <postern/policy/key_fingerprint.h>

#include <string.h>

#define VERSION SLICE("1fingerprint")

enum status key_add_fingerprint(struct digester *digester, const struct fingerprint *fingerprint,
                                struct event_key *key)
{
    uint8_t digest[SHA256_BYTES];
    enum status status = digest_begin(digester);
    if (status == STATUS_OK)
        status = digest_add(digester, VERSION);
    if (status == STATUS_OK)
        status = digest_add(digester, slice_of(key->digest, sizeof key->digest));
    if (status == STATUS_OK)
        status = digest_add(digester, slice_of(fingerprint->bytes, sizeof fingerprint->bytes));
    if (status == STATUS_OK)
        status = digest_end(digester, digest);
    if (status == STATUS_OK)
        memcpy(key->digest, digest, sizeof key->digest);
    return status;
}
