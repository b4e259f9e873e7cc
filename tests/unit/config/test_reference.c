/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/reference: docs/configuration.md holds what the rows say. */
#include <postern/config/config.h>

#include "golden.h"

#define PAGE "../../../docs/configuration.md"
#define BEGIN "<!-- begin: postern check --reference -->\n\n"
#define END "<!-- end -->\n"

static void make_reference(struct buf *buf)
{
    buf_init(buf, GOLDEN_BYTES);
    cr_assert_eq(config_reference(buf), STATUS_OK);
}

/* The offset behind BEGIN and that of END in the page. */
static void find_tables(struct slice page, size_t *ret_begin, size_t *ret_end)
{
    const char *begin = memmem(page.data, page.len, BEGIN, strlen(BEGIN));
    const char *end = memmem(page.data, page.len, END, strlen(END));
    cr_assert(begin && end && begin < end, "the page has lost its marks");
    *ret_begin = (size_t)(begin - page.data) + strlen(BEGIN);
    *ret_end = (size_t)(end - page.data);
}

/* Puts the tables between the marks of the page. */
static void update(struct slice page, size_t begin, size_t end, struct slice tables)
{
    struct buf updated;
    buf_init(&updated, GOLDEN_BYTES);
    cr_assert_eq(buf_append(&updated, slice_of(page.data, begin)), STATUS_OK);
    cr_assert_eq(buf_append(&updated, tables), STATUS_OK);
    cr_assert_eq(buf_append(&updated, slice_skip(page, end)), STATUS_OK);
    golden_write(PAGE, buf_slice(&updated));
    buf_done(&updated);
}

Test(reference, the_page_is_up_to_date)
{
    struct buf page, tables;
    size_t begin = 0, end = 0;
    make_reference(&tables);
    buf_init(&page, GOLDEN_BYTES);
    golden_read(PAGE, &page);
    find_tables(buf_slice(&page), &begin, &end);
    struct slice text = buf_slice(&page);
    if (golden_is_updated())
        update(text, begin, end, buf_slice(&tables));
    else
        cr_assert(slice_eq(slice_of(text.data + begin, end - begin), buf_slice(&tables)),
                  "docs/configuration.md is old: run this test once with POSTERN_UPDATE=1");
    buf_done(&page);
    buf_done(&tables);
}

Test(reference, every_scheme_is_explained)
{
    struct buf page;
    char word[64];
    buf_init(&page, GOLDEN_BYTES);
    golden_read(PAGE, &page);
    const char *section = strstr(buf_slice(&page).data, "## Signatures\n");
    cr_assert_not_null(section);
    for (unsigned i = 0; i < VERIFY_SCHEMES; i++) {
        snprintf(word, sizeof(word), "`%s`", verify_scheme_text((enum verify_scheme)i));
        const char *found = strstr(section, word);
        cr_assert(found && found < strstr(section, "**Handshakes.**"), "%s", word);
    }
    buf_done(&page);
}

Test(reference, cells_do_not_break_their_row)
{
    struct buf tables;
    make_reference(&tables);
    struct slice rest = buf_slice(&tables);
    size_t rows = 0;
    while (rest.len > 0) {
        size_t bars = 0, len = 0;
        for (; len < rest.len && rest.data[len] != '\n'; len++)
            bars += rest.data[len] == '|';
        if (rest.data[0] == '|') {
            cr_assert_eq(bars, 5, "%.*s", (int)len, rest.data);
            rows++;
        }
        rest = slice_skip(rest, len + 1);
    }
    cr_assert_gt(rows, 60);
    buf_done(&tables);
}

Test(reference, a_full_buffer_is_told)
{
    struct buf tables;
    buf_init(&tables, 100);
    cr_assert_eq(config_reference(&tables), STATUS_FULL);
    buf_done(&tables);
}
