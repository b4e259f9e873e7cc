/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/json: values by path, repeated names, and texts made to hurt. What is JSON
 * at all: test_json_grammar.c; random texts: test_json_property.c. */
#include <postern/policy/json.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define MANY (10u * 1000 * 1000)

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 4096, 65536);
}

static void close_arena(void)
{
    arena_done(&arena);
}

TestSuite(json, .init = open_arena, .fini = close_arena);

static enum json_result find_in_copy(struct slice text, const struct json_path *paths, size_t count,
                                     struct json_value *ret_values)
{
    char *copy = exact_copy(text);
    enum json_result result = json_find(slice_of(copy, text.len), paths, count, &arena, ret_values);
    free(copy);
    return result;
}

/* ---- values by path ---- */

struct lookup {
    const char *text;
    const char *path;
    enum json_kind kind;
    const char *raw; /* NULL: absent */
};

static const struct lookup lookups[] = {
    {"{\"id\":\"x\"}", "id", JSON_STRING, "\"x\""},
    {"{\"id\":9007199254740993}", "id", JSON_NUMBER, "9007199254740993"},
    {"{\"id\":1234567890123456789012}", "id", JSON_NUMBER, "1234567890123456789012"},
    {"{\"id\":-1.50e+2 }", "id", JSON_NUMBER, "-1.50e+2"},
    {"{\"id\":true}", "id", JSON_TRUE, "true"},
    {"{\"id\":false}", "id", JSON_FALSE, "false"},
    {"{\"id\":null}", "id", JSON_NULL, "null"},
    {"{\"id\":[1, 2]}", "id", JSON_ARRAY, "[1, 2]"},
    {"{\"id\":{\"a\" :[]} }", "id", JSON_OBJECT, "{\"a\" :[]}"},
    {"{\"id\":{}}", "id", JSON_OBJECT, "{}"},
    {"{\"a\":{\"b\":{\"c\":7}}}", "a.b.c", JSON_NUMBER, "7"},
    {"{\"a\":{\"b\":{\"c\":7}}}", "a.b", JSON_OBJECT, "{\"c\":7}"},
    {"{\"x\":{\"b\":1},\"a\":{\"b\":2}}", "a.b", JSON_NUMBER, "2"},
    {"{\"x\":{\"a\":1}}", "a", JSON_ABSENT, NULL},
    {"{\"x\":{\"a\":{\"b\":1}}}", "a.b", JSON_ABSENT, NULL},
    {"{\"a\":1}", "a.b", JSON_ABSENT, NULL},
    {"{\"a\":\"b\"}", "a.b", JSON_ABSENT, NULL},
    {"{\"a\":[{\"b\":1}]}", "a.b", JSON_ABSENT, NULL},
    {"{\"a\":{}}", "a.b", JSON_ABSENT, NULL},
    {"{}", "a", JSON_ABSENT, NULL},
    {"[]", "a", JSON_ABSENT, NULL},
    {"\"a\"", "a", JSON_ABSENT, NULL},
    {"{\"A\":1}", "a", JSON_ABSENT, NULL},
    {"{\"a \":1}", "a", JSON_ABSENT, NULL},
    {"{\"ab\":1}", "a", JSON_ABSENT, NULL},
    {"{\"a.b\":1}", "a.b", JSON_ABSENT, NULL},
    {"{\"a.b\":1}", "a\\.b", JSON_NUMBER, "1"},
    {"{\"\\u0061\":1}", "a", JSON_NUMBER, "1"},
    {"{\"\\u0061b\":1}", "a", JSON_ABSENT, NULL},
    {"{\"a\\u0000\":1}", "a", JSON_ABSENT, NULL},
    {"{\"a\\/b\":1}", "a/b", JSON_NUMBER, "1"},
    {"{\"\\u00e9\":1}", "\xc3\xa9", JSON_NUMBER, "1"},
    {"{\"e\\u0301\":1}", "\xc3\xa9", JSON_ABSENT, NULL}, /* nothing is normalised */
    {"[1,2,3]", "0", JSON_NUMBER, "1"},
    {"[1,2,3]", "2", JSON_NUMBER, "3"},
    {"[1,2,3]", "3", JSON_ABSENT, NULL},
    {"[1,2,3]", "02", JSON_ABSENT, NULL},
    {"[1,2,3]", "-1", JSON_ABSENT, NULL},
    {"[1,2,3]", "1x", JSON_ABSENT, NULL},
    {"[1,2,3]", "9999999999999999999999", JSON_ABSENT, NULL},
    {"[1,2,3]", "18446744073709551617", JSON_ABSENT, NULL}, /* 2^64 + 1 */
    {"[[],[],[0,[7]]]", "2.1.0", JSON_NUMBER, "7"},
    {"[[0,1],[2,3]]", "1", JSON_ARRAY, "[2,3]"},
    {"{\"items\":[{\"id\":1},{\"id\":2}]}", "items.0.id", JSON_NUMBER, "1"},
    {"{\"items\":[{\"id\":1},{\"id\":2}]}", "items.1.id", JSON_NUMBER, "2"},
    {"{\"items\":[{\"id\":1},{\"id\":2}]}", "items.2.id", JSON_ABSENT, NULL},
    {"{\"0\":1}", "0", JSON_NUMBER, "1"},
    {"{\"02\":1}", "02", JSON_NUMBER, "1"},
    {" { \"a\" :\n[ 1 ,\t{ \"b\" : \"c\" } ] } ", "a.1.b", JSON_STRING, "\"c\""},
};

