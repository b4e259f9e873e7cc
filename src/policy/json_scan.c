/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of JSON: strings, numbers and words, checked to the letter of RFC 8259, and strings
 * turned into what they mean. Most bytes of a webhook stand inside strings, so those are searched
 * eight at a time for the few bytes that need a look.
 */
#include "json_scan.h"

#include "hex.h"

#include <assert.h>
#include <endian.h>
#include <stdint.h>

#define IN_ALL_BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))
#define BAD_UNIT UINT32_MAX

enum {
    SURROGATE_HIGH = 0xd800, /* first of the first halves of pairs */
    SURROGATE_LOW = 0xdc00,  /* first of the second halves */
    SURROGATE_END = 0xe000,
    ASTRAL = 0x10000, /* what pairs stand for begins here */
    UNICODE_LAST = 0x10ffff,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- strings ---- */

/* The top bit of the lowest byte that is a quote, a backslash, a control character or not ASCII is
 * set; bits above it may be set wrongly, by borrows. */
static uint64_t find_stops(uint64_t word)
{
    uint64_t quote = word ^ IN_ALL_BYTES('"');
    uint64_t backslash = word ^ IN_ALL_BYTES('\\');
    return (word | (word - IN_ALL_BYTES(0x20)) | (quote - IN_ALL_BYTES(1)) |
            (backslash - IN_ALL_BYTES(1))) &
           IN_ALL_BYTES(0x80);
}

static bool is_stop(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20 || c >= 0x80;
}

static const char *skip_plain(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t stops = find_stops(le64toh(word));
        if (stops)
            return at + __builtin_ctzll(stops) / 8;
    }
    while (at < end && !is_stop((unsigned char)*at))
        at++;
    return at;
}

/* One sequence of two to four bytes (RFC 3629): no overlong forms, no surrogates, nothing beyond
 * U+10FFFF. */
static const char *skip_utf8(const char *at, const char *end)
{
    static const uint32_t least[] = {0, 0x80, 0x800, ASTRAL};
    unsigned lead = (unsigned char)*at;
    size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) <= more)
        return NULL;
    uint32_t code = lead & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        unsigned next = (unsigned char)at[i];
        if ((next & 0xc0) != 0x80)
            return NULL;
        code = code << 6 | (next & 0x3f);
    }
    bool surrogate = code >= SURROGATE_HIGH && code < SURROGATE_END;
    return code < least[more] || code > UNICODE_LAST || surrogate ? NULL : at + more + 1;
}

static const char *skip_not_ascii(const char *at, const char *end)
{
    while (at && at < end && (unsigned char)*at >= 0x80)
        at = skip_utf8(at, end);
    return at;
}

/* The four hexadecimal digits behind the "\u" at `at`, or BAD_UNIT when it isn't one. */
static uint32_t read_unit(const char *at, const char *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return BAD_UNIT;
    uint32_t unit = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return BAD_UNIT;
        unit = unit << 4 | (uint32_t)digit;
    }
    return unit;
}

static bool is_low_surrogate(uint32_t unit)
{
    return unit >= SURROGATE_LOW && unit < SURROGATE_END;
}

/* A "\uXXXX", or two that make a pair; half a pair means no character and is refused. */
static const char *skip_unicode_escape(const char *at, const char *end)
{
    uint32_t unit = read_unit(at, end);
    if (unit == BAD_UNIT || is_low_surrogate(unit))
        return NULL;
    if (unit < SURROGATE_HIGH || unit >= SURROGATE_END)
        return at + 6;
    return is_low_surrogate(read_unit(at + 6, end)) ? at + 12 : NULL;
}

