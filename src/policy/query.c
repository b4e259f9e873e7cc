/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through a query string once for one parameter; nothing is decoded but what has to be
 * compared or given back.
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
static bool take_byte(struct slice *text, char *ret_byte)
{
    bool encoded = text->data[0] == '%';
    int c = encoded ? percent_byte(*text) : text->data[0];
    if (encoded && c < 0)
        return false;
    *ret_byte = (char)c;
    *text = slice_skip(*text, encoded ? 3 : 1);
    return true;
}

/* True when `raw` decodes to `name`; a name with broken encoding is none that was asked for. */
static bool is_named(struct slice raw, struct slice name)
{
    char c;
    while (raw.len > 0) {
        if (name.len == 0 || !take_byte(&raw, &c) || c != name.data[0])
            return false;
        name = slice_skip(name, 1);
    }
    return name.len == 0;
}

/* Decodes `raw` to `ret_text`, which has room for `room` bytes. */
static enum key_miss decode(struct slice raw, char *ret_text, size_t room, size_t *ret_len)
{
    size_t len = 0;
    while (raw.len > 0) {
        if (len == room)
            return KEY_MISS_TOO_LONG;
        if (!take_byte(&raw, &ret_text[len++]))
            return KEY_MISS_ENCODING;
    }
    *ret_len = len;
    return KEY_MISS_NONE;
}

static enum key_miss read_value(struct slice raw, struct arena *arena, struct slice *ret_value)
{
    if (raw.len == 0)
        return KEY_MISS_EMPTY;
    bool encoded = length_to(raw, '%') < raw.len;
    if (!encoded && raw.len > KEY_MAX_VALUE_BYTES)
        return KEY_MISS_TOO_LONG;
    if (!encoded) {
        *ret_value = raw;
        return KEY_MISS_NONE;
    }
    size_t room = raw.len < KEY_MAX_VALUE_BYTES ? raw.len : KEY_MAX_VALUE_BYTES;
    char *text = arena_alloc(arena, room);
    size_t len;
    enum key_miss miss = text ? decode(raw, text, room, &len) : KEY_MISS_NO_MEMORY;
    if (miss == KEY_MISS_NONE)
        *ret_value = slice_of(text, len);
    return miss;
}

enum key_miss query_find(struct slice query, struct slice name, struct arena *arena,
                         struct slice *ret_value)
{
    struct slice raw = {0};
    bool found = false;
    while (query.len > 0) {
        struct slice pair = slice_first(query, length_to(query, '&'));
        struct slice raw_name = slice_first(pair, length_to(pair, '='));
        if (is_named(raw_name, name)) {
            if (found)
                return KEY_MISS_REPEATED;
            found = true;
            raw = slice_skip(pair, raw_name.len + 1);
        }
        query = slice_skip(query, pair.len + 1);
    }
    return found ? read_value(raw, arena, ret_value) : KEY_MISS_ABSENT;
}
