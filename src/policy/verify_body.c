/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Senders that put into the body what others put into headers. Mailgun signs a time and a token
 * there, and nothing of the event: whoever has seen one may send another event with it while its
 * time is within the tolerance. Linear signs the whole body, its time in it.
 */
#include "form.h"
#include "verify_checks.h"
#include "verify_match.h"
#include "verify_request.h"

#define MS_MAX_DIGITS 15u /* of Linear's milliseconds; fits a double and any date we meet */

/* ---- Mailgun ---- */

enum { MAILGUN_TIME, MAILGUN_TOKEN, MAILGUN_SIGNATURE, MAILGUN_FIELDS };

static void name_fields(struct json_path paths[static MAILGUN_FIELDS], bool is_form)
{
    const struct slice names[] = {SLICE("timestamp"), SLICE("token"), SLICE("signature")};
    for (size_t i = 0; i < MAILGUN_FIELDS; i++) {
        size_t count = 0;
        if (!is_form)
            paths[i].parts[count++] = SLICE("signature");
        paths[i].parts[count++] = names[i];
        paths[i].count = count;
    }
}

static enum verify_result read_form(const struct verify_call *call, const struct json_path *paths,
                                    struct slice ret_texts[static MAILGUN_FIELDS])
{
    struct form_field fields[MAILGUN_FIELDS];
    form_locate(call->input->body, paths, MAILGUN_FIELDS, fields);
    for (size_t i = 0; i < MAILGUN_FIELDS; i++) {
        enum key_miss miss = form_read(&fields[i], call->arena, &ret_texts[i]);
        if (miss != KEY_MISS_NONE)
            return verify_of_miss(miss);
    }
    return VERIFY_OK;
}

/* As long as a form's value may be. The time is a string today and was a number once. */
static enum verify_result read_value(struct json_value *value, bool may_be_number,
                                     struct arena *arena, struct slice *ret_text)
{
    enum verify_result result =
        verify_of_json(json_read_short_text(value, KEY_MAX_VALUE_BYTES, arena));
    if (result != VERIFY_OK)
        return result;
    if (value->kind == JSON_ABSENT || value->kind == JSON_NULL || value->text.len == 0)
        return VERIFY_MISSING;
    if (value->kind != JSON_STRING && !(may_be_number && value->kind == JSON_NUMBER))
        return VERIFY_MALFORMED;
    *ret_text = value->text;
    return VERIFY_OK;
}

static enum verify_result read_json(const struct verify_call *call, const struct json_path *paths,
                                    struct slice ret_texts[static MAILGUN_FIELDS])
{
    struct json_value values[MAILGUN_FIELDS];
    enum verify_result result =
        verify_of_json(json_locate(call->input->body, paths, MAILGUN_FIELDS, values));
    for (size_t i = 0; result == VERIFY_OK && i < MAILGUN_FIELDS; i++)
        result = read_value(&values[i], i == MAILGUN_TIME, call->arena, &ret_texts[i]);
    return result;
}

static enum verify_result read_fields(const struct verify_call *call,
                                      struct slice ret_texts[static MAILGUN_FIELDS])
{
    struct json_path paths[MAILGUN_FIELDS];
    if (call->input->body.len == 0)
        return VERIFY_MISSING;
    bool is_form = verify_is_form(call->input);
    name_fields(paths, is_form);
    return is_form ? read_form(call, paths, ret_texts) : read_json(call, paths, ret_texts);
}

enum verify_result verify_check_mailgun(struct verify_call *call)
{
    struct slice texts[MAILGUN_FIELDS];
    struct verify_candidates candidates;
    uint64_t sent_ms;
    enum verify_result result = read_fields(call, texts);
    if (result != VERIFY_OK)
        return result;
    candidates.count = 0;
    candidates.bytes = mac_bytes(MAC_SHA256);
    verify_offer(&candidates, VERIFY_HEX, texts[MAILGUN_SIGNATURE]);
    if (candidates.count == 0 || !verify_read_tight_time(texts[MAILGUN_TIME], &sent_ms))
        return VERIFY_MALFORMED;
    /* Time and token, which lie in this order. */
    result = verify_match_macs(call, texts, 2, &candidates);
    return result == VERIFY_OK ? verify_judge_time(call, sent_ms) : result;
}

/* ---- Linear ---- */

static enum verify_result read_ms(const struct json_value *value, uint64_t *ret_ms)
{
    if (value->kind == JSON_ABSENT || value->kind == JSON_NULL)
        return VERIFY_MISSING;
    bool is_read = value->kind == JSON_NUMBER &&
                   verify_read_digits(value->text, MS_MAX_DIGITS, ret_ms);
    return is_read ? VERIFY_OK : VERIFY_MALFORMED;
}

/* The signature first: what nobody signed isn't even read. */
enum verify_result verify_check_linear(struct verify_call *call)
{
    const struct json_path path = {.parts = {SLICE("webhookTimestamp")}, .count = 1};
    struct json_value value;
    uint64_t sent_ms;
    enum verify_result result = verify_check_hmac(call);
    if (result != VERIFY_OK || call->verifier->opts->tolerance_ms == 0)
        return result;
    result = verify_of_json(json_locate(call->input->body, &path, 1, &value));
    if (result == VERIFY_OK)
        result = read_ms(&value, &sent_ms);
    return result == VERIFY_OK ? verify_judge_time(call, sent_ms) : result;
}
