/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/node: looking up, emptiness, items. */
#include "node.h"

#include <criterion/criterion.h>

static struct arena arena;
static struct report report;

static struct node *tree(const char *text)
{
    struct node *root = NULL;
    arena_init(&arena, 4096, 1u << 20);
    report_init(&report, "f", slice_str(text), &arena);
    cr_assert_eq(node_read_yaml(slice_str(text), &arena, &report, &root), STATUS_OK);
    return root;
}

static void tear_down(void)
{
    arena_done(&arena);
}

TestSuite(node, .fini = tear_down);

Test(node, is_found_by_its_path)
{
    struct node *root = tree("a: {b: {c: 1}}\nd: 2\n");
    cr_assert_eq(node_find(root, ""), root);
    cr_assert(slice_eq(node_find(root, "a.b.c")->text, SLICE("1")));
    cr_assert(slice_eq(node_find(root, "d")->text, SLICE("2")));
    cr_assert_null(node_find(root, "a.x"));
    cr_assert_null(node_find(root, "d.x"), "a scalar has no children");
    cr_assert_null(node_find(root, "a.b.c.d"));
    cr_assert_null(node_find(NULL, "a"));
}

Test(node, is_appended)
{
    struct node *root = tree("map: {}\na: 1\nb: 2\n");
    struct node *map = root->first, *a = map->next, *b = a->next;
    node_append(map, b);
    node_append(map, a);
    cr_assert(map->count == 2 && map->first == b && b->next == a && map->last == a);
    cr_assert_null(a->next);
    cr_assert_eq(node_find(root, "map.a"), a);
}

Test(node, is_empty_when_its_value_was_left_out)
{
    struct node *root = tree("a:\nb: ~\nc: null\nd: ''\ne: \"~\"\nf: {}\ng: x\n");
    cr_assert(node_is_empty(node_child(root, SLICE("a"))));
    cr_assert(node_is_empty(node_child(root, SLICE("b"))));
    cr_assert(node_is_empty(node_child(root, SLICE("c"))));
    cr_assert_not(node_is_empty(node_child(root, SLICE("d"))));
    cr_assert_not(node_is_empty(node_child(root, SLICE("e"))));
    cr_assert_not(node_is_empty(node_child(root, SLICE("f"))));
    cr_assert_not(node_is_empty(node_child(root, SLICE("g"))));
}

Test(node, one_value_stands_for_a_list_of_one)
{
    struct node *root = tree("one: x\nmany: [x, y]\nnone: []\n");
    struct node *one = node_child(root, SLICE("one"));
    cr_assert_eq(node_item_count(one), 1);
    cr_assert_eq(node_first_item(one), one);
    cr_assert_null(node_next_item(one, one), "not its sibling");
    struct node *many = node_child(root, SLICE("many"));
    cr_assert_eq(node_item_count(many), 2);
    cr_assert_eq(node_next_item(many, node_first_item(many)), many->last);
    struct node *none = node_child(root, SLICE("none"));
    cr_assert_eq(node_item_count(none), 0);
    cr_assert_null(node_first_item(none));
}
