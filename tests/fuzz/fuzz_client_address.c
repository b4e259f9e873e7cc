/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the client is (policy/client_address.h), from a peer and forwarding fields that anybody may
 * have written. Properties: a peer that isn't trusted is the client whatever the fields say; what
 * stands left of an untrusted client never changes it; addresses read what inet_pton reads and are
 * written so that they read the same.
 *
 * Input: a line with the peer, a line with one more trusted network, and lines of fields: 'x'
 * X-Forwarded-For, 'f' Forwarded, 'p' X-Forwarded-Proto, followed by the value.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <postern/policy/client_address.h>

#define LINES_MAX 48u

struct headers {
    struct slice lines[LINES_MAX]; /* with their letter */
    size_t count;
};

static bool get(const void *context, struct slice name, size_t i, struct slice *ret_value)
{
    const struct headers *headers = context;
    char letter = name.len == 9 ? 'f' : name.len == 15 ? 'x' : 'p'; /* by length: they differ */
    for (size_t k = 0; k < headers->count; k++)
        if (headers->lines[k].data[0] == letter && i-- == 0) {
            *ret_value = slice_skip(headers->lines[k], 1);
            return true;
        }
    return false;
}

static bool same_ip(const struct ip *one, const struct ip *other)
{
    return memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

static void try_ip(struct slice text)
{
    struct ip ip;
    struct ip again;
    char copy[CLIENT_TEXT_SIZE + 1] = {0};
    char written[CLIENT_TEXT_SIZE];
    uint8_t bytes[16];
    bool short_enough = text.len < CLIENT_TEXT_SIZE;
    memcpy(copy, text.data, short_enough ? text.len : 0);
    bool readable = short_enough && strlen(copy) == text.len &&
                    (inet_pton(AF_INET, copy, bytes) == 1 || inet_pton(AF_INET6, copy, bytes) == 1);
    FUZZ_CHECK((ip_parse(text, &ip) == STATUS_OK) == readable);
    if (!readable)
        return;
    size_t len = ip_format(&ip, written);
    FUZZ_CHECK(len > 0 && len < sizeof written);
    FUZZ_CHECK(ip_parse(slice_of(written, len), &again) == STATUS_OK && same_ip(&ip, &again));
}

static void try_network(struct slice text)
{
    struct network network;
    if (network_parse(text, &network) != STATUS_OK)
        return;
    FUZZ_CHECK(network.bits <= 128 && networks_hold(&network, 1, &network.ip));
    struct ip other = network.ip;
    if (network.bits > 0) {
        other.bytes[(network.bits - 1) / 8] ^= (uint8_t)(0x80u >> ((network.bits - 1) % 8));
        FUZZ_CHECK(!networks_hold(&network, 1, &other));
    }
}

static struct client_found find(struct slice peer, const struct network *trusted, size_t count,
                                const struct headers *headers)
{
    const struct forwarded_fields fields = {.headers = headers, .get = get};
    return client_find(peer, trusted, count, &fields);
}

/* Once more with a forged line in front of all others of its kind. */
static void check_forgery(struct slice peer, const struct network *trusted, size_t count,
                          const struct headers *headers, const struct client_found *found)
{
    static const char *const forgeries[] = {"x6.6.6.6", "x\"", "x10.0.0.1", "x, unknown, 6.6.6.6"};
    struct slice value;
    if (headers->count == LINES_MAX || !get(headers, SLICE("X-Forwarded-For"), 0, &value))
        return;
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        struct headers forged = {.lines = {slice_str(forgeries[i])}, .count = headers->count + 1};
        memcpy(forged.lines + 1, headers->lines, headers->count * sizeof headers->lines[0]);
        struct client_found again = find(peer, trusted, count, &forged);
        FUZZ_CHECK(same_ip(&again.ip, &found->ip) && again.https == found->https);
    }
}

static void try_client(struct slice peer, const struct network *trusted, size_t count,
                       const struct headers *headers)
{
    struct ip ip;
    struct client_found found = find(peer, trusted, count, headers);
    FUZZ_CHECK(found.known == (ip_parse(peer, &ip) == STATUS_OK));
    FUZZ_CHECK(found.https_told || !found.https);
    if (!found.known)
        return;
    FUZZ_CHECK(found.via_proxy == networks_hold(trusted, count, &ip));
    if (!found.via_proxy)
        FUZZ_CHECK(same_ip(&found.ip, &ip) && !found.https_told);
    else if (!networks_hold(trusted, count, &found.ip))
        check_forgery(peer, trusted, count, headers, &found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = fuzz_block(slice_of(data, size));
    struct slice input = slice_of(block, size);
    struct slice peer = fuzz_line(&input);
    struct slice network = fuzz_line(&input);
    struct network trusted[3];
    struct headers headers = {0};
    size_t count = 2;
    FUZZ_CHECK(network_parse(SLICE("10.0.0.0/8"), &trusted[0]) == STATUS_OK);
    FUZZ_CHECK(network_parse(SLICE("2001:db8::/32"), &trusted[1]) == STATUS_OK);
    count += network_parse(network, &trusted[2]) == STATUS_OK;
    while (input.len > 0 && headers.count < LINES_MAX) {
        struct slice line = fuzz_line(&input);
        if (line.len > 0)
            headers.lines[headers.count++] = line;
    }
    try_ip(peer);
    try_network(network);
    try_client(peer, trusted, count, &headers);
    free(block);
    return 0;
}
