/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/canonical, with the tree and the selection behind it: RFC 8785's own
 * examples, selections, hostile texts, limits. Random texts meet an independent implementation in
 * tests/e2e/test_30_keys.py. */
#include <postern/policy/canonical.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <postern/base/buf.h>
#include <stdio.h>

#define MAX_TEST_PATHS 8u

static struct arena arena;
static struct buf form;

static void set_up(void)
{
    arena_init(&arena, 65536, 32u << 20);
    buf_init(&form, 8u << 20);
}

static void tear_down(void)
{
    buf_done(&form);
    arena_done(&arena);
}

TestSuite(canonical, .init = set_up, .fini = tear_down);

static bool append(struct canonical_sink *sink, struct slice piece)
{
    (void)sink;
    return buf_append(&form, piece) == STATUS_OK;
}

static struct canonical_sink to_form = {append};

static size_t add_paths(struct json_path *paths, size_t count, const char *texts)
{
    for (; *texts; count++) {
        size_t len = strcspn(texts, " ");
        cr_assert_lt(count, MAX_TEST_PATHS);
        cr_assert(json_path_parse(slice_of(texts, len), &arena, &paths[count]));
        texts += len + (texts[len] == ' ');
    }
    return count;
}

/* The form of a selection goes to `form`; paths are separated by spaces. */
static enum json_result write_selected(struct slice text, const char *include, const char *exclude,
                                       size_t *ret_weight)
{
    struct json_path paths[MAX_TEST_PATHS];
    struct json_selection selection = {.paths = paths};
    selection.include_count = add_paths(paths, 0, include);
    selection.path_count = add_paths(paths, selection.include_count, exclude);
    char *copy = exact_copy(text);
    buf_clear(&form);
    enum json_result result =
        canonical_write(slice_of(copy, text.len), &selection, &to_form, ret_weight);
    free(copy);
    return result;
}

static void expect_selected(const char *text, const char *include, const char *exclude,
                            const char *wanted, size_t wanted_weight)
{
    size_t weight;
    cr_assert_eq(write_selected(slice_str(text), include, exclude, &weight), JSON_OK, "%s", text);
    struct slice got = buf_slice(&form);
    cr_assert(slice_eq(got, slice_str(wanted)), "%s: %.*s, not %s", text, (int)got.len, got.data,
              wanted);
    cr_assert_eq(weight, wanted_weight, "%s: %zu", text, weight);
}

static void expect_form(const char *text, const char *wanted)
{
    size_t weight;
    cr_assert_eq(write_selected(slice_str(text), "", "", &weight), JSON_OK, "%s", text);
    struct slice got = buf_slice(&form);
    cr_assert(slice_eq(got, slice_str(wanted)), "%s: %.*s, not %s", text, (int)got.len, got.data,
              wanted);
}

static void expect_refused(struct slice text, enum json_result wanted)
{
    size_t weight = 77;
    enum json_result result = write_selected(text, "", "", &weight);
    cr_assert_eq(result, wanted, "%.*s: %s", (int)(text.len < 60 ? text.len : 60), text.data,
                 json_result_text(result));
    cr_assert_eq(weight, 77);
}

/* ---- the form ---- */

