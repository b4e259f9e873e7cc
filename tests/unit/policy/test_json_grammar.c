/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/json: what is JSON (RFC 8259) and what isn't, alone, behind and inside good
 * text, and cut anywhere. */
#include <postern/policy/json.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 4096, 65536);
}

static void close_arena(void)
{
    arena_done(&arena);
}

TestSuite(json_grammar, .init = open_arena, .fini = close_arena);

static const struct slice accepted[] = {
    TEXT("0"),
    TEXT("-0"),
    TEXT("-1"),
    TEXT("123"),
    TEXT("1.5"),
    TEXT("-0.0"),
    TEXT("1e5"),
    TEXT("1E5"),
    TEXT("1e+5"),
    TEXT("1e-5"),
    TEXT("0e0"),
    TEXT("0.1e01"),
    TEXT("1e400"),
    TEXT("9007199254740993"),
    TEXT("18446744073709551615"),
    TEXT("1234567890123456789012"),
    TEXT("true"),
    TEXT("false"),
    TEXT("null"),
    TEXT("\"\""),
    TEXT("\"a\""),
    TEXT("\"\x7f\""),
    TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    TEXT("\"\\u0000\""),
    TEXT("\"\\u0041\\u00e9\""),
    TEXT("\"\\uD834\\uDD1E\""),
    TEXT("\"\\udbff\\udfff\""),
    TEXT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    TEXT("\"\xef\xbf\xbf\""),
    TEXT("\"\xef\xbb\xbf\""),
    TEXT("\"\xe2\x80\xa8\""),
    TEXT("\"/*x*/\""),
    TEXT("[]"),
    TEXT("{}"),
    TEXT("[[]]"),
    TEXT("[{}]"),
    TEXT("[1]"),
    TEXT("[1,2,3]"),
    TEXT("[null,true,false,0,\"\",[],{}]"),
    TEXT("[ ]"),
    TEXT("{ }"),
    TEXT("[1 , 2]"),
    TEXT(" [1]"),
    TEXT("[1] "),
    TEXT("\t\r\n [\t\r\n 1\t\r\n ,\t\r\n 2\t\r\n ]\t\r\n "),
    TEXT("{\"a\":1}"),
    TEXT("{\"a\" : 1}"),
    TEXT("{\"\":0}"),
    TEXT("{\"a\":1,\"b\":2}"),
    TEXT("{\"a\":{\"b\":{\"c\":[]}}}"),
    TEXT("{\"\\u0061\\n\":1}"),
    TEXT("{\"a\\u0000b\":1}"),
    TEXT("{\"a\":1,\"a\":2}"), /* grammar: nobody asks for the name */
    TEXT("{\"a\":[],\"b\":[{}],\"c\":{}}"),
    TEXT("[[[[[[[[[[1]]]]]]]]]]"),
    TEXT("[[],[[]],[[],[]]]"),
};

