/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/text: the first failure sticks. */
#include "text.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(text, puts_piece_by_piece)
{
    struct buf buf;
    buf_init(&buf, 64);
    struct text text = {.buf = &buf};
    text_put(&text, "a%d", 1);
    text_put(&text, "%s", "");
    text_put(&text, "%.*s", PRINT(SLICE("b")));
    text_put(&text, "%.*s", PRINT(((struct slice){0})));
    cr_assert_eq(text.status, STATUS_OK);
    cr_assert(slice_eq(buf_slice(&buf), SLICE("a1b")));
    buf_done(&buf);
}

Test(text, the_first_failure_sticks)
{
    struct buf buf;
    buf_init(&buf, 4);
    struct text text = {.buf = &buf};
    text_put(&text, "abc");
    text_put(&text, "de");
    cr_assert_eq(text.status, STATUS_FULL);
    text_put(&text, "%s", "");
    cr_assert_eq(text.status, STATUS_FULL);
    cr_assert(slice_eq(buf_slice(&buf), SLICE("abc")));
    buf_done(&buf);
}

Test(text, shown_text_is_cut)
{
    char name[SHOWN_BYTES + 2];
    memset(name, 'a', sizeof(name));
    struct slice whole = slice_of(name, SHOWN_BYTES), longer = slice_of(name, SHOWN_BYTES + 1);
    char out[128];
    cr_assert_eq(snprintf(out, sizeof(out), "%.*s", SHOWN(whole)), (int)SHOWN_BYTES);
    cr_assert_eq(snprintf(out, sizeof(out), "%.*s", SHOWN(longer)), (int)SHOWN_BYTES);
}
