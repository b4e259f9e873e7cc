/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/slice.h: comparing, skipping and trimming, with empty and NULL slices. */
#include <postern/base/slice.h>

#include <criterion/criterion.h>

static const struct slice nothing = {.data = NULL, .len = 0};

Test(slice, of_literals_and_strings)
{
    cr_assert_eq(SLICE("a\0b").len, 3);
    cr_assert_eq(slice_str("abc").len, 3);
    cr_assert_eq(slice_str(NULL).len, 0);
}

Test(slice, equality)
{
    cr_assert(slice_eq(SLICE("abc"), SLICE("abc")));
    cr_assert_not(slice_eq(SLICE("abc"), SLICE("abd")));
    cr_assert_not(slice_eq(SLICE("abc"), SLICE("ab")));
    cr_assert(slice_eq(nothing, SLICE("")));
}

Test(slice, equality_but_for_case)
{
    cr_assert(slice_ieq(SLICE("Content-Type"), SLICE("cONTENT-tYPE")));
    cr_assert_not(slice_ieq(SLICE("a"), SLICE("ab")));
    cr_assert_not(slice_ieq(SLICE("a"), SLICE("b")));
    /* The neighbours of A and Z, and letters beyond ASCII, have no case. */
    cr_assert_not(slice_ieq(SLICE("@"), SLICE("`")));
    cr_assert_not(slice_ieq(SLICE("["), SLICE("{")));
    cr_assert_not(slice_ieq(SLICE("\xc4"), SLICE("\xe4")));
}

Test(slice, characters_of_tokens)
{
    const char *others = "!#$%&'*+-.^_`|~";
    for (int byte = 0; byte < 256; byte++) {
        bool is_alnum = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= 'a' && byte <= 'z');
        bool is_other = memchr(others, byte, strlen(others)) != NULL;
        cr_assert_eq(ascii_is_token((char)byte), is_alnum || is_other, "byte %d", byte);
    }
}

Test(slice, starts)
{
    cr_assert(slice_starts(SLICE("/hooks/a"), SLICE("/hooks/")));
    cr_assert(slice_starts(SLICE("x"), nothing));
    cr_assert(slice_starts(nothing, nothing));
    cr_assert_not(slice_starts(SLICE("/hook"), SLICE("/hooks")));
    cr_assert_not(slice_starts(SLICE("abc"), SLICE("abd")));
}

Test(slice, skip)
{
    cr_assert(slice_eq(slice_skip(SLICE("abc"), 2), SLICE("c")));
    cr_assert_eq(slice_skip(SLICE("abc"), 3).len, 0);
    cr_assert_eq(slice_skip(SLICE("abc"), 4).len, 0);
    cr_assert_null(slice_skip(nothing, 1).data);
}

Test(slice, trim)
{
    cr_assert(slice_eq(slice_trim(SLICE(" \ta b\t ")), SLICE("a b")));
    cr_assert(slice_eq(slice_trim(SLICE(" \t ")), SLICE("")));
    cr_assert_eq(slice_trim(nothing).len, 0);
    /* Only spaces and tabs are OWS. */
    cr_assert(slice_eq(slice_trim(SLICE("\na\r")), SLICE("\na\r")));
}
