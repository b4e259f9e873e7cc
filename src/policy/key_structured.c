/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict: what no reading of RFC 8941 and no plain token allows is malformed, never guessed at.
 */
#include "key_structured.h"

#include <stdbool.h>

#define QUOTE '"'
#define ESCAPE '\\'
/* Every character of the longest value escaped, and two quotes. */
#define MAX_RAW_BYTES (2u * KEY_MAX_VALUE_BYTES + 2u)

static bool is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

/* Visible ASCII that could not be the beginning of something else: of a string, or of a list. */
static bool is_plain(char c)
{
    return is_printable(c) && c != ' ' && c != QUOTE && c != ',';
}

static enum key_miss read_plain(struct slice raw, struct slice *ret_value)
{
    for (size_t i = 0; i < raw.len; i++)
        if (!is_plain(raw.data[i]))
            return KEY_MISS_MALFORMED;
    if (raw.len > KEY_MAX_VALUE_BYTES)
        return KEY_MISS_TOO_LONG;
    *ret_value = raw;
    return KEY_MISS_NONE;
}

/* Checks what stands between the quotes, and counts its escapes. */
static bool is_string(struct slice inside, size_t *ret_escapes)
{
    size_t escapes = 0;
    for (size_t i = 0; i < inside.len; i++) {
        char c = inside.data[i];
        if (c == ESCAPE) {
            if (++i == inside.len || (inside.data[i] != QUOTE && inside.data[i] != ESCAPE))
                return false;
            escapes++;
        } else if (c == QUOTE || !is_printable(c)) {
            return false;
        }
    }
    *ret_escapes = escapes;
    return true;
}

/* Copies a valid `inside` of `len` characters without its escapes. */
static enum key_miss unescape(struct slice inside, size_t len, struct arena *arena,
                              struct slice *ret_value)
{
    char *text = arena_alloc(arena, len);
    if (!text)
        return KEY_MISS_NO_MEMORY;
    for (size_t i = 0, at = 0; at < len; i++, at++) {
        i += inside.data[i] == ESCAPE;
        text[at] = inside.data[i];
    }
    *ret_value = slice_of(text, len);
    return KEY_MISS_NONE;
}

static enum key_miss read_string(struct slice inside, struct arena *arena, struct slice *ret_value)
{
    size_t escapes;
    if (!is_string(inside, &escapes))
        return KEY_MISS_MALFORMED;
    size_t len = inside.len - escapes;
    if (len == 0)
        return KEY_MISS_EMPTY;
    if (len > KEY_MAX_VALUE_BYTES)
        return KEY_MISS_TOO_LONG;
    if (escapes > 0)
        return unescape(inside, len, arena, ret_value);
    *ret_value = inside;
    return KEY_MISS_NONE;
}

enum key_miss key_structured_read(struct slice raw, struct arena *arena, struct slice *ret_value)
{
    if (raw.len == 0)
        return KEY_MISS_EMPTY;
    if (raw.len > MAX_RAW_BYTES)
        return KEY_MISS_TOO_LONG; /* in either spelling; it isn't even looked through */
    if (raw.data[0] != QUOTE)
        return read_plain(raw, ret_value);
    if (raw.len < 2 || raw.data[raw.len - 1] != QUOTE)
        return KEY_MISS_MALFORMED;
    return read_string(slice_of(raw.data + 1, raw.len - 2), arena, ret_value);
}