/* What the letter behind a backslash stands for, or 0 when it's 'u' or none of them. */
static char short_escape(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

static const char *skip_escape(const char *at, const char *end)
{
    if (end - at < 2)
        return NULL;
    return short_escape(at[1]) ? at + 2 : skip_unicode_escape(at, end);
}

const char *json_skip_string(const char *at, const char *end, bool *ret_escaped)
{
    for (;;) {
        at = skip_plain(at, end);
        if (at == end)
            return NULL;
        if (*at == '"')
            return at + 1;
        if (*at == '\\') {
            *ret_escaped = true;
            at = skip_escape(at, end);
        } else if ((unsigned char)*at >= 0x80) {
            at = skip_not_ascii(at, end);
        } else {
            return NULL; /* a control character */
        }
        if (!at)
            return NULL;
    }
}

/* ---- numbers and words ---- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* At least one digit. */
static const char *skip_some_digits(const char *at, const char *end)
{
    const char *behind = skip_digits(at, end);
    return behind > at ? behind : NULL;
}

static const char *skip_exponent(const char *at, const char *end)
{
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    return skip_some_digits(at, end);
}

const char *json_skip_number(const char *at, const char *end)
{
    if (at < end && *at == '-')
        at++;
    if (at < end && *at == '0')
        at++; /* a digit behind it is then no part of the number, and fits nothing else */
    else
        at = skip_some_digits(at, end);
    if (at && at < end && *at == '.')
        at = skip_some_digits(at + 1, end);
    return at ? skip_exponent(at, end) : NULL;
}

const char *json_skip_word(const char *at, const char *end, struct slice word)
{
    return slice_starts(slice_of(at, (size_t)(end - at)), word) ? at + word.len : NULL;
}

const char *json_skip_scalar(const char *at, const char *end, enum json_kind *ret_kind,
                             bool *ret_escaped)
{
    switch (*at) {
    case '"':
        *ret_kind = JSON_STRING;
        return json_skip_string(at + 1, end, ret_escaped);
    case 't':
        *ret_kind = JSON_TRUE;
        return json_skip_word(at, end, SLICE("true"));
    case 'f':
        *ret_kind = JSON_FALSE;
        return json_skip_word(at, end, SLICE("false"));
    case 'n':
        *ret_kind = JSON_NULL;
        return json_skip_word(at, end, SLICE("null"));
    default:
        *ret_kind = JSON_NUMBER;
        return json_skip_number(at, end);
    }
}

/* ---- what strings mean ---- */

static size_t encode_utf8(uint32_t code, char ret_bytes[static 4])
{
    if (code < 0x80) {
        ret_bytes[0] = (char)code;
        return 1;
    }
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    size_t more = code < 0x800 ? 1 : code < ASTRAL ? 2 : 3;
    for (size_t i = more; i > 0; i--, code >>= 6)
        ret_bytes[i] = (char)(0x80 | (code & 0x3f));
    ret_bytes[0] = (char)(lead[more] | code);
    return more + 1;
}

/* The bytes that the escape at `at` (already accepted) stands for; returns the place behind it. */
static const char *read_escape(const char *at, const char *end, char ret_bytes[static 4],
                               size_t *ret_len)
{
    *ret_bytes = short_escape(at[1]);
    *ret_len = 1;
    if (*ret_bytes)
        return at + 2;
    uint32_t code = read_unit(at, end);
    assert(code != BAD_UNIT);
    at += 6;
    if (code >= SURROGATE_HIGH && code < SURROGATE_LOW) {
        code = ASTRAL + ((code - SURROGATE_HIGH) << 10) + (read_unit(at, end) - SURROGATE_LOW);
        at += 6;
    }
    *ret_len = encode_utf8(code, ret_bytes);
    return at;
}

/* Behind the run of bytes that stand for themselves. */
static const char *find_escape(const char *at, const char *end)
{
    const char *escape = memchr(at, '\\', (size_t)(end - at));
    return escape ? escape : end;
}

size_t json_unescape(struct slice inside, char *ret_text)
{
    const char *at = inside.data;
    const char *end = at + inside.len;
    size_t len = 0;
    while (at < end) {
        const char *escape = find_escape(at, end);
        memcpy(ret_text + len, at, (size_t)(escape - at));
        len += (size_t)(escape - at);
        at = escape;
        if (at < end) {
            char bytes[4];
            size_t count;
            at = read_escape(at, end, bytes, &count);
            memcpy(ret_text + len, bytes, count);
            len += count;
        }
    }
    return len;
}

bool json_means(struct slice inside, struct slice text)
{
    const char *at = inside.data;
    const char *end = at + inside.len;
    while (at < end) {
        char bytes[4] = {*at};
        size_t count = 1;
        at = *at == '\\' ? read_escape(at, end, bytes, &count) : at + 1;
        if (!slice_starts(text, slice_of(bytes, count)))
            return false;
        text = slice_skip(text, count);
    }
    return text.len == 0;
}
