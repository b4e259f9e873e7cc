/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading half of oracle_json.h: a recursive descent along the grammar of RFC 8259, code point
 * by code point.
 */
#include "oracle_json.h"

#include "fuzz.h"

#define NO_POINT UINT32_MAX

struct reader {
    struct slice rest;
    struct arena *arena;
    enum json_result result;
};

static bool fail(struct reader *reader, enum json_result result)
{
    reader->result = result;
    return false;
}

static char peek(const struct reader *reader)
{
    return reader->rest.len > 0 ? reader->rest.data[0] : '\0';
}

static bool take(struct reader *reader, char byte)
{
    if (reader->rest.len == 0 || reader->rest.data[0] != byte)
        return false;
    reader->rest = slice_skip(reader->rest, 1);
    return true;
}

static bool take_word(struct reader *reader, struct slice word)
{
    if (!slice_starts(reader->rest, word))
        return fail(reader, JSON_INVALID);
    reader->rest = slice_skip(reader->rest, word.len);
    return true;
}

static void skip_space(struct reader *reader)
{
    while (take(reader, ' ') || take(reader, '\t') || take(reader, '\n') || take(reader, '\r'))
        continue;
}

/* ---- strings ---- */

/* One code point of UTF-8 off the front; NO_POINT: it isn't one (too long a form, a surrogate,
 * beyond U+10FFFF, cut). */
static uint32_t take_utf8(struct reader *reader)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)peek(reader);
    size_t len = lead < 0x80       ? 1
                 : lead >> 5 == 6  ? 2
                 : lead >> 4 == 14 ? 3
                 : lead >> 3 == 30 ? 4
                                   : 0;
    if (len == 0 || reader->rest.len < len)
        return NO_POINT;
    uint32_t point = len == 1 ? lead : lead & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        unsigned char byte = (unsigned char)reader->rest.data[i];
        if (byte >> 6 != 2)
            return NO_POINT;
        point = point << 6 | (byte & 0x3fu);
    }
    if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return NO_POINT;
    reader->rest = slice_skip(reader->rest, len);
    return point;
}

static uint32_t take_hex4(struct reader *reader)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        char lower = ascii_lower(peek(reader));
        const char *digit = lower ? strchr(digits, lower) : NULL;
        if (!digit)
            return NO_POINT;
        unit = unit << 4 | (uint32_t)(digit - digits);
        reader->rest = slice_skip(reader->rest, 1);
    }
    return unit;
}

/* Behind "\u": one unit, or the two of a pair. */
static uint32_t take_unicode(struct reader *reader)
{
    uint32_t high = take_hex4(reader);
    if (high == NO_POINT || high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || !take(reader, '\\') || !take(reader, 'u'))
        return NO_POINT;
    uint32_t low = take_hex4(reader);
    if (low < 0xdc00 || low > 0xdfff)
        return NO_POINT;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static uint32_t take_escape(struct reader *reader)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    const char *letter = peek(reader) ? strchr(letters, peek(reader)) : NULL;
    if (take(reader, 'u'))
        return take_unicode(reader);
    if (!letter)
        return NO_POINT;
    reader->rest = slice_skip(reader->rest, 1);
    return (uint32_t)means[letter - letters];
}

static size_t put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; point >>= 6)
        to[i] = (char)(0x80 | (point & 0x3f));
    to[0] = (char)((0xf00u >> len & 0xff) | point);
    return len;
}

static bool read_string(struct reader *reader, struct slice *ret_text)
{
    if (!take(reader, '"'))
        return fail(reader, JSON_INVALID);
    char *text = arena_alloc(reader->arena, reader->rest.len + 4);
    size_t len = 0;
    FUZZ_CHECK(text);
    while (!take(reader, '"')) {
        if (reader->rest.len == 0 || (unsigned char)peek(reader) < ' ')
            return fail(reader, JSON_INVALID);
        uint32_t point = take(reader, '\\') ? take_escape(reader) : take_utf8(reader);
        if (point == NO_POINT)
            return fail(reader, JSON_INVALID);
        len += put_utf8(text + len, point);
    }
    *ret_text = slice_of(text, len);
    return true;
}