static const struct slice refused[] = {
    TEXT(""),
    TEXT(" "),
    TEXT("\n"),
    TEXT("\0"),
    /* numbers */
    TEXT("01"),
    TEXT("-01"),
    TEXT("00"),
    TEXT("+1"),
    TEXT("-"),
    TEXT("--1"),
    TEXT("1."),
    TEXT(".5"),
    TEXT("-.5"),
    TEXT("1.e1"),
    TEXT("1e"),
    TEXT("1e+"),
    TEXT("1e1.5"),
    TEXT("1.2.3"),
    TEXT("0x1F"),
    TEXT("1_000"),
    TEXT("1 000"),
    TEXT("1,5"),
    TEXT("1a"),
    TEXT("NaN"),
    TEXT("-NaN"),
    TEXT("Infinity"),
    TEXT("-Infinity"),
    TEXT("\xef\xbc\x91"), /* a full-width digit */
    /* words */
    TEXT("tru"),
    TEXT("True"),
    TEXT("TRUE"),
    TEXT("truex"),
    TEXT("nul"),
    TEXT("nulll"),
    TEXT("fals"),
    TEXT("undefined"),
    TEXT("true false"),
    /* strings */
    TEXT("\""),
    TEXT("\"a"),
    TEXT("a\""),
    TEXT("'a'"),
    TEXT("\"\\"),
    TEXT("\"\\\""),
    TEXT("\"a\"b"),
    TEXT("\"\\x41\""),
    TEXT("\"\\'\""),
    TEXT("\"\\0\""),
    TEXT("\"\\U0041\""),
    TEXT("\"\\u12\""),
    TEXT("\"\\u12g4\""),
    TEXT("\"\\u\""),
    TEXT("\"\\ud800\""),
    TEXT("\"\\ud800\\u0041\""),
    TEXT("\"\\ud800\\ud800\""),
    TEXT("\"\\udc00\""),
    TEXT("\"\\udc00\\ud800\""),
    TEXT("\"\t\""),
    TEXT("\"\n\""),
    TEXT("\"\x1f\""),
    TEXT("\"a\0b\""),
    /* UTF-8 */
    TEXT("\"\xff\""),
    TEXT("\"\x80\""),
    TEXT("\"\xc3\""),
    TEXT("\"\xc0\xaf\""),
    TEXT("\"\xe0\x80\xaf\""),
    TEXT("\"\xed\xa0\x80\""),
    TEXT("\"\xf0\x80\x80\xaf\""),
    TEXT("\"\xf4\x90\x80\x80\""),
    TEXT("\"\xfc\x80\x80\x80\x80\x80\""),
    TEXT("\"\xe9\""), /* Latin-1 */
    /* marks and encodings in front */
    TEXT("\xef\xbb\xbf{}"),
    TEXT("\xef\xbb\xbf"),
    TEXT("\xfe\xff\0{\0}"),
    TEXT("{\0}\0"),
    /* arrays */
    TEXT("["),
    TEXT("]"),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[,]"),
    TEXT("[1,,2]"),
    TEXT("[1 2]"),
    TEXT("[1:2]"),
    TEXT("[1}"),
    TEXT("[[]"),
    TEXT("[]]"),
    TEXT("[1],"),
    TEXT("[\"a\":1]"),
    /* objects */
    TEXT("{"),
    TEXT("}"),
    TEXT("{\"a\""),
    TEXT("{\"a\":"),
    TEXT("{\"a\":1"),
    TEXT("{\"a\":1,"),
    TEXT("{\"a\":1,}"),
    TEXT("{,\"a\":1}"),
    TEXT("{,}"),
    TEXT("{\"a\"}"),
    TEXT("{\"a\",1}"),
    TEXT("{\"a\":}"),
    TEXT("{\"a\"::1}"),
    TEXT("{\"a\":1 \"b\":2}"),
    TEXT("{\"a\":1,,\"b\":2}"),
    TEXT("{\"a\":1:2}"),
    TEXT("{\"a\":1]"),
    TEXT("{1}"),
    TEXT("{true}"),
    TEXT("{[]}"),
    TEXT("{\"a\":1,2}"),
    TEXT("{a:1}"),
    TEXT("{'a':1}"),
    TEXT("{1:1}"),
    TEXT("{null:1}"),
    TEXT("{[]:1}"),
    TEXT("{{}:1}"),
    TEXT("{\"a\"=1}"),
    TEXT("{\"\xff\":1}"),
    TEXT("{\"\\x\":1}"),
    TEXT("{\"a\":1}}"),
    /* what others let pass */
    TEXT("{}{}"),
    TEXT("{} x"),
    TEXT("[1]\0"),
    TEXT("[]\f"),
    TEXT("\v[]"),
    TEXT("\xc2\xa0[]"),
    TEXT("[1] // x"),
    TEXT("/* x */ []"),
    TEXT("[1, /* x */ 2]"),
    TEXT("# x\n[]"),
    TEXT(")]}',\n[]"),
    TEXT("a=1&b=2"),
    TEXT("<xml/>"),
};

static enum json_result find_in_copy(struct slice text, const struct json_path *paths, size_t count,
                                     struct json_value *ret_values)
{
    char *copy = exact_copy(text);
    enum json_result result = json_find(slice_of(copy, text.len), paths, count, &arena, ret_values);
    free(copy);
    return result;
}

Test(json_grammar, accepts_what_the_grammar_allows)
{
    for (size_t i = 0; i < COUNT_OF(accepted); i++)
        cr_assert_eq(find_in_copy(accepted[i], NULL, 0, NULL), JSON_OK, "%s", accepted[i].data);
}

Test(json_grammar, refuses_everything_else)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        cr_assert_eq(find_in_copy(refused[i], NULL, 0, NULL), JSON_INVALID, "case %zu: %s", i,
                     refused[i].data);
}

/* A fault anywhere spoils the values that stand before it. */
Test(json_grammar, refuses_them_behind_and_inside_good_text_too)
{
    struct json_path path;
    cr_assert(json_path_parse(SLICE("id"), &arena, &path));
    for (size_t i = 4; i < COUNT_OF(refused); i++) { /* the first four are white space and such */
        struct json_value value;
        char text[128];
        int len = snprintf(text, sizeof text, "{\"id\":\"1\",\"rest\":[0,");
        memcpy(text + len, refused[i].data, refused[i].len);
        len += (int)refused[i].len;
        len += snprintf(text + len, sizeof text - (size_t)len, "]}");
        bool happens_to_fit = slice_eq(refused[i], SLICE("1,5"));
        enum json_result result = find_in_copy(slice_of(text, (size_t)len), &path, 1, &value);
        cr_assert_eq(result, happens_to_fit ? JSON_OK : JSON_INVALID, "case %zu: %s", i, text);
        cr_assert_eq(value.kind, happens_to_fit ? JSON_STRING : JSON_ABSENT);
    }
}

/* No prefix of an object is a text of its own. */
Test(json_grammar, refuses_every_prefix)
{
    struct slice text =
        SLICE("{\"a\":[1,-2.5e+3,true,null,\"\\u00e9\\ud83d\\ude00\xc3\xa9\"],\"b\":{}}");
    for (size_t len = 0; len < text.len; len++)
        cr_assert_eq(find_in_copy(slice_of(text.data, len), NULL, 0, NULL), JSON_INVALID, "%zu",
                     len);
    cr_assert_eq(find_in_copy(text, NULL, 0, NULL), JSON_OK);
}