Test(canonical, rfc_8785_section_3_2_2)
{
    expect_form("{\n  \"numbers\": [333333333.33333329, 1E30, 4.50,\n"
                "              2e-3, 0.000000000000000000000000001],\n"
                "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
                "  \"literals\": [null, true, false]\n}",
                /* but for the first number, which a double would change to ...3333333 */
                "{\"literals\":[null,true,false],\"numbers\":[333333333.33333329,1e+30,4.5,0.002,"
                "1e-27],\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

Test(canonical, rfc_8785_section_3_2_3)
{
    expect_form("{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew\","
                "\"1\":\"One\",\"\\ud83d\\ude00\":\"Smiley\",\"\\u0080\":\"Control\","
                "\"\\u00f6\":\"Latin\"}",
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
                "\"\xc3\xb6\":\"Latin\",\"\xe2\x82\xac\":\"Euro Sign\","
                "\"\xf0\x9f\x98\x80\":\"Smiley\",\"\xef\xac\xb3\":\"Hebrew\"}");
}

Test(canonical, scalars_stand_alone)
{
    expect_form(" 1.0 ", "1");
    expect_form("\"\\u0041\"", "\"A\"");
    expect_form("null", "null");
    expect_form("[]", "[]");
    expect_form(" { } ", "{}");
    expect_form("[[],{},[{}]]", "[[],{},[{}]]");
}

Test(canonical, all_escapes)
{
    expect_form("\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\/\\u007f\\u2028\"",
                "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f /\x7f\xe2\x80\xa8\"");
    expect_form("{\"\\u0061\\n\":1}", "{\"a\\n\":1}");
    expect_form("[\"\\uD83D\\uDE00\"]", "[\"\xf0\x9f\x98\x80\"]");
}

Test(canonical, members_are_sorted_on_every_level)
{
    expect_form("{\"b\":{\"d\":[{\"f\":1,\"e\":2}],\"c\":3},\"a\":4}",
                "{\"a\":4,\"b\":{\"c\":3,\"d\":[{\"e\":2,\"f\":1}]}}");
}

Test(canonical, long_texts_leave_in_pieces)
{
    char text[3000], wanted[3000];
    memset(text, 'x', sizeof text);
    text[0] = text[2998] = '"';
    text[2999] = '\0';
    expect_form(text, text);
    for (size_t len = 505; len < 520; len++) { /* around the writer's own gathering */
        snprintf(text, sizeof text, "[\"%0*d\", true]", (int)len, 0);
        snprintf(wanted, sizeof wanted, "[\"%0*d\",true]", (int)len, 0);
        expect_form(text, wanted);
    }
}

/* ---- selections ---- */

#define ORDER                                                                                      \
    "{\"id\":5,\"meta\":{\"sent_at\":9,\"by\":\"x\"},\"items\":[{\"n\":1,\"etag\":\"a\"},"         \
    "{\"n\":2,\"etag\":\"b\"}]}"

Test(canonical, include_keeps_what_is_named)
{
    expect_selected(ORDER, "id", "", "{\"id\":5}", 1);
    expect_selected(ORDER, "meta.by id", "", "{\"id\":5,\"meta\":{\"by\":\"x\"}}", 2);
    expect_selected(ORDER, "items.*.n", "", "{\"items\":[{\"n\":1},{\"n\":2}]}", 2);
    expect_selected(ORDER, "items.1.n", "", "{\"items\":[,{\"n\":2}]}", 1);
    expect_selected(ORDER, "items", "",
                    "{\"items\":[{\"etag\":\"a\",\"n\":1},{\"etag\":\"b\",\"n\":2}]}", 4);
    expect_selected(ORDER, "*.by", "", "{\"meta\":{\"by\":\"x\"}}", 1);
    expect_selected(ORDER, "*", "items", "{\"id\":5,\"meta\":{\"by\":\"x\",\"sent_at\":9}}", 3);
}

Test(canonical, what_include_misses_is_absent)
{
    expect_selected(ORDER, "id nothing meta.nothing id.deeper", "", "{\"id\":5}", 1);
    cr_assert(buf_len(&form) > 0);
    size_t weight;
    cr_assert_eq(write_selected(SLICE(ORDER), "nothing items.9", "", &weight), JSON_OK);
    cr_assert_eq(weight, 0);
    cr_assert_eq(write_selected(SLICE("5"), "id", "", &weight), JSON_OK);
    cr_assert_eq(weight, 0);
}

Test(canonical, exclude_drops_what_is_named)
{
    expect_selected(ORDER, "", "meta.sent_at items.*.etag",
                    "{\"id\":5,\"items\":[{\"n\":1},{\"n\":2}],\"meta\":{\"by\":\"x\"}}", 4);
    expect_selected(ORDER, "", "items meta", "{\"id\":5}", 1);
    expect_selected(ORDER, "", "*", "{}", 0);
    expect_selected("[1,2,3]", "", "1", "[1,,3]", 2);
    expect_selected("[1,2,3]", "", "2", "[1,2]", 2);
    expect_selected("[1,2,3]", "", "*", "[]", 0);
}

Test(canonical, exclude_goes_before_include)
{
    expect_selected(ORDER, "meta", "meta.sent_at", "{\"meta\":{\"by\":\"x\"}}", 1);
    expect_selected(ORDER, "meta.by", "meta", "{}", 0);
    expect_selected(ORDER, "meta", "meta.*", "{\"meta\":{}}", 0);
}

Test(canonical, places_in_arrays_tell_events_apart)
{
    expect_selected("[{\"id\":1},{\"x\":2}]", "*.id", "", "[{\"id\":1}]", 1);
    expect_selected("[{\"x\":2},{\"id\":1}]", "*.id", "", "[,{\"id\":1}]", 1);
    expect_selected("[0,0,0,[0,7]]", "3.1", "", "[,,,[,7]]", 1);
    expect_selected("[7,[8]]", "01 1.0", "", "[,[8]]", 1);
}

Test(canonical, null_and_empty_strings_say_nothing)
{
    expect_selected("{\"a\":null,\"b\":\"\",\"c\":[],\"d\":{}}", "a b c d", "",
                    "{\"a\":null,\"b\":\"\",\"c\":[],\"d\":{}}", 0);
    expect_selected("{\"a\":false,\"b\":0}", "a b", "", "{\"a\":false,\"b\":0}", 2);
}

/* ---- what is refused ---- */

Test(canonical, twins_are_refused_wherever_they_stand)
{
    expect_refused(SLICE("{\"a\":1,\"a\":1}"), JSON_DUPLICATE_KEY);
    expect_refused(SLICE("{\"a\":1,\"b\":2,\"\\u0061\":3}"), JSON_DUPLICATE_KEY);
    expect_refused(SLICE("[[{\"x\":{\"\":1,\"\":2}}]]"), JSON_DUPLICATE_KEY);
    size_t weight;
    cr_assert_eq(write_selected(SLICE("{\"id\":1,\"x\":{\"a\":1,\"a\":2}}"), "id", "x", &weight),
                 JSON_DUPLICATE_KEY);
}

Test(canonical, what_is_no_json_is_refused)
{
    static const struct slice texts[] = {
        TEXT(""),
        TEXT(" "),
        TEXT("{"),
        TEXT("[1"),
        TEXT("[1,]"),
        TEXT("{\"a\"}"),
        TEXT("{\"a\":}"),
        TEXT("{a:1}"),
        TEXT("[,1]"),
        TEXT("1 2"),
        TEXT("\xef\xbb\xbf{}"),
        TEXT("01"),
        TEXT("1."),
        TEXT("+1"),
        TEXT("NaN"),
        TEXT("nul"),
        TEXT("\"\\ud800\""),
        TEXT("\"\\udc00\\ud800\""),
        TEXT("\"\xed\xa0\x80\""),
        TEXT("\"\xc0\x80\""),
        TEXT("\"\xff\""),
        TEXT("\"a\nb\""),
        TEXT("\"\\x\""),
        TEXT("{\"a\":1,}"),
        TEXT("[1}"),
        TEXT("{\"a\":1]"),
        TEXT("\"a"),
        TEXT("[\"\\u12\"]"),
        TEXT("{}\0"),
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        expect_refused(texts[i], JSON_INVALID);
}

Test(canonical, depth_has_its_cap)
{
    static char text[200000];
    memset(text, '[', JSON_MAX_DEPTH);
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    expect_form(text, text);
    memset(text, '[', sizeof text / 2);
    memset(text + sizeof text / 2, ']', sizeof text / 2);
    expect_refused(slice_of(text, sizeof text), JSON_TOO_DEEP);
}

Test(canonical, numbers_have_their_cap)
{
    static char text[10000000];
    memset(text, '7', sizeof text);
    expect_refused(slice_of(text, sizeof text), JSON_TOO_LARGE);
    expect_refused(SLICE("[1e1000000000]"), JSON_TOO_LARGE);
    size_t weight; /* what is left out may be any number */
    cr_assert_eq(write_selected(SLICE("[1,1e1000000000]"), "0", "", &weight), JSON_OK);
}

/* [1,1,…], with so many ones. */
static struct slice list_of_ones(size_t count)
{
    char *text = arena_alloc(&arena, 2 * count + 1);
    cr_assert_not_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + 2 * i, ",1", 2);
    text[0] = '[';
    text[2 * count] = ']';
    return slice_of(text, 2 * count + 1);
}

Test(canonical, values_have_their_cap)
{
    size_t weight;
    struct slice most = list_of_ones(CANONICAL_MAX_VALUES - 1); /* the list itself is a value */
    cr_assert_eq(write_selected(most, "", "", &weight), JSON_OK);
    cr_assert_eq(weight, CANONICAL_MAX_VALUES - 1);
    cr_assert(slice_eq(buf_slice(&form), most));
    expect_refused(list_of_ones(CANONICAL_MAX_VALUES), JSON_TOO_LARGE);
}

Test(canonical, a_sink_that_refuses_ends_it)
{
    buf_done(&form);
    buf_init(&form, 3);
    size_t weight = 77;
    cr_assert_eq(write_selected(SLICE("[1,2,3]"), "", "", &weight), JSON_NO_MEMORY);
    cr_assert_eq(weight, 77);
}

/* 100,000 members in the worst order for a naive sort end soon, and sorted. */
Test(canonical, wide_objects_are_no_burden, .timeout = 10)
{
    size_t count = 100000;
    char *text = arena_alloc(&arena, count * 12 + 2);
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)sprintf(text + len, "%s\"%06zu\":1", i ? "," : "{", count - i);
    text[len++] = '}';
    size_t weight;
    cr_assert_eq(write_selected(slice_of(text, len), "", "", &weight), JSON_OK);
    cr_assert_eq(weight, count);
    cr_assert(slice_starts(buf_slice(&form), SLICE("{\"000001\":1,\"000002\":1,")));
}