Test(json, finds_values)
{
    for (size_t i = 0; i < COUNT_OF(lookups); i++) {
        const struct lookup *want = &lookups[i];
        struct slice text = slice_str(want->text);
        struct json_path path;
        struct json_value value;
        cr_assert(json_path_parse(slice_str(want->path), &arena, &path));
        cr_assert_eq(json_find(text, &path, 1, &arena, &value), JSON_OK, "%s", want->text);
        cr_assert_eq(value.kind, want->kind, "%s in %s", want->path, want->text);
        cr_assert(slice_eq(value.raw, slice_str(want->raw)), "%s in %s", want->path, want->text);
        if (value.kind != JSON_STRING)
            cr_assert(slice_eq(value.text, value.raw), "%s in %s", want->path, want->text);
    }
}

static void parse_paths(const char *const *texts, size_t count, struct json_path *ret_paths)
{
    for (size_t i = 0; i < count; i++)
        cr_assert(json_path_parse(slice_str(texts[i]), &arena, &ret_paths[i]));
}

Test(json, finds_several_at_once)
{
    static const char *const texts[] = {"a", "a.b", "a.b.1", "a.c", "d", "d.0", "a.b"};
    struct json_path paths[COUNT_OF(texts)];
    struct json_value values[COUNT_OF(texts)];
    parse_paths(texts, COUNT_OF(texts), paths);
    cr_assert_eq(json_find(SLICE("{\"d\":[9],\"a\":{\"b\":[5,6],\"x\":{\"c\":0}}}"), paths,
                           COUNT_OF(texts), &arena, values),
                 JSON_OK);
    static const char *const raws[] = {
        "{\"b\":[5,6],\"x\":{\"c\":0}}", "[5,6]", "6", NULL, "[9]", "9", "[5,6]"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        cr_assert(slice_eq(values[i].raw, slice_str(raws[i])), "%s", texts[i]);
    cr_assert_eq(values[3].kind, JSON_ABSENT);
}

Test(json, finds_as_many_as_there_may_be)
{
    static struct json_path paths[JSON_MAX_PATHS];
    struct json_value values[JSON_MAX_PATHS];
    char names[JSON_MAX_PATHS][16];
    char text[2048] = "[0";
    for (size_t i = 0; i < JSON_MAX_PATHS; i++) {
        snprintf(names[i], sizeof names[i], "%zu", JSON_MAX_PATHS - i);
        cr_assert(json_path_parse(slice_str(names[i]), &arena, &paths[i]));
        snprintf(text + strlen(text), 16, ",%zu", i + 1);
    }
    strcat(text, "]");
    cr_assert_eq(json_find(slice_str(text), paths, JSON_MAX_PATHS, &arena, values), JSON_OK);
    for (size_t i = 0; i < JSON_MAX_PATHS; i++)
        cr_assert(slice_eq(values[i].text, slice_str(names[i])), "element %s", names[i]);
}

Test(json, a_path_goes_as_deep_as_it_has_parts)
{
    struct json_path path;
    struct json_value value;
    cr_assert(json_path_parse(SLICE("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"), &arena, &path));
    struct slice text = SLICE("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
                              "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":8}}}}}}}}}}"
                              "}}}}}}}");
    cr_assert_eq(json_find(text, &path, 1, &arena, &value), JSON_OK);
    cr_assert(slice_eq(value.raw, SLICE("{\"a\":8}")));
}