/* ---- numbers ---- */

static bool take_digits(struct reader *reader)
{
    size_t count = 0;
    while (peek(reader) >= '0' && peek(reader) <= '9') {
        reader->rest = slice_skip(reader->rest, 1);
        count++;
    }
    return count > 0 || fail(reader, JSON_INVALID);
}

static bool read_number(struct reader *reader)
{
    take(reader, '-');
    if (!take(reader, '0') && !take_digits(reader))
        return false;
    if (take(reader, '.') && !take_digits(reader))
        return false;
    if (!take(reader, 'e') && !take(reader, 'E'))
        return true;
    if (!take(reader, '+'))
        take(reader, '-');
    return take_digits(reader);
}

/* ---- values ---- */

static bool read_value(struct reader *reader, size_t depth, struct oracle_value *value);

static bool read_member(struct reader *reader, size_t depth, struct oracle_value *child)
{
    skip_space(reader);
    if (!read_string(reader, &child->name))
        return false;
    skip_space(reader);
    if (!take(reader, ':'))
        return fail(reader, JSON_INVALID);
    return read_value(reader, depth, child);
}

static bool read_container(struct reader *reader, size_t depth, struct oracle_value *value)
{
    bool is_object = value->kind == JSON_OBJECT;
    char close = is_object ? '}' : ']';
    struct oracle_value **link = &value->first;
    if (depth == JSON_MAX_DEPTH)
        return fail(reader, JSON_TOO_DEEP);
    reader->rest = slice_skip(reader->rest, 1);
    skip_space(reader);
    if (take(reader, close))
        return true;
    do {
        struct oracle_value *child = arena_zalloc(reader->arena, sizeof *child);
        FUZZ_CHECK(child);
        *link = child;
        link = &child->next;
        if (is_object ? !read_member(reader, depth + 1, child)
                      : !read_value(reader, depth + 1, child))
            return false;
    } while (take(reader, ','));
    return take(reader, close) || fail(reader, JSON_INVALID);
}

static bool read_bare(struct reader *reader, size_t depth, struct oracle_value *value)
{
    switch (peek(reader)) {
    case '{':
    case '[':
        value->kind = peek(reader) == '{' ? JSON_OBJECT : JSON_ARRAY;
        return read_container(reader, depth, value);
    case '"':
        value->kind = JSON_STRING;
        return read_string(reader, &value->text);
    case 'n':
        value->kind = JSON_NULL;
        return take_word(reader, SLICE("null"));
    case 't':
        value->kind = JSON_TRUE;
        return take_word(reader, SLICE("true"));
    case 'f':
        value->kind = JSON_FALSE;
        return take_word(reader, SLICE("false"));
    default:
        value->kind = JSON_NUMBER;
        return read_number(reader);
    }
}

static bool read_value(struct reader *reader, size_t depth, struct oracle_value *value)
{
    skip_space(reader);
    const char *start = reader->rest.data;
    if (!read_bare(reader, depth, value))
        return false;
    value->raw = slice_of(start, (size_t)(reader->rest.data - start));
    if (value->kind != JSON_STRING)
        value->text = value->raw;
    skip_space(reader);
    return true;
}

enum json_result oracle_read(struct slice text, struct arena *arena, struct oracle_value **ret_root)
{
    struct reader reader = {.rest = text, .arena = arena, .result = JSON_OK};
    struct oracle_value *root = arena_zalloc(arena, sizeof *root);
    FUZZ_CHECK(root);
    if (read_value(&reader, 0, root) && reader.rest.len > 0)
        fail(&reader, JSON_INVALID);
    if (reader.result == JSON_OK)
        *ret_root = root;
    return reader.result;
}
