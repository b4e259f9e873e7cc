/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/json_sort: UTF-16 order, lists of every size. */
#include "json_sort.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 8785 3.2.3, and what lies around the surrogates. */
static const char *const ordered[] = {
    "",
    "\r",
    "1",
    "a",
    "aa",
    "b",
    "\x7f",
    "\xc2\x80",
    "\xc3\xb6",
    "\xe2\x82\xac",
    "\xed\x9f\xbf" /* U+D7FF */,
    "\xf0\x90\x80\x80" /* U+10000 */,
    "\xf0\x9f\x98\x80",
    "\xf4\x8f\xbf\xbf" /* U+10FFFF */,
    "\xee\x80\x80" /* U+E000 */,
    "\xef\xac\xb3",
    "\xef\xbf\xbf" /* U+FFFF */,
};

Test(json_sort, names_compare_by_utf16)
{
    for (size_t i = 0; i < COUNT_OF(ordered); i++)
        for (size_t j = 0; j < COUNT_OF(ordered); j++) {
            int order = json_compare_names(slice_str(ordered[i]), slice_str(ordered[j]));
            cr_assert_eq((order > 0) - (order < 0), (i > j) - (i < j), "%zu %zu", i, j);
        }
}

/* Sorts `count` members whose names are numbers drawn by `draw`, and looks at the order. */
static void expect_sorted(size_t count, unsigned range)
{
    struct json_node *nodes = calloc(count, sizeof *nodes);
    char(*names)[12] = calloc(count, sizeof *names);
    cr_assert(nodes && names);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%u", (unsigned)rand() % range);
        nodes[i].name = slice_str(names[i]);
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
    }
    struct json_node *node = json_sort_members(nodes);
    size_t seen = 1;
    for (; node->next; node = node->next, seen++)
        cr_assert_leq(json_compare_names(node->name, node->next->name), 0);
    cr_assert_eq(seen, count);
    free(names);
    free(nodes);
}

Test(json_sort, lists_of_every_size)
{
    srand(1);
    for (size_t count = 1; count <= 70; count++) {
        expect_sorted(count, 3);
        expect_sorted(count, 100000);
    }
    expect_sorted(100000, 1000000);
}