/* ---- strings ---- */

static struct json_value find_id(struct slice text)
{
    struct json_path path;
    struct json_value value;
    cr_assert(json_path_parse(SLICE("id"), &arena, &path));
    cr_assert_eq(json_find(text, &path, 1, &arena, &value), JSON_OK);
    cr_assert_eq(value.kind, JSON_STRING);
    return value;
}

Test(json, a_string_without_escapes_borrows_the_text)
{
    struct slice text = SLICE("{\"id\":\"abc\"}");
    struct json_value value = find_id(text);
    cr_assert_eq(value.text.data, text.data + 7);
    cr_assert_eq(value.text.len, 3);
    cr_assert_eq(arena.used_bytes, 0);
}

Test(json, a_string_with_escapes_is_unescaped)
{
    cr_assert(slice_eq(find_id(SLICE("{\"id\":\"x\\u0000y\"}")).text, SLICE("x\0y")));
    cr_assert(slice_eq(find_id(SLICE("{\"id\":\"\\ud83d\\ude00\\n\"}")).text,
                       SLICE("\xf0\x9f\x98\x80\n")));
    cr_assert(slice_eq(find_id(SLICE("{\"id\":\"\"}")).text, SLICE("")));
}

Test(json, no_memory_for_an_escape_is_no_value_at_all)
{
    static const char *const texts[] = {"a", "b"};
    struct json_path paths[2];
    struct json_value values[2];
    struct arena none;
    parse_paths(texts, 2, paths);
    arena_init(&none, 16, 0);
    struct slice text = SLICE("{\"a\":\"plain\",\"b\":\"\\n\"}");
    cr_assert_eq(json_find(text, paths, 1, &none, values), JSON_OK);
    cr_assert_eq(json_find(text, paths, 2, &none, values), JSON_NO_MEMORY);
    cr_assert_eq(values[0].kind, JSON_ABSENT);
    cr_assert_eq(values[1].kind, JSON_ABSENT);
    arena_done(&none);
}

Test(json, locating_leaves_escapes_for_later)
{
    struct json_path path;
    struct json_value value;
    struct arena none;
    arena_init(&none, 16, 0);
    cr_assert(json_path_parse(SLICE("a"), &none, &path));
    cr_assert_eq(json_locate(SLICE("{\"a\":\"\\n\"}"), &path, 1, &value), JSON_OK);
    cr_assert(slice_eq(value.raw, SLICE("\"\\n\"")));
    cr_assert_not(json_read_text(&value, &none));
    cr_assert(slice_eq(value.raw, SLICE("\"\\n\"")));
    cr_assert(json_read_text(&value, &arena));
    cr_assert(slice_eq(value.text, SLICE("\n")));
    arena_done(&none);
}

/* The value of "id", of `len` bytes, all of them as escapes or none. */
static enum json_result read_short(size_t len, bool escaped, size_t max_bytes,
                                   struct json_value *ret_value)
{
    static char text[256];
    char *at = text + sprintf(text, "{\"id\":\"");
    struct json_path path;
    for (size_t i = 0; i < len; i++)
        at += sprintf(at, "%s", escaped ? "\\u0041" : "A");
    at += sprintf(at, "\"}");
    cr_assert(json_path_parse(SLICE("id"), &arena, &path));
    cr_assert_eq(json_locate(slice_of(text, (size_t)(at - text)), &path, 1, ret_value), JSON_OK);
    return json_read_short_text(ret_value, max_bytes, &arena);
}

Test(json, a_short_text_is_at_most_so_long)
{
    struct json_value value;
    for (unsigned escaped = 0; escaped < 2; escaped++) {
        cr_assert_eq(read_short(7, escaped, 8, &value), JSON_OK);
        cr_assert(slice_eq(value.text, SLICE("AAAAAAA")));
        cr_assert_eq(read_short(8, escaped, 8, &value), JSON_OK);
        cr_assert(slice_eq(value.text, SLICE("AAAAAAAA")));
        cr_assert_eq(read_short(9, escaped, 8, &value), JSON_TOO_LARGE);
        cr_assert(slice_eq(value.text, value.raw)); /* unchanged */
        cr_assert_eq(read_short(0, escaped, 0, &value), JSON_OK);
        cr_assert_eq(value.text.len, 0);
        cr_assert_eq(read_short(1, escaped, 0, &value), JSON_TOO_LARGE);
    }
}

