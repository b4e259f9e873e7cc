/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/json_scan: every token at every length around the eight bytes it looks at in
 * one go, and no byte read beyond the end (AddressSanitizer watches the exact copies). */
#include "json_scan.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* How many bytes the string takes whose inside `text` begins with; -1: none. */
static long string_length(struct slice text, bool *ret_escaped)
{
    char *copy = exact_copy(text);
    const char *behind = json_skip_string(copy, copy + text.len, ret_escaped);
    long len = behind ? behind - copy : -1;
    free(copy);
    return len;
}

static long plain_length(struct slice text)
{
    bool escaped = false;
    return string_length(text, &escaped);
}

Test(json_scan, a_string_ends_at_its_quote_wherever_that_is)
{
    char text[40];
    for (size_t quote = 0; quote < sizeof text; quote++) {
        memset(text, 'x', sizeof text);
        text[quote] = '"';
        cr_assert_eq(plain_length(slice_of(text, sizeof text)), (long)quote + 1);
        cr_assert_eq(plain_length(slice_of(text, quote + 1)), (long)quote + 1);
        cr_assert_eq(plain_length(slice_of(text, quote)), -1);
    }
}

/* Every byte at every place of a string: only control characters, and what isn't UTF-8, spoil it.
 */
Test(json_scan, each_byte_is_judged_at_each_place)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        bool fine = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
        for (size_t place = 0; place < 20; place++) {
            char text[21];
            memset(text, 'x', sizeof text);
            text[place] = (char)byte;
            text[20] = '"';
            long got = plain_length(slice_of(text, sizeof text));
            long want = byte == '"' ? (long)place + 1 : fine ? 21 : -1;
            cr_assert_eq(got, want, "byte %02x at %zu", byte, place);
        }
    }
}

/* Neighbours of the bytes looked for: borrows in the word must not make or hide a stop. */
Test(json_scan, pairs_of_bytes_do_not_disturb_each_other)
{
    for (unsigned a = 0x20; a < 0x80; a++) {
        for (unsigned b = 0x20; b < 0x80; b++) {
            if (a == '"' || a == '\\' || b == '"' || b == '\\')
                continue;
            char text[17] = {(char)a, (char)b, (char)a, (char)b, (char)a, (char)b,
                             (char)a, (char)b, (char)b, (char)a, (char)b, (char)a,
                             (char)b, (char)a, (char)b, (char)a, '"'};
            cr_assert_eq(plain_length(slice_of(text, sizeof text)), 17, "%02x %02x", a, b);
        }
    }
}

struct sequence {
    struct slice bytes;
    bool fine;
};

static const struct sequence sequences[] = {
    {TEXT("\xc2\x80"), true},
    {TEXT("\xdf\xbf"), true},
    {TEXT("\xe0\xa0\x80"), true},
    {TEXT("\xed\x9f\xbf"), true},
    {TEXT("\xee\x80\x80"), true},
    {TEXT("\xef\xbf\xbf"), true},
    {TEXT("\xf0\x90\x80\x80"), true},
    {TEXT("\xf4\x8f\xbf\xbf"), true},
    {TEXT("\xe2\x82\xac"), true},
    {TEXT("\xef\xbb\xbf"), true}, /* U+FEFF inside a string */
    {TEXT("\x80"), false},
    {TEXT("\x82\x80"), false},
    {TEXT("\xbf\xbf"), false},
    {TEXT("\xf9\x80\x80\x80"), false},
    {TEXT("\xff\x80\x80\x80"), false},
    {TEXT("\xbf"), false},
    {TEXT("\xc0\x80"), false},
    {TEXT("\xc1\xbf"), false},
    {TEXT("\xc2"), false},
    {TEXT("\xc2x"), false},
    {TEXT("\xc2\xc2"), false},
    {TEXT("\xe0\x9f\xbf"), false},
    {TEXT("\xe2\x82"), false},
    {TEXT("\xe2\x82x"), false},
    {TEXT("\xe2x\x82"), false},
    {TEXT("\xed\xa0\x80"), false},
    {TEXT("\xed\xbf\xbf"), false},
    {TEXT("\xf0\x8f\xbf\xbf"), false},
    {TEXT("\xf0\x90\x80"), false},
    {TEXT("\xf4\x90\x80\x80"), false},
    {TEXT("\xf5\x80\x80\x80"), false},
    {TEXT("\xf8\x88\x80\x80\x80"), false},
    {TEXT("\xfe"), false},
    {TEXT("\xff"), false},
};

