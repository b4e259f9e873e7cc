/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Form bodies and query strings (policy/form.h, policy/query.h) against an own reading of the media
 * type: cut at '&', at the first '=', decoded into a new string, compared.
 *
 * Input: a line with the name that is looked for, the body.
 */
#include "form.h"
#include "fuzz.h"

#define MEMORY_CEILING ((size_t)1 << 24)

/* What the pairs of that name come to. */
struct sum {
    size_t count;
    struct slice raw; /* of the first */
};

static int hex_value(char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = byte ? strchr(digits, ascii_lower(byte)) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* False: broken encoding. `ret_text` has room for raw.len bytes. */
static bool decode(struct slice raw, bool plus_is_space, char *ret_text, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char byte = raw.data[i];
        if (byte == '%') {
            if (i + 2 >= raw.len || hex_value(raw.data[i + 1]) < 0 ||
                hex_value(raw.data[i + 2]) < 0)
                return false;
            byte = (char)(hex_value(raw.data[i + 1]) * 16 + hex_value(raw.data[i + 2]));
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        ret_text[len++] = byte;
    }
    *ret_len = len;
    return true;
}

static void take_pair(struct slice pair, struct slice name, bool plus_is_space, struct sum *sum)
{
    const char *mark = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
    struct slice raw_name = slice_of(pair.data, mark ? (size_t)(mark - pair.data) : pair.len);
    char *text = fuzz_block(raw_name);
    size_t len;
    bool named = decode(raw_name, plus_is_space, text, &len) && slice_eq(slice_of(text, len), name);
    free(text);
    if (named && sum->count++ == 0)
        sum->raw = slice_skip(pair, raw_name.len + 1);
}

static struct sum sum_up(struct slice body, struct slice name, bool plus_is_space)
{
    struct sum sum = {0};
    while (body.len > 0) {
        const char *mark = memchr(body.data, '&', body.len);
        struct slice pair = slice_of(body.data, mark ? (size_t)(mark - body.data) : body.len);
        take_pair(pair, name, plus_is_space, &sum);
        body = slice_skip(body, pair.len + 1);
    }
    return sum;
}

static void check_value(const struct sum *sum, bool plus_is_space, enum key_miss miss,
                        struct slice value)
{
    char *text = fuzz_block(sum->raw);
    size_t len = 0;
    bool readable = decode(sum->raw, plus_is_space, text, &len);
    if (sum->count != 1)
        FUZZ_CHECK(miss == (sum->count == 0 ? KEY_MISS_ABSENT : KEY_MISS_REPEATED));
    else if (sum->raw.len == 0)
        FUZZ_CHECK(miss == KEY_MISS_EMPTY);
    else if (!readable)
        FUZZ_CHECK(miss == KEY_MISS_ENCODING || miss == KEY_MISS_TOO_LONG);
    else if (len > KEY_MAX_VALUE_BYTES)
        FUZZ_CHECK(miss == KEY_MISS_TOO_LONG);
    else
        FUZZ_CHECK(miss == KEY_MISS_NONE && slice_eq(value, slice_of(text, len)));
    free(text);
}

static void try_query(struct slice body, struct slice name, enum query_plus plus,
                      struct arena *arena)
{
    struct slice value = {0};
    bool plus_is_space = plus == QUERY_PLUS_IS_SPACE;
    struct sum sum = sum_up(body, name, plus_is_space);
    enum key_miss miss = query_find(body, name, plus, arena, &value);
    check_value(&sum, plus_is_space, miss, value);
}

static void try_form(struct slice body, struct slice name, struct arena *arena)
{
    const struct json_path paths[] = {{.parts = {name}, .count = 1},
                                      {.parts = {name, name}, .count = 2}};
    struct form_field fields[2];
    struct slice value = {0};
    struct sum sum = sum_up(body, name, true);
    form_locate(body, paths, 2, fields);
    FUZZ_CHECK(fields[1].count == 0);
    check_value(&sum, true, form_read(&fields[0], arena, &value), value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct slice name = fuzz_line(&input);
    char *block = fuzz_block(input);
    struct arena arena;
    if (name.len > 0) {
        arena_init(&arena, 4096, MEMORY_CEILING);
        try_query(slice_of(block, input.len), name, QUERY_PLUS_STAYS, &arena);
        try_query(slice_of(block, input.len), name, QUERY_PLUS_IS_SPACE, &arena);
        try_form(slice_of(block, input.len), name, &arena);
        arena_done(&arena);
    }
    free(block);
    return 0;
}
