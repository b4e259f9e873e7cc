/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A MAC over parts of the request, as a row of the table or the route's own settings describe it:
 * one signature in a header, or a list of elements, a time stamp among them or in another header.
 */
#include "verify_checks.h"
#include "verify_match.h"
#include "verify_request.h"

/* A time stamp, as it came and read. */
struct stamp {
    struct slice text;
    uint64_t ms;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool has_time(const struct verify_hmac *hmac)
{
    return hmac->time_header.len > 0 || hmac->time_prefix.len > 0;
}

/* ---- signature and time ---- */

static enum verify_result read_one(const struct verify_hmac *hmac, struct slice value,
                                   struct verify_candidates *candidates)
{
    if (!slice_starts(value, hmac->prefix))
        return VERIFY_MALFORMED;
    verify_offer(candidates, hmac->encoding, slice_skip(value, hmac->prefix.len));
    return verify_offered(candidates);
}

/* Takes the first element off `*rest`, which is not empty. */
static struct slice take_element(struct slice *rest, char separator)
{
    const char *found = memchr(rest->data, separator, rest->len);
    struct slice element = slice_of(rest->data, found ? (size_t)(found - rest->data) : rest->len);
    *rest = slice_skip(*rest, element.len + 1);
    return slice_trim(element);
}

static enum verify_result read_list(const struct verify_hmac *hmac, struct slice rest,
                                    struct verify_candidates *candidates, struct slice *ret_time)
{
    size_t times = 0;
    while (rest.len > 0) {
        struct slice element = take_element(&rest, hmac->separator);
        if (hmac->time_prefix.len > 0 && slice_starts(element, hmac->time_prefix)) {
            *ret_time = slice_skip(element, hmac->time_prefix.len);
            times++;
        } else if (slice_starts(element, hmac->prefix)) {
            verify_offer(candidates, hmac->encoding, slice_skip(element, hmac->prefix.len));
        }
    }
    return times > 1 ? VERIFY_REPEATED : verify_offered(candidates);
}

static enum verify_result read_signature(const struct verify_call *call,
                                         struct verify_candidates *candidates,
                                         struct slice *ret_time)
{
    const struct verify_hmac *hmac = call->verifier->hmac;
    struct slice value;
    enum verify_result result = verify_field(call->input, hmac->header, &value);
    if (result != VERIFY_OK)
        return result;
    return hmac->separator ? read_list(hmac, value, candidates, ret_time)
                           : read_one(hmac, value, candidates);
}

/* `stamp->text` is what the list held, if the time is there. */
static enum verify_result read_stamp(const struct verify_call *call, struct stamp *stamp)
{
    const struct verify_hmac *hmac = call->verifier->hmac;
    enum verify_result result = VERIFY_OK;
    if (hmac->time_header.len > 0)
        result = verify_field(call->input, hmac->time_header, &stamp->text);
    else if (stamp->text.len == 0)
        result = VERIFY_MISSING;
    if (result != VERIFY_OK)
        return result;
    return verify_read_time(stamp->text, &stamp->ms) ? VERIFY_OK : VERIFY_MALFORMED;
}

/* ---- what is signed ---- */

static enum verify_result find_part(const struct verify_call *call, const struct verify_part *part,
                                    struct slice time, struct slice *ret_text)
{
    const struct verify_input *input = call->input;
    switch (part->kind) {
    case VERIFY_PART_TEXT:
        *ret_text = part->text;
        break;
    case VERIFY_PART_BODY:
        *ret_text = input->body;
        break;
    case VERIFY_PART_HEADER:
        return verify_field(input, part->text, ret_text);
    case VERIFY_PART_TIME:
        *ret_text = time;
        break;
    case VERIFY_PART_METHOD:
        *ret_text = input->method;
        break;
    case VERIFY_PART_PATH:
        *ret_text = input->target;
        break;
    case VERIFY_PART_URL:
        *ret_text = call->verifier->opts->public_url; /* the target follows */
        break;
    }
    return VERIFY_OK;
}

/* The parts as they are signed, one after the other. */
struct message {
    struct slice texts[2 * VERIFY_MAX_PARTS];
    enum verify_part_kind kinds[2 * VERIFY_MAX_PARTS];
    size_t count;
};

static void put(struct message *message, struct slice text, enum verify_part_kind kind)
{
    message->texts[message->count] = text;
    message->kinds[message->count++] = kind;
}

/* The time may be signed under its header's name, too. */
static enum verify_part_kind kind_of(const struct verify_hmac *hmac, const struct verify_part *part)
{
    bool is_time = part->kind == VERIFY_PART_HEADER && slice_ieq(part->text, hmac->time_header);
    return is_time ? VERIFY_PART_TIME : part->kind;
}

static enum verify_result read_message(const struct verify_call *call, struct slice time,
                                       struct message *message)
{
    const struct verify_hmac *hmac = call->verifier->hmac;
    message->count = 0;
    for (size_t i = 0; i < hmac->part_count; i++) {
        struct slice text;
        enum verify_result result = find_part(call, &hmac->parts[i], time, &text);
        if (result != VERIFY_OK)
            return result;
        put(message, text, kind_of(hmac, &hmac->parts[i]));
        if (hmac->parts[i].kind == VERIFY_PART_URL)
            put(message, call->input->target, VERIFY_PART_PATH);
    }
    return VERIFY_OK;
}

/* How many digits the message goes on with at piece `at`; all that are beyond a time are one. */
static size_t count_digits(const struct message *message, size_t at)
{
    size_t count = 0;
    for (; at < message->count; at++)
        for (size_t i = 0; i < message->texts[at].len; i++, count++)
            if (count > TIME_MS_DIGITS || !is_digit(message->texts[at].data[i]))
                return count;
    return count;
}

/* Where a sender puts nothing between a time and what follows it, digits could be moved from one to
 * the other, and the signature would still fit: 1700000000 and 123{} are 1700000000123 and {}, both
 * of them now. So it is the longest that can be a time of today. */
static bool ends_elsewhere(const struct message *message, size_t at)
{
    size_t len = message->texts[at].len, next = at + 1;
    while (next < message->count && message->texts[next].len == 0)
        next++;
    if (next == message->count || message->kinds[next] == VERIFY_PART_TEXT)
        return false;
    size_t digits = len + count_digits(message, next);
    if (digits >= TIME_MS_DIGITS)
        return len != TIME_MS_DIGITS;
    return len != (digits >= TIME_SECONDS_DIGITS ? TIME_SECONDS_DIGITS : digits);
}

static bool is_ambiguous(const struct message *message)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->kinds[i] == VERIFY_PART_TIME && ends_elsewhere(message, i))
            return true;
    return false;
}

static enum verify_result match(struct verify_call *call, struct slice time,
                                const struct verify_candidates *candidates)
{
    struct message message;
    enum verify_result result = read_message(call, time, &message);
    if (result != VERIFY_OK)
        return result;
    if (is_ambiguous(&message))
        return VERIFY_MALFORMED;
    return verify_match_macs(call, message.texts, message.count, candidates);
}

/* ---- the check ---- */

enum verify_result verify_check_hmac(struct verify_call *call)
{
    const struct verify_hmac *hmac = call->verifier->hmac;
    struct verify_candidates candidates;
    struct stamp stamp = {0};
    candidates.count = 0;
    candidates.malformed = false;
    candidates.bytes = mac_bytes(verify_mac_digest(hmac->digest));
    enum verify_result result = read_signature(call, &candidates, &stamp.text);
    if (result == VERIFY_OK && has_time(hmac))
        result = read_stamp(call, &stamp);
    if (result == VERIFY_OK)
        result = match(call, stamp.text, &candidates);
    return result == VERIFY_OK && has_time(hmac) ? verify_judge_time(call, stamp.ms) : result;
}
