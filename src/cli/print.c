/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text and members for the commands that show events.
 */
#include "print.h"

#include <assert.h>

/* Control characters, those of two bytes in UTF-8 (U+0080 to U+009F) included. */
static size_t control_length(struct slice text)
{
    unsigned char c = (unsigned char)text.data[0];
    unsigned char next = text.len > 1 ? (unsigned char)text.data[1] : 0;
    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

static size_t print_counted(FILE *out, struct slice text)
{
    size_t printed = 0;
    while (text.len > 0) {
        size_t control = control_length(text), step = control > 0 ? control : 1;
        for (size_t i = 0; i < control; i++)
            (void)fprintf(out, "\\x%02x", (unsigned char)text.data[i]);
        if (control == 0)
            (void)fputc(text.data[0], out);
        printed += control > 0 ? 4 * control : 1;
        text = slice_skip(text, step);
    }
    return printed;
}

void print_plain(FILE *out, struct slice text)
{
    (void)print_counted(out, text);
}

void print_column(FILE *out, struct slice text, size_t width)
{
    size_t printed = print_counted(out, text);
    for (; printed < width + 2; printed++)
        (void)fputc(' ', out);
}

#define MEMBERS_MAX 32u

bool read_members(struct slice object, const char *const *paths, size_t count, struct arena *arena,
                  struct slice *ret_texts)
{
    struct json_path parsed[MEMBERS_MAX] = {0};
    struct json_value values[MEMBERS_MAX];
    assert(count <= MEMBERS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!json_path_parse(slice_str(paths[i]), arena, &parsed[i]))
            return false;
    if (json_find(object, parsed, count, arena, values) != JSON_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        ret_texts[i] = values[i].kind == JSON_ABSENT || values[i].kind == JSON_NULL
                           ? SLICE("")
                           : values[i].text;
    return true;
}

/* The length of the value at the beginning of `text`, which is valid JSON: up to the comma or the
 * bracket that ends it. */
static size_t value_length(struct slice text)
{
    size_t depth = 0, i = 0;
    bool in_string = false;
    for (; i < text.len; i++) {
        char c = text.data[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == ']')) {
            break;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return i < text.len ? i : text.len;
}

bool next_element(struct slice *rest, struct slice *ret_element)
{
    if (rest->len < 2 || rest->data[0] == ']')
        return false;
    *rest = slice_skip(*rest, 1); /* the opening bracket, or the comma */
    size_t len = value_length(*rest);
    *ret_element = slice_of(rest->data, len);
    *rest = slice_skip(*rest, len);
    return len > 0;
}