Test(json, a_text_that_is_too_long_takes_no_memory)
{
    struct json_value value;
    struct arena none;
    arena_init(&none, 16, 0);
    value = (struct json_value){.kind = JSON_STRING, .raw = SLICE("\"\\u0041\\u0041\"")};
    cr_assert_eq(json_read_short_text(&value, 2, &none), JSON_NO_MEMORY);
    cr_assert_eq(json_read_short_text(&value, 1, &none), JSON_TOO_LARGE);
    value = (struct json_value){.kind = JSON_NUMBER, .raw = SLICE("123"), .text = SLICE("123")};
    cr_assert_eq(json_read_short_text(&value, 3, &none), JSON_OK);
    cr_assert_eq(json_read_short_text(&value, 2, &none), JSON_TOO_LARGE);
    arena_done(&none);
}

/* ---- repeated names ---- */

struct repeat {
    const char *text;
    enum json_result result;
};

/* With the paths "a.b", "c" and "d.1.e". */
static const struct repeat repeats[] = {
    {"{\"c\":1,\"c\":1}", JSON_DUPLICATE_KEY},
    {"{\"c\":1,\"x\":2,\"c\":null}", JSON_DUPLICATE_KEY},
    {"{\"c\":1,\"\\u0063\":2}", JSON_DUPLICATE_KEY},
    {"{\"\\u0063\":1,\"\\u0063\":2}", JSON_DUPLICATE_KEY},
    {"{\"a\":1,\"a\":{\"b\":2}}", JSON_DUPLICATE_KEY},
    {"{\"a\":{\"b\":2},\"a\":1}", JSON_DUPLICATE_KEY},
    {"{\"a\":{\"b\":1,\"b\":2}}", JSON_DUPLICATE_KEY},
    {"{\"a\":{\"b\":1,\"\\u0062\":2}}", JSON_DUPLICATE_KEY},
    {"{\"d\":[0,{\"e\":1,\"e\":1}]}", JSON_DUPLICATE_KEY},
    {"{\"d\":[],\"d\":[]}", JSON_DUPLICATE_KEY},
    {"{\"c\":1,\"c\":tru}", JSON_DUPLICATE_KEY}, /* the first fault counts */
    {"{\"c\":tru,\"c\":1}", JSON_INVALID},
    {"{\"c\":1,\"C\":2}", JSON_OK},
    {"{\"x\":1,\"x\":2,\"c\":3}", JSON_OK}, /* nobody asks for x */
    {"{\"x\":{\"b\":1,\"b\":2}}", JSON_OK},
    {"{\"b\":1,\"b\":2}", JSON_OK},
    {"{\"a\":{\"a\":1,\"a\":2,\"c\":1,\"c\":2}}", JSON_OK},
    {"{\"d\":[{\"e\":1,\"e\":1},{\"e\":1}]}", JSON_OK},
    {"{\"c\":{\"x\":1,\"x\":2}}", JSON_OK}, /* inside a value, not on the way to it */
    {"[{\"c\":1},{\"c\":2}]", JSON_OK},
};

Test(json, refuses_a_repeated_name_that_is_asked_for)
{
    static const char *const texts[] = {"a.b", "c", "d.1.e"};
    struct json_path paths[COUNT_OF(texts)];
    parse_paths(texts, COUNT_OF(texts), paths);
    for (size_t i = 0; i < COUNT_OF(repeats); i++) {
        struct json_value values[COUNT_OF(texts)];
        enum json_result result =
            find_in_copy(slice_str(repeats[i].text), paths, COUNT_OF(texts), values);
        cr_assert_eq(result, repeats[i].result, "%s", repeats[i].text);
        for (size_t j = 0; j < COUNT_OF(texts) && result != JSON_OK; j++)
            cr_assert_eq(values[j].kind, JSON_ABSENT);
    }
}

/* ---- texts made to hurt ---- */

/* Writes `unit` so many times and returns the place behind it. */
static char *write_repeated(char *at, const char *unit, size_t count)
{
    size_t len = strlen(unit);
    for (size_t i = 0; i < count; i++, at += len)
        memcpy(at, unit, len);
    return at;
}

