/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/print: nothing reaches a terminal raw; members and elements of JSON. */
#include "print.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1024, 65536);
}

static void tear_down(void)
{
    arena_done(&arena);
}

TestSuite(print, .init = set_up, .fini = tear_down);

static void expect_printed(struct slice text, size_t width, const char *printed)
{
    char *out = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&out, &len);
    if (width > 0)
        print_column(file, text, width);
    else
        print_plain(file, text);
    fclose(file);
    cr_expect_str_eq(out, printed);
    free(out);
}

Test(print, control_characters_show_as_hex)
{
    expect_printed(SLICE("a\x1b[2J\n\0\x7f"), 0, "a\\x1b[2J\\x0a\\x00\\x7f");
    expect_printed(SLICE("\xc2\x9b\xc2\xa0\xc3\xa9\xc2"), 0, "\\xc2\\x9b\xc2\xa0\xc3\xa9\xc2");
    expect_printed(SLICE(""), 0, "");
}

Test(print, columns)
{
    expect_printed(SLICE("ab"), 4, "ab    ");
    expect_printed(SLICE("\n"), 4, "\\x0a  ");
    expect_printed(SLICE("abcdef"), 4, "abcdef");
    expect_printed(SLICE("abcde"), 4, "abcde ");
}

Test(print, members)
{
    static const char *const paths[] = {"a", "b.c", "n", "x", "list"};
    struct slice texts[5];
    cr_assert(read_members(SLICE("{\"a\":\"q\\\"\",\"b\":{\"c\":7},\"n\":null,\"list\":[1,2]}"),
                           paths, 5, &arena, texts));
    cr_expect(slice_eq(texts[0], SLICE("q\"")));
    cr_expect(slice_eq(texts[1], SLICE("7")));
    cr_expect_eq(texts[2].len, 0);
    cr_expect_eq(texts[3].len, 0);
    cr_expect(slice_eq(texts[4], SLICE("[1,2]")));
    cr_expect(!read_members(SLICE("{\"a\":"), paths, 5, &arena, texts));
    cr_expect(!read_members(SLICE(""), paths, 5, &arena, texts));
}

static void expect_elements(const char *array, const char *const *elements)
{
    struct slice rest = slice_str(array), element;
    for (; *elements; elements++) {
        cr_expect(next_element(&rest, &element), "%s: %s", array, *elements);
        cr_expect(slice_eq(element, slice_str(*elements)), "%.*s", (int)element.len, element.data);
    }
    cr_expect(!next_element(&rest, &element), "%s", array);
}

Test(print, elements)
{
    expect_elements("[]", (const char *[]){NULL});
    expect_elements("", (const char *[]){NULL});
    expect_elements("[1]", (const char *[]){"1", NULL});
    expect_elements("[{\"a\":[1,2]},\"x,]\\\"}\",[],{}]",
                    (const char *[]){"{\"a\":[1,2]}", "\"x,]\\\"}\"", "[]", "{}", NULL});
}
