/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/excerpt: finding lines, the caret, cutting long lines, hiding secrets. */
#include "excerpt.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void shows(const char *line, uint32_t column, const char *text, size_t caret)
{
    struct excerpt excerpt;
    excerpt_make(&excerpt, slice_str(line), column);
    cr_assert(slice_eq(slice_of(excerpt.text, excerpt.len), slice_str(text)), "%.*s",
              (int)excerpt.len, excerpt.text);
    cr_assert_eq(excerpt.caret, caret, "%zu", excerpt.caret);
}

Test(excerpt, lines)
{
    struct slice source = SLICE("one\ntwo\r\n\nfour"), line;
    cr_assert(excerpt_line(source, 1, &line) && slice_eq(line, SLICE("one")));
    cr_assert(excerpt_line(source, 2, &line) && slice_eq(line, SLICE("two")));
    cr_assert(excerpt_line(source, 3, &line) && line.len == 0);
    cr_assert(excerpt_line(source, 4, &line) && slice_eq(line, SLICE("four")));
    cr_assert_not(excerpt_line(source, 5, &line));
    cr_assert(excerpt_line(slice_of(NULL, 0), 1, &line) && line.len == 0);
    cr_assert_not(excerpt_line(slice_of(NULL, 0), 2, &line));
}

Test(excerpt, a_short_line_is_shown_as_it_is)
{
    shows("window: 1", 9, "window: 1", 8);
    shows("window: 1", 1, "window: 1", 0);
    shows("", 1, "", 0);
    shows("a", 5, "a", 1);
}

Test(excerpt, columns_are_characters)
{
    shows("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80x", 4, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80x", 3);
    shows("\xc3", 1, "\xc3", 0);
    shows("\x80\x80x", 1, "\x80\x80x", 0);
}

Test(excerpt, control_characters_never_reach_the_terminal)
{
    shows("\ta\x1b[2Jb\x7f", 2, " a?[2Jb?", 1);
}

Test(excerpt, long_lines_are_cut_around_the_caret)
{
    char line[1001];
    memset(line, 'a', 1000);
    line[1000] = '\0';
    line[499] = 'X';
    struct excerpt excerpt;
    excerpt_make(&excerpt, slice_of(line, 1000), 500);
    cr_assert_eq(excerpt.text[excerpt.caret], 'X');
    cr_assert_eq(memcmp(excerpt.text, "...", 3), 0);
    cr_assert_eq(memcmp(excerpt.text + excerpt.len - 3, "...", 3), 0);
    cr_assert_leq(excerpt.len, EXCERPT_COLUMNS + 3);
    excerpt_make(&excerpt, slice_of(line, EXCERPT_COLUMNS), 1);
    cr_assert_eq(excerpt.len, EXCERPT_COLUMNS);
    excerpt_make(&excerpt, slice_of(line, EXCERPT_COLUMNS + 1), 1);
    cr_assert_eq(excerpt.len, EXCERPT_COLUMNS + 3);
}

Test(excerpt, the_widest_characters_fit)
{
    char line[4 * 300];
    for (size_t i = 0; i < 300; i++)
        memcpy(line + 4 * i, "\xf0\x9f\x98\x80", 4);
    struct excerpt excerpt;
    excerpt_make(&excerpt, slice_of(line, sizeof(line)), 200);
    cr_assert_leq(excerpt.len, sizeof(excerpt.text));
}

Test(excerpt, passwords_in_urls_are_hidden)
{
    shows("url: redis://me:s3@cret@h:1", 6, "url: redis://***@h:1", 5);
    shows("a: redis://me:s3cret@h, b: x", 25, "a: redis://***@h, b: x", 18);
    shows("a: [http://x, b@c]", 1, "a: [http://***@c]", 0);
    shows("a: b@c", 4, "a: b@c", 3);
    shows("a@b: http://c", 6, "a@b: http://c", 5);
}

Test(excerpt, what_follows_a_telling_word_is_hidden)
{
    shows("token: abc", 8, "token: ***", 7);
    shows("  Token: 'abc', x: y", 17, "  Token: '***", 13);
    shows("secrets: [abc]", 1, "secrets: [***", 0);
    shows("url: host=h password=abc", 6, "url: host=h password=***", 5);
    shows("a: {token: env:A, token: abc}", 1, "a: {token: env:A, token: ***", 0);
}

Test(excerpt, signing_keys_are_hidden_wherever_they_stand)
{
    shows("sign: whsec_abc", 7, "sign: ***", 6);
    shows("sign: {whsec_abc: x}", 1, "sign: {***", 0);
    shows("a: http://b@c, WHSEC_abc", 1, "a: http://***", 0);
    shows("whsec", 1, "whsec", 0);
}

Test(excerpt, where_a_secret_is_may_be_shown)
{
    shows("token: env:NAME", 8, "token: env:NAME", 7);
    shows("token: \"file:/a\"", 8, "token: \"file:/a\"", 7);
    shows("tokens are nice", 1, "tokens are nice", 0);
    shows("token", 1, "token", 0);
    shows("token:", 1, "token:", 0);
}