Test(json_scan, takes_utf8_and_nothing_like_it)
{
    for (size_t i = 0; i < COUNT_OF(sequences); i++) {
        struct slice bytes = sequences[i].bytes;
        for (size_t before = 0; before < 10; before++) {
            char text[32];
            memset(text, 'x', before);
            memcpy(text + before, bytes.data, bytes.len);
            size_t len = before + bytes.len;
            text[len++] = '"';
            long want = sequences[i].fine ? (long)len : -1;
            cr_assert_eq(plain_length(slice_of(text, len)), want, "sequence %zu", i);
            cr_assert_eq(plain_length(slice_of(text, len - 1)), -1, "sequence %zu cut", i);
        }
    }
}

struct escape {
    struct slice inside;
    struct slice meaning; /* data NULL: refused */
};

static const struct escape escapes[] = {
    {TEXT("\\\""), TEXT("\"")},
    {TEXT("\\\\"), TEXT("\\")},
    {TEXT("\\/"), TEXT("/")},
    {TEXT("\\b\\f\\n\\r\\t"), TEXT("\b\f\n\r\t")},
    {TEXT("\\u0000"), TEXT("\0")},
    {TEXT("x\\u0000y"), TEXT("x\0y")},
    {TEXT("\\u0041"), TEXT("A")},
    {TEXT("\\u007f\\u0080"), TEXT("\x7f\xc2\x80")},
    {TEXT("\\u07ff\\u0800"), TEXT("\xdf\xbf\xe0\xa0\x80")},
    {TEXT("\\ud7FF\\uE000"), TEXT("\xed\x9f\xbf\xee\x80\x80")},
    {TEXT("\\uffff"), TEXT("\xef\xbf\xbf")},
    {TEXT("\\uD800\\uDC00"), TEXT("\xf0\x90\x80\x80")},
    {TEXT("\\ud83d\\ude00!"), TEXT("\xf0\x9f\x98\x80!")},
    {TEXT("\\uDBFF\\uDFFF"), TEXT("\xf4\x8f\xbf\xbf")},
    {TEXT("a\\nb\\u00e9c"), TEXT("a\nb\xc3\xa9"
                                 "c")},
    {TEXT("\\\\u0041"), TEXT("\\u0041")},
    {TEXT("\\a"), {0}},
    {TEXT("\\0"), {0}},
    {TEXT("\\x41"), {0}},
    {TEXT("\\'"), {0}},
    {TEXT("\\U0041"), {0}},
    {TEXT("\\\n"), {0}},
    {TEXT("\\"), {0}},
    {TEXT("\\u"), {0}},
    {TEXT("\\u004"), {0}},
    {TEXT("\\u004g"), {0}},
    {TEXT("\\u 041"), {0}},
    {TEXT("\\u+041"), {0}},
    {TEXT("\\ud800"), {0}},
    {TEXT("\\ud800x"), {0}},
    {TEXT("\\ud800\\n"), {0}},
    {TEXT("\\ud800\\u0041"), {0}},
    {TEXT("\\ud800\\ud800"), {0}},
    {TEXT("\\ud800\\ue000"), {0}},
    {TEXT("\\udc00"), {0}},
    {TEXT("\\udfff\\ud800"), {0}},
    {TEXT("\\ud800\\udc0"), {0}},
};

static void expect_meaning(struct slice inside, struct slice meaning)
{
    char *copy = exact_copy(inside);
    char *text = exact_copy(inside); /* exactly the room that is asked for */
    struct slice exact = slice_of(copy, inside.len);
    size_t len = json_unescape(exact, text);
    cr_assert(slice_eq(slice_of(text, len), meaning), "%s", inside.data);
    cr_assert(json_means(exact, meaning), "%s", inside.data);
    cr_assert_not(json_means(exact, slice_of(meaning.data, meaning.len - 1)));
    cr_assert_not(json_means(exact, SLICE("something else")));
    free(text);
    free(copy);
}

