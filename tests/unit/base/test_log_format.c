/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/log_format: both formats, and that no value whatever makes a line longer than
 * LOG_LINE_MAX, more than one line, or JSON that a strict reader refuses. */
#include "log_format.h"

#include "escape.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT 1795262400000u /* 2026-11-21T12:00:00.000Z */
#define HEAD_JSON "{\"time\":\"2026-11-21T12:00:00.000Z\",\"level\":"

static char line[LOG_LINE_MAX];

static struct slice format(enum log_format format, const char *message, size_t count,
                           const struct log_field *fields)
{
    struct log_entry entry = {
        .wall_ms = AT, .level = LOG_WARN, .message = message, .count = count, .fields = fields};
    size_t length = log_format_entry(format, &entry, line);
    cr_assert_leq(length, LOG_LINE_MAX);
    return slice_of(line, length);
}

static void assert_line(struct slice got, const char *expected)
{
    cr_assert(slice_eq(got, slice_str(expected)), "got %.*s", (int)got.len, got.data);
}

/* ---- a strict reader of one flat JSON object ---- */

/* Skips `literal`; false when `at` has something else. */
static bool skip(struct slice *at, const char *literal)
{
    struct slice expected = slice_str(literal);
    if (!slice_starts(*at, expected))
        return false;
    *at = slice_skip(*at, expected.len);
    return true;
}

static bool skip_escape(struct slice *at)
{
    if (at->len >= 2 && strchr("\"\\/bfnrt", at->data[1])) {
        *at = slice_skip(*at, 2);
        return true;
    }
    if (at->len < 6 || at->data[1] != 'u' || strspn(at->data + 2, "0123456789abcdef") < 4)
        return false;
    *at = slice_skip(*at, 6);
    return true;
}

static bool skip_string(struct slice *at)
{
    if (!skip(at, "\""))
        return false;
    while (at->len > 0 && at->data[0] != '"') {
        if ((unsigned char)at->data[0] < 0x20)
            return false;
        size_t length = escape_utf8_length(*at);
        if (at->data[0] == '\\') {
            if (!skip_escape(at))
                return false;
        } else if (length == 0) {
            return false;
        } else {
            *at = slice_skip(*at, length);
        }
    }
    return skip(at, "\"");
}

static bool skip_int(struct slice *at)
{
    (void)skip(at, "-");
    size_t digits = 0;
    while (digits < at->len && at->data[digits] >= '0' && at->data[digits] <= '9')
        digits++;
    bool good = digits == 1 || (digits > 1 && at->data[0] != '0');
    *at = slice_skip(*at, digits);
    return good;
}

/* True for `{"a":"b","c":1}` and a newline, and nothing else. */
static bool is_flat_json_line(struct slice at)
{
    const char *before = "{";
    do {
        if (!skip(&at, before) || !skip_string(&at) || !skip(&at, ":"))
            return false;
        if (!(at.len > 0 && at.data[0] == '"' ? skip_string(&at) : skip_int(&at)))
            return false;
        before = ",";
    } while (at.len > 0 && at.data[0] == ',');
    return skip(&at, "}\n") && at.len == 0;
}

Test(log_format, the_reader_of_these_tests_is_strict)
{
    cr_assert(is_flat_json_line(SLICE("{\"a\":\"b\\n\\u00ff\",\"c\":-10}\n")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":\"b}\n")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":\"\n\"}\n")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":\"\xff\"}\n")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":\"\\u00\"}\n")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":01}\n")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":1}")));
    cr_assert_not(is_flat_json_line(SLICE("{\"a\":1}\n\n")));
}

/* ---- what lines look like ---- */

Test(log_format, json)
{
    struct log_field fields[] = {LOG_STR("reason", "no \"route\"\n"), LOG_INT("port", 8080)};
    assert_line(format(LOG_FORMAT_JSON, "link lost", 2, fields),
                HEAD_JSON "\"warn\",\"msg\":\"link lost\",\"reason\":\"no \\\"route\\\"\\n\","
                          "\"port\":8080}\n");
    assert_line(format(LOG_FORMAT_JSON, "", 0, NULL), HEAD_JSON "\"warn\",\"msg\":\"\"}\n");
}

Test(log_format, text)
{
    struct log_field fields[] = {LOG_STR("route", "stripe"), LOG_INT("port", -1),
                                 LOG_STR("why", "a b"), LOG_STR("empty", "")};
    assert_line(format(LOG_FORMAT_TEXT, "link lost", 4, fields),
                "2026-11-21T12:00:00.000Z warn link lost route=stripe port=-1 why=\"a b\" "
                "empty=\"\"\n");
}

Test(log_format, text_quotes_what_could_be_misread)
{
    struct log_field fields[] = {LOG_STR("a", "b=c"), LOG_STR("d", "\"e\""), LOG_STR("f", "g\nh"),
                                 LOG_STR("i", "\x1b[31m"), LOG_STR("j", "/k?l")};
    assert_line(format(LOG_FORMAT_TEXT, "m", 5, fields),
                "2026-11-21T12:00:00.000Z warn m a=\"b=c\" d=\"\\\"e\\\"\" f=\"g\\nh\" "
                "i=\"\\u001b[31m\" j=/k?l\n");
}

Test(log_format, numbers_at_their_limits)
{
    struct log_field fields[] = {LOG_INT("a", INT64_MIN), LOG_INT("b", INT64_MAX), LOG_INT("c", 0)};
    assert_line(format(LOG_FORMAT_JSON, "m", 3, fields),
                HEAD_JSON "\"warn\",\"msg\":\"m\",\"a\":-9223372036854775808,"
                          "\"b\":9223372036854775807,\"c\":0}\n");
}

