/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/suggest: what is near, what is not, which of two. */
#include "suggest.h"

#include <criterion/criterion.h>

static bool suggests(const char *wanted, const char *candidate)
{
    struct suggestion suggestion = suggest_for(slice_str(wanted));
    suggest_offer(&suggestion, slice_str(candidate));
    return suggestion.best.len > 0;
}

Test(suggest, one_slip)
{
    cr_assert(suggests("widnow", "window"), "swapped");
    cr_assert(suggests("windw", "window"), "missing");
    cr_assert(suggests("winndow", "window"), "inserted");
    cr_assert(suggests("wimdow", "window"), "wrong");
    cr_assert(suggests("Window", "window"), "case");
    cr_assert(suggests("ap", "app"));
    cr_assert(suggests("on_store_eror", "on_store_error"));
}

Test(suggest, another_word_is_not_suggested)
{
    cr_assert_not(suggests("abc", "xyz"));
    cr_assert_not(suggests("path", "mode"));
    cr_assert_not(suggests("log", "key"));
    cr_assert_not(suggests("x", "y"));
    cr_assert_not(suggests("", "y"));
    cr_assert_not(suggests("ab", ""));
    cr_assert_not(suggests("ab", "b1"));
}

Test(suggest, the_allowance_grows_with_the_word)
{
    cr_assert(suggests("abcd", "abcx"));
    cr_assert_not(suggests("abcd", "abxx"));
    cr_assert(suggests("abcdefgh", "abcdefxx"));
    cr_assert_not(suggests("abcdefgh", "abcdexxx"));
    cr_assert(suggests("abcdefghi", "abcdefxxx"));
    cr_assert_not(suggests("abcdefghi", "abcdexxxx"));
}

Test(suggest, the_nearest_wins_and_the_first_of_equals)
{
    struct suggestion suggestion = suggest_for(SLICE("timeoutt"));
    suggest_offer(&suggestion, SLICE("timeou"));
    suggest_offer(&suggestion, SLICE("timeout"));
    suggest_offer(&suggestion, SLICE("timeoutx"));
    cr_assert(slice_eq(suggestion.best, SLICE("timeout")));
}

Test(suggest, words_beyond_the_cap_get_none)
{
    char word[SUGGEST_MAX_BYTES + 2];
    memset(word, 'a', sizeof(word));
    struct suggestion suggestion = suggest_for(slice_of(word, SUGGEST_MAX_BYTES));
    suggest_offer(&suggestion, slice_of(word, SUGGEST_MAX_BYTES + 1));
    cr_assert_eq(suggestion.best.len, 0);
    suggest_offer(&suggestion, slice_of(word, SUGGEST_MAX_BYTES));
    cr_assert_eq(suggestion.best.len, SUGGEST_MAX_BYTES);
    suggestion = suggest_for(slice_of(word, SUGGEST_MAX_BYTES + 1));
    suggest_offer(&suggestion, slice_of(word, SUGGEST_MAX_BYTES));
    cr_assert_eq(suggestion.best.len, 0);
}