Test(json_scan, escapes_mean_what_they_say)
{
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        char text[32];
        struct slice inside = escapes[i].inside;
        memcpy(text, inside.data, inside.len);
        text[inside.len] = '"';
        bool escaped = false;
        bool fine = escapes[i].meaning.data != NULL;
        long got = string_length(slice_of(text, inside.len + 1), &escaped);
        cr_assert_eq(got, fine ? (long)inside.len + 1 : -1, "%s", inside.data);
        cr_assert(escaped);
        if (fine)
            expect_meaning(inside, escapes[i].meaning);
    }
}

Test(json_scan, a_text_without_escapes_means_itself)
{
    bool escaped = false;
    cr_assert_eq(string_length(SLICE("plain\""), &escaped), 6);
    cr_assert_not(escaped);
    expect_meaning(SLICE("plain"), SLICE("plain"));
    cr_assert(json_means((struct slice){.data = ""}, SLICE("")));
    cr_assert_not(json_means(SLICE("a"), SLICE("")));
}

/* Every code point, as an escape or a pair, comes out as the UTF-8 that the scanner takes. */
Test(json_scan, every_code_point_survives)
{
    for (unsigned code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code < 0xe000)
            continue;
        char escape[16];
        char text[16];
        if (code < 0x10000)
            snprintf(escape, sizeof escape, "\\u%04x", code);
        else
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                     0xdc00 + ((code - 0x10000) & 0x3ff));
        size_t len = json_unescape(slice_str(escape), text);
        size_t want = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        text[len] = '"';
        if (len != want || (code >= 0x80 && plain_length(slice_of(text, len + 1)) != (long)len + 1))
            cr_assert_fail("U+%04X came out as %zu bytes", code, len);
    }
}

struct number {
    const char *text;
    long length; /* bytes taken; -1: not a number */
};

static const struct number numbers[] = {
    {"0", 1},         {"-0", 2},     {"10", 2},    {"-1", 2},
    {"1.5", 3},       {"0.0", 3},    {"1e5", 3},   {"1E+5", 4},
    {"1e-05", 5},     {"-0.1e0", 6}, {"1e400", 5}, {"9007199254740993", 16},
    {"01", 1},        {"-01", 2},    {"1,", 1},    {"1 2", 1},
    {"0x10", 1},      {"1_000", 1},  {"1..2", -1}, {"1.", -1},
    {"1.e1", -1},     {"-", -1},     {"+1", -1},   {".5", -1},
    {"-.5", -1},      {"1e", -1},    {"1e+", -1},  {"1.5e", -1},
    {"e5", -1},       {"", -1},      {"--1", -1},  {"-e1", -1},
    {"Infinity", -1}, {"NaN", -1},   {"-NaN", -1}, {"1.-2", -1},
};

Test(json_scan, numbers_follow_the_grammar)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct slice text = slice_str(numbers[i].text);
        char *copy = exact_copy(text);
        const char *behind = json_skip_number(copy, copy + text.len);
        cr_assert_eq(behind ? behind - copy : -1, numbers[i].length, "%s", numbers[i].text);
        free(copy);
    }
}

Test(json_scan, words_and_white_space)
{
    struct slice text = SLICE(" \t\r\n\vtrue");
    const char *end = text.data + text.len;
    const char *word = end - 4;
    cr_assert_eq(json_skip_space(text.data, end), text.data + 4, "a vertical tab is no space");
    cr_assert_eq(json_skip_space(end, end), end);
    cr_assert_eq(json_skip_word(word, end, SLICE("true")), end);
    cr_assert_null(json_skip_word(word, end - 1, SLICE("true")));
    cr_assert_null(json_skip_word(word, end, SLICE("tru\0")));
    cr_assert_null(json_skip_word(word, end, SLICE("null")));
}