/* Scans `head`, then `unit` so many times, then `tail` so many times. */
static enum json_result find_in_repeated(const char *head, const char *unit, const char *tail,
                                         size_t units, size_t tails, const struct json_path *paths,
                                         size_t count)
{
    static struct json_value values[JSON_MAX_PATHS];
    size_t len = strlen(head) + strlen(unit) * units + strlen(tail) * tails;
    char *text = malloc(len);
    cr_assert_not_null(text);
    char *end = write_repeated(text, head, 1);
    end = write_repeated(end, unit, units);
    end = write_repeated(end, tail, tails);
    cr_assert_eq((size_t)(end - text), len);
    enum json_result result = json_find(slice_of(text, len), paths, count, &arena, values);
    free(text);
    return result;
}

struct nesting {
    const char *open;
    const char *close;
    size_t levels;
};

static enum json_result nest(const struct nesting *nesting, size_t count)
{
    return find_in_repeated("", nesting->open, nesting->close, count, count, NULL, 0);
}

Test(json, depth_has_a_limit)
{
    static const struct nesting nestings[] = {
        {"[", "]", 1}, {"[[", "]]", 2}, {"[{\"a\":[", "]}]", 3}, {"{\"a\":", "}", 1}};
    for (size_t i = 0; i < COUNT_OF(nestings); i++) {
        size_t most = JSON_MAX_DEPTH / nestings[i].levels;
        bool closed = i < 3; /* the last lacks its innermost value */
        cr_assert_eq(nest(&nestings[i], most - 1), closed ? JSON_OK : JSON_INVALID);
        cr_assert_eq(nest(&nestings[i], most), closed ? JSON_OK : JSON_INVALID);
        cr_assert_eq(nest(&nestings[i], most + 1), JSON_TOO_DEEP);
        cr_assert_eq(nest(&nestings[i], 100000), JSON_TOO_DEEP);
    }
}

Test(json, a_hundred_thousand_brackets_alone)
{
    cr_assert_eq(find_in_repeated("", "[", "]", 100000, 0, NULL, 0), JSON_TOO_DEEP);
    cr_assert_eq(find_in_repeated("", "[", "]", JSON_MAX_DEPTH, 0, NULL, 0), JSON_INVALID);
}

/* Ten million digits, as the value of a path: kept as they are, and nothing is allocated. */
Test(json, a_number_of_ten_megabytes)
{
    struct json_path path;
    struct json_value value;
    cr_assert(json_path_parse(SLICE("1"), &arena, &path));
    char *text = malloc(MANY + 4);
    cr_assert_not_null(text);
    memset(text, '7', MANY + 4);
    memcpy(text, "[0,", 3);
    text[MANY + 3] = ']';
    cr_assert_eq(json_find(slice_of(text, MANY + 4), &path, 1, &arena, &value), JSON_OK);
    cr_assert_eq(value.kind, JSON_NUMBER);
    cr_assert_eq(value.text.len, MANY);
    cr_assert_eq(arena.used_bytes, 0);
    free(text);
}

/* Sixty-four paths that all look at each of a million names, or wait for an element that never
 * comes: seconds under a sanitizer at the very worst; a quadratic scan would take hours. */
Test(json, many_names_and_elements_stay_linear, .timeout = 60)
{
    static struct json_path paths[JSON_MAX_PATHS];
    for (size_t i = 0; i < JSON_MAX_PATHS; i++)
        cr_assert(json_path_parse(SLICE("999999999"), &arena, &paths[i]));
    cr_assert_eq(
        find_in_repeated("{\"a\":0", ",\"999999998\":0", "}", 1000000, 1, paths, JSON_MAX_PATHS),
        JSON_OK);
    cr_assert_eq(find_in_repeated("[0", ",0", "]", 1000000, 1, paths, JSON_MAX_PATHS), JSON_OK);
}

/* ---- the rest ---- */

Test(json, results_have_words)
{
    cr_assert_str_eq(json_result_text(JSON_OK), "ok");
    cr_assert_str_eq(json_result_text(JSON_INVALID), "invalid");
    cr_assert_str_eq(json_result_text(JSON_DUPLICATE_KEY), "duplicate_key");
    cr_assert_str_eq(json_result_text(JSON_TOO_DEEP), "too_deep");
    cr_assert_str_eq(json_result_text(JSON_NO_MEMORY), "no_memory");
    cr_assert_str_eq(json_result_text((enum json_result)99), "unknown");
}
