/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through name=value pairs; nothing is decoded but what has to be compared or given back.
 */
#include "query.h"

#include "hex.h"

static struct slice slice_first(struct slice s, size_t len)
{
    return slice_of(s.data, len);
}

/* Bytes before the first `c`, or all of them. */
static size_t length_to(struct slice s, char c)
{
    const char *found = s.len > 0 ? memchr(s.data, c, s.len) : NULL;
    return found ? (size_t)(found - s.data) : s.len;
}

/* Takes the first byte off `*text`, decoding it if it's encoded. False: broken encoding. `*text`
 * isn't empty. */
static bool take_byte(struct slice *text, enum query_plus plus, char *ret_byte)
{
    bool encoded = text->data[0] == '%';
    int c = encoded ? percent_byte(*text) : text->data[0];
    if (encoded && c < 0)
        return false;
    *ret_byte = !encoded && c == '+' && plus == QUERY_PLUS_IS_SPACE ? ' ' : (char)c;
    *text = slice_skip(*text, encoded ? 3 : 1);
    return true;
}

bool query_is_named(struct slice raw, struct slice name, enum query_plus plus)
{
    char c;
    while (raw.len > 0) {
        if (name.len == 0 || !take_byte(&raw, plus, &c) || c != name.data[0])
            return false;
        name = slice_skip(name, 1);
    }
    return name.len == 0;
}

/* Decodes `raw` to `ret_text`, which has room for `room` bytes. */
static enum key_miss decode(struct slice raw, enum query_plus plus, char *ret_text, size_t room,
                            size_t *ret_len)
{
    size_t len = 0;
    while (raw.len > 0) {
        if (len == room)
            return KEY_MISS_TOO_LONG;
        if (!take_byte(&raw, plus, &ret_text[len++]))
            return KEY_MISS_ENCODING;
    }
    *ret_len = len;
    return KEY_MISS_NONE;
}

enum key_miss query_read_value(struct slice raw, enum query_plus plus, struct arena *arena,
                               struct slice *ret_value)
{
    if (raw.len == 0)
        return KEY_MISS_EMPTY;
    bool encoded = length_to(raw, '%') < raw.len ||
                   (plus == QUERY_PLUS_IS_SPACE && length_to(raw, '+') < raw.len);
    if (!encoded && raw.len > KEY_MAX_VALUE_BYTES)
        return KEY_MISS_TOO_LONG;
    if (!encoded) {
        *ret_value = raw;
        return KEY_MISS_NONE;
    }
    size_t room = raw.len < KEY_MAX_VALUE_BYTES ? raw.len : KEY_MAX_VALUE_BYTES;
    char *text = arena_alloc(arena, room);
    size_t len;
    enum key_miss miss = text ? decode(raw, plus, text, room, &len) : KEY_MISS_NO_MEMORY;
    if (miss == KEY_MISS_NONE)
        *ret_value = slice_of(text, len);
    return miss;
}

bool query_next(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    if (rest->len == 0)
        return false;
    struct slice pair = slice_first(*rest, length_to(*rest, '&'));
    *ret_name = slice_first(pair, length_to(pair, '='));
    *ret_value = slice_skip(pair, ret_name->len + 1);
    *rest = slice_skip(*rest, pair.len + 1);
    return true;
}

enum key_miss query_find(struct slice query, struct slice name, enum query_plus plus,
                         struct arena *arena, struct slice *ret_value)
{
    struct slice raw = {0};
    struct slice raw_name, raw_value;
    bool found = false;
    while (query_next(&query, &raw_name, &raw_value)) {
        if (!query_is_named(raw_name, name, plus))
            continue;
        if (found)
            return KEY_MISS_REPEATED;
        found = true;
        raw = raw_value;
    }
    return found ? query_read_value(raw, plus, arena, ret_value) : KEY_MISS_ABSENT;
}