Test(log_format, names_of_levels)
{
    static const char *const names[] = {" debug m\n", " info m\n", " warn m\n", " error m\n",
                                        " unknown m\n"};
    for (unsigned level = 0; level < 5; level++) {
        struct log_entry entry = {.level = (enum log_level)level, .message = "m"};
        size_t length = log_format_entry(LOG_FORMAT_TEXT, &entry, line);
        assert_line(slice_skip(slice_of(line, length), 24), names[level]);
    }
}

/* ---- lines that are too long ---- */

static char filler[2 * LOG_LINE_MAX];

/* `length` times `c`, as text. */
static struct slice fill(char c, size_t length)
{
    memset(filler, c, length);
    return slice_of(filler, length);
}

Test(log_format, the_longest_line_that_is_not_cut)
{
    struct log_field empty = LOG_STR("a", "");
    size_t fixed = format(LOG_FORMAT_JSON, "m", 1, &empty).len;
    for (size_t extra = 0; extra <= 2; extra++) {
        struct log_field field = LOG_TEXT("a", fill('x', LOG_LINE_MAX - fixed + extra));
        struct slice got = format(LOG_FORMAT_JSON, "m", 1, &field);
        cr_assert(is_flat_json_line(got));
        bool cut = memmem(got.data, got.len, "...\"", 4) != NULL;
        cr_assert_eq(cut, extra > 0);
        if (!cut)
            cr_assert_eq(got.len, LOG_LINE_MAX);
    }
}

Test(log_format, a_long_value_does_not_push_the_others_out)
{
    struct log_field fields[] = {LOG_TEXT("path", fill('x', sizeof(filler))),
                                 LOG_STR("error", "refused"), LOG_INT("status", 502)};
    struct slice got = format(LOG_FORMAT_JSON, "m", 3, fields);
    cr_assert(is_flat_json_line(got));
    cr_assert_not_null(memmem(got.data, got.len, "xxx...\"", 7));
    cr_assert_not_null(memmem(got.data, got.len, "\"error\":\"refused\",\"status\":502}", 31));
}

Test(log_format, a_cut_falls_between_characters)
{
    for (size_t shift = 0; shift < 8; shift++) {
        char text[LOG_LINE_MAX];
        memset(text, 'x', shift);
        for (size_t i = shift; i < sizeof(text); i++)
            text[i] = i % 2 == shift % 2 ? '\xc3' : '\xa4';
        struct log_field field = LOG_TEXT("a", slice_of(text, sizeof(text)));
        struct slice got = format(LOG_FORMAT_JSON, "m", 1, &field);
        cr_assert(is_flat_json_line(got));
        cr_assert_null(memmem(got.data, got.len, "\xef\xbf\xbd", 3), "a half character");
        for (size_t i = shift; i < sizeof(text); i++)
            text[i] = '\x01';
        got = format(LOG_FORMAT_JSON, "m", 1, &field);
        cr_assert(is_flat_json_line(got));
        cr_assert_geq(got.len, LOG_LINE_MAX - 100, "the room is used");
    }
}

Test(log_format, a_message_is_cut_as_well)
{
    memset(filler, 'm', sizeof(filler) - 1);
    cr_assert(is_flat_json_line(format(LOG_FORMAT_JSON, filler, 0, NULL)));
    struct slice text = format(LOG_FORMAT_TEXT, filler, 0, NULL);
    cr_assert_not_null(memmem(text.data, text.len, "mmm...\n", 7));
}

Test(log_format, more_fields_than_fit_are_left_out_at_the_end)
{
    struct log_field fields[500];
    for (size_t i = 0; i < 500; i++)
        fields[i] = i % 2 ? LOG_INT("a_number", INT64_MIN) : LOG_STR("a_text", "value");
    struct slice got = format(LOG_FORMAT_JSON, "m", 500, fields);
    cr_assert(is_flat_json_line(got));
    cr_assert_gt(got.len, LOG_LINE_MAX / 2);
    got = format(LOG_FORMAT_TEXT, "m", 500, fields);
    cr_assert_eq((const char *)memchr(got.data, '\n', got.len), got.data + got.len - 1);
}

static void assert_one_clean_line(struct slice got)
{
    for (size_t i = 0; i + 1 < got.len; i++)
        cr_assert((unsigned char)got.data[i] >= 0x20 && got.data[i] != 0x7f);
    cr_assert_eq(got.data[got.len - 1], '\n');
}

Test(log_format, random_bytes_never_break_a_line)
{
    static char bytes[4][LOG_LINE_MAX + 100];
    srand(1);
    for (int round = 0; round < 3000; round++) {
        struct log_field fields[4];
        for (size_t i = 0; i < 4; i++) {
            size_t length = (size_t)rand() % (rand() % 4 ? 40 : sizeof(bytes[i]));
            for (size_t j = 0; j < length; j++)
                bytes[i][j] = (char)(rand() % 3 ? rand() : 0xc0 + rand() % 64);
            fields[i] = LOG_TEXT("field", slice_of(bytes[i], length));
        }
        cr_assert(is_flat_json_line(format(LOG_FORMAT_JSON, "m", 4, fields)));
        assert_one_clean_line(format(LOG_FORMAT_TEXT, "m", 4, fields));
    }
}
