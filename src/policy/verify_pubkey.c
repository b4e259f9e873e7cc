/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Senders that sign the time stamp and the body with a private key, nothing between the two: the
 * time stamp has to have ten digits, so that the first of a body can't be taken for its last.
 */
#include "verify_checks.h"
#include "verify_match.h"
#include "verify_request.h"

struct names {
    struct slice signature, time;
    enum verify_encoding encoding;
};

static enum verify_result read_signature(const struct verify_input *input,
                                         const struct names *names,
                                         uint8_t room[static PUBKEY_P256_SIGNATURE_MAX_BYTES],
                                         struct slice *ret_signature)
{
    struct slice text;
    size_t len = 0;
    enum verify_result result = verify_field(input, names->signature, &text);
    if (result != VERIFY_OK)
        return result;
    if (!verify_decode(names->encoding, text, PUBKEY_P256_SIGNATURE_MAX_BYTES, room, &len))
        return VERIFY_MALFORMED;
    *ret_signature = slice_of(room, len);
    return VERIFY_OK;
}

static enum verify_result read_time(const struct verify_input *input, const struct names *names,
                                    struct slice *ret_text, uint64_t *ret_ms)
{
    enum verify_result result = verify_field(input, names->time, ret_text);
    if (result != VERIFY_OK)
        return result;
    return verify_read_tight_time(*ret_text, ret_ms) ? VERIFY_OK : VERIFY_MALFORMED;
}

static enum verify_result check(struct verify_call *call, const struct names *names)
{
    uint8_t room[PUBKEY_P256_SIGNATURE_MAX_BYTES];
    struct slice signature, time;
    uint64_t sent_ms;
    enum verify_result result = read_signature(call->input, names, room, &signature);
    if (result == VERIFY_OK)
        result = read_time(call->input, names, &time, &sent_ms);
    if (result != VERIFY_OK)
        return result;
    const struct slice parts[] = {time, call->input->body};
    result = verify_match_key(call, parts, 2, signature);
    return result == VERIFY_OK ? verify_judge_time(call, sent_ms) : result;
}

enum verify_result verify_check_discord(struct verify_call *call)
{
    const struct names names = {SLICE("X-Signature-Ed25519"), SLICE("X-Signature-Timestamp"),
                                VERIFY_HEX};
    return check(call, &names);
}

enum verify_result verify_check_sendgrid(struct verify_call *call)
{
    const struct names names = {SLICE("X-Twilio-Email-Event-Webhook-Signature"),
                                SLICE("X-Twilio-Email-Event-Webhook-Timestamp"), VERIFY_BASE64};
    return check(call, &names);
}
