/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths into JSON as people write them in the configuration, cut into parts. Runs at load, never
 * for a request.
 */
#include <postern/policy/json.h>

#include <stdint.h>

/* The bytes up to the next dot that isn't escaped, or to the end. */
static size_t part_length(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '.')
        len += text.data[len] == '\\' && len + 1 < text.len ? 2 : 1;
    return len;
}

/* Writes `part` without its escapes to `ret_text` (of at least part.len bytes) and returns the
 * length; SIZE_MAX: a backslash before something else than a dot or a backslash. */
static size_t unescape(struct slice part, char *ret_text)
{
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (c == '\\') {
            i++;
            if (i == part.len || (part.data[i] != '.' && part.data[i] != '\\'))
                return SIZE_MAX;
            c = part.data[i];
        }
        ret_text[len++] = c;
    }
    return len;
}

static bool read_part(struct slice raw, struct arena *arena, struct slice *ret_part)
{
    if (raw.len == 0)
        return false;
    if (!memchr(raw.data, '\\', raw.len)) {
        *ret_part = raw;
        return true;
    }
    char *room = arena_alloc(arena, raw.len);
    size_t len = room ? unescape(raw, room) : SIZE_MAX;
    *ret_part = slice_of(room, len);
    return len != SIZE_MAX;
}

bool json_path_parse(struct slice text, struct arena *arena, struct json_path *ret_path)
{
    struct json_path path = {.count = 0};
    for (;;) {
        size_t len = part_length(text);
        if (path.count == JSON_MAX_PATH_PARTS ||
            !read_part(slice_of(text.data, len), arena, &path.parts[path.count++]))
            return false;
        if (len == text.len)
            break;
        text = slice_skip(text, len + 1); /* a dot at the very end leaves an empty part */
    }
    *ret_path = path;
    return true;
}
