/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of keys and values in Redis. Pure functions; redis_value.h shows the formats.
 */
#include "redis_value.h"

#include "resp.h"

#define ID_HEX 32u
#define STATUS_HIGHEST 999u /* of a three-digit HTTP status */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_id(struct slice hex, struct uuid *ret_id)
{
    struct uuid id;
    if (hex.len != ID_HEX)
        return false;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

/* Takes ":<digits>" with a value of at most `highest` off the front of *text. */
static bool take_number(struct slice *text, uint64_t highest, uint64_t *ret_number)
{
    struct slice rest = *text;
    uint64_t number = 0;
    size_t digits = 0;
    if (rest.len == 0 || rest.data[0] != ':')
        return false;
    rest = slice_skip(rest, 1);
    for (; digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9'; digits++) {
        uint64_t digit = (uint64_t)(rest.data[digits] - '0');
        if (number > (highest - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (digits == 0 || (digits > 1 && rest.data[0] == '0'))
        return false;
    *text = slice_skip(rest, digits);
    *ret_number = number;
    return true;
}

static bool parse_pending(struct slice text, struct redis_value *ret_value)
{
    ret_value->kind = VALUE_PENDING;
    return parse_id(text, &ret_value->first.event_id);
}

static bool parse_done(struct slice text, struct redis_value *ret_value)
{
    uint64_t status = 0;
    if (text.len < ID_HEX || !parse_id(slice_of(text.data, ID_HEX), &ret_value->first.event_id))
        return false;
    text = slice_skip(text, ID_HEX);
    ret_value->kind = VALUE_DONE;
    bool read = take_number(&text, STATUS_HIGHEST, &status) &&
                take_number(&text, UINT64_MAX, &ret_value->first.accepted_at_ms) &&
                take_number(&text, UINT64_MAX, &ret_value->window_ms) && text.len == 0;
    ret_value->first.status = (uint16_t)status;
    return read;
}

/* Splits the note off *text. False: there is a mark without one. */
static bool split_note(struct slice *text, struct slice *ret_note)
{
    const char *mark = text->len > 0 ? memchr(text->data, VALUE_NOTE_MARK, text->len) : NULL;
    *ret_note = SLICE("");
    if (!mark)
        return true;
    size_t len = (size_t)(mark - text->data);
    *ret_note = slice_skip(*text, len + 1);
    text->len = len;
    return ret_note->len > 0;
}

struct redis_value redis_value_parse(struct slice text)
{
    struct redis_value value = {.kind = VALUE_UNKNOWN};
    bool read = split_note(&text, &value.note);
    if (slice_starts(text, SLICE("d:")))
        read = read && parse_done(slice_skip(text, 2), &value);
    else
        read = read && slice_starts(text, SLICE("p:")) &&
               parse_pending(slice_skip(text, 2), &value);
    return read ? value : (struct redis_value){.kind = VALUE_UNKNOWN};
}

void redis_value_pending(const struct uuid *token, char ret_text[static VALUE_PENDING_LEN])
{
    ret_text[0] = 'p';
    ret_text[1] = ':';
    hex_format(slice_of(token->bytes, sizeof token->bytes), ret_text + 2);
}

size_t redis_value_done(const struct dedup_first *first, uint64_t window_ms,
                        char ret_text[static VALUE_DONE_MAX])
{
    ret_text[0] = 'd';
    ret_text[1] = ':';
    hex_format(slice_of(first->event_id.bytes, sizeof first->event_id.bytes), ret_text + 2);
    char *at = ret_text + 2 + ID_HEX;
    *at++ = ':';
    at = resp_digits(at, first->status);
    *at++ = ':';
    at = resp_digits(at, first->accepted_at_ms);
    *at++ = ':';
    at = resp_digits(at, window_ms);
    return (size_t)(at - ret_text);
}

char *redis_value_key(char *at, struct slice prefix, struct slice route,
                      const struct event_key *key)
{
    at = resp_raw(at, prefix);
    at = resp_raw(at, SLICE(":{"));
    at = resp_raw(at, route);
    at = resp_raw(at, SLICE("}:"));
    hex_format(slice_of(key->digest, sizeof key->digest), at);
    return at + EVENT_KEY_HEX;
}
