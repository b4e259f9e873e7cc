/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, the specification's
 * "Signature scheme"): "id.timestamp.body" signed by HMAC-SHA256 (v1) or Ed25519 (v1a), in a list
 * separated by spaces. Svix sends the same under its own names. GitLab sends a token in clear, or
 * signs like this, or does both.
 */
#include "verify_checks.h"
#include "verify_match.h"
#include "verify_request.h"

#define HMAC_PREFIX SLICE("v1,")
#define ED25519_PREFIX SLICE("v1a,")

struct message {
    struct slice id, time, signatures;
    uint64_t sent_ms;
};

/* ---- fields ---- */

/* A field under either name. Where both are there and differ, one of them isn't what was signed,
 * and whoever reads the other is deceived. GitLab has one family of names: with the other, a
 * recorded request would lack the webhook-id that is its key. */
static enum verify_result read_either(const struct verify_call *call, struct slice name,
                                      struct slice svix_name, struct slice *ret_value)
{
    const struct verify_input *input = call->input;
    struct slice other = {0};
    if (call->verifier->opts->scheme == VERIFY_GITLAB)
        return verify_field(input, name, ret_value);
    enum verify_result result = verify_field(input, name, ret_value);
    enum verify_result svix = verify_field(input, svix_name, &other);
    if (result == VERIFY_REPEATED || svix == VERIFY_REPEATED)
        return VERIFY_REPEATED;
    if (result == VERIFY_OK && svix == VERIFY_OK)
        return slice_eq(*ret_value, other) ? VERIFY_OK : VERIFY_REPEATED;
    if (svix == VERIFY_OK)
        *ret_value = other;
    return svix == VERIFY_OK ? VERIFY_OK : result;
}

static enum verify_result read_fields(const struct verify_call *call, struct message *message)
{
    enum verify_result result = read_either(call, SLICE("webhook-signature"),
                                            SLICE("svix-signature"), &message->signatures);
    if (result == VERIFY_OK)
        result = read_either(call, SLICE("webhook-id"), SLICE("svix-id"), &message->id);
    if (result == VERIFY_OK)
        result =
            read_either(call, SLICE("webhook-timestamp"), SLICE("svix-timestamp"), &message->time);
    return result;
}

/* A dot in the id would let it run into the time. */
static enum verify_result read_message(const struct verify_call *call, struct message *message)
{
    enum verify_result result = read_fields(call, message);
    if (result != VERIFY_OK)
        return result;
    bool is_well_formed = !memchr(message->id.data, '.', message->id.len) &&
                          verify_read_time(message->time, &message->sent_ms);
    return is_well_formed ? VERIFY_OK : VERIFY_MALFORMED;
}

/* ---- signatures ---- */

/* Those of the list that begin with `prefix`. */
static void read_signatures(struct slice rest, struct slice prefix,
                            struct verify_candidates *candidates)
{
    candidates->count = 0;
    candidates->malformed = false;
    while (rest.len > 0) {
        const char *space = memchr(rest.data, ' ', rest.len);
        struct slice element = slice_of(rest.data, space ? (size_t)(space - rest.data) : rest.len);
        if (slice_starts(element, prefix))
            verify_offer(candidates, VERIFY_BASE64, slice_skip(element, prefix.len));
        rest = slice_skip(rest, element.len + 1);
    }
}

/* Of two results, neither of them OK, the one that says more. */
static enum verify_result graver(enum verify_result a, enum verify_result b)
{
    static const enum verify_result order[] = {VERIFY_UNAVAILABLE, VERIFY_REPEATED, VERIFY_MISMATCH,
                                               VERIFY_MALFORMED};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return a;
}

static bool has_macs(const struct verifier *verifier)
{
    for (size_t i = 0; i < verifier->secret_count; i++)
        if (verifier->secrets[i].mac)
            return true;
    return false;
}

static enum verify_result match_v1(struct verify_call *call, const struct message *message)
{
    const struct slice parts[] = {message->id, SLICE("."), message->time, SLICE("."),
                                  call->input->body};
    struct verify_candidates candidates;
    candidates.bytes = mac_bytes(MAC_SHA256);
    read_signatures(message->signatures, HMAC_PREFIX, &candidates);
    enum verify_result result = verify_offered(&candidates);
    return result == VERIFY_OK ? verify_match_macs(call, parts, 5, &candidates) : result;
}

static enum verify_result match_v1a(struct verify_call *call, const struct message *message)
{
    const struct slice parts[] = {message->id, SLICE("."), message->time, SLICE("."),
                                  call->input->body};
    struct verify_candidates candidates;
    candidates.bytes = PUBKEY_ED25519_SIGNATURE_BYTES;
    read_signatures(message->signatures, ED25519_PREFIX, &candidates);
    enum verify_result result = verify_offered(&candidates);
    return result == VERIFY_OK ? verify_match_keys(call, parts, 5, &candidates) : result;
}

/* The cheap ones first; the others only if none of them fits. What no secret could have signed is
 * not looked at. */
static enum verify_result match(struct verify_call *call, const struct message *message)
{
    enum verify_result result = VERIFY_MISSING;
    if (has_macs(call->verifier))
        result = match_v1(call, message);
    if (result == VERIFY_OK || !call->verifier->is_costly)
        return result;
    enum verify_result costly = match_v1a(call, message);
    return costly == VERIFY_OK ? VERIFY_OK : graver(result, costly);
}

enum verify_result verify_check_webhook(struct verify_call *call)
{
    struct message message;
    enum verify_result result = read_message(call, &message);
    if (result == VERIFY_OK)
        result = match(call, &message);
    return result == VERIFY_OK ? verify_judge_time(call, message.sent_ms) : result;
}

/* ---- GitLab ---- */

static enum verify_result check_token(struct verify_call *call)
{
    struct slice token;
    enum verify_result result = verify_field(call->input, SLICE("X-Gitlab-Token"), &token);
    return result == VERIFY_OK ? verify_match_plain(call, token) : result;
}

static bool has_tokens(const struct verifier *verifier)
{
    for (size_t i = 0; i < verifier->secret_count; i++)
        if (verifier->secrets[i].is_plain)
            return true;
    return false;
}

/* With secrets of both kinds (a change from one to the other) either will do. But a right signature
 * whose time is wrong is a replay, and a field that is there twice a trick, whatever the token. */
enum verify_result verify_check_gitlab(struct verify_call *call)
{
    enum verify_result result = VERIFY_MISSING;
    if (has_macs(call->verifier))
        result = verify_check_webhook(call);
    bool may_try = result == VERIFY_MISSING || result == VERIFY_MALFORMED ||
                   result == VERIFY_MISMATCH;
    if (!may_try || !has_tokens(call->verifier))
        return result;
    enum verify_result token = check_token(call);
    return token == VERIFY_OK ? VERIFY_OK : graver(result, token);
}
