/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/yaml: the tree and its marks, what is refused where, caps at, below and
 * above, hostile input. */
#include "node.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct arena arena;
    struct report report;
    struct node *root;
    enum status status;
};

static struct fixture read_yaml(struct slice text)
{
    struct fixture f = {.root = NULL};
    arena_init(&f.arena, 4096, (size_t)256 << 20);
    report_init(&f.report, "f.yaml", text, &f.arena);
    f.status = node_read_yaml(text, &f.arena, &f.report, &f.root);
    return f;
}

/* One error at this place that holds these words. */
static void refuses(struct slice text, enum status status, uint32_t line, uint32_t column,
                    const char *words)
{
    struct fixture f = read_yaml(text);
    cr_assert_eq(f.status, status);
    cr_assert_eq(f.report.errors, 1);
    const struct finding *finding = &f.report.findings[0];
    cr_assert(strstr(finding->message, words), "%s", finding->message);
    cr_assert_eq(finding->at.line, line, "%u", finding->at.line);
    cr_assert_eq(finding->at.column, column, "%u", finding->at.column);
    arena_done(&f.arena);
}

Test(yaml, the_tree_knows_its_places)
{
    struct fixture f = read_yaml(SLICE("a: 1\nb:\n  - x\n  - 'y z'\nc: {d: \"1\"}\n"));
    cr_assert_eq(f.status, STATUS_OK);
    cr_assert_eq(f.root->kind, NODE_MAP);
    cr_assert_eq(f.root->count, 3);
    const struct node *b = node_child(f.root, SLICE("b"));
    cr_assert(b->kind == NODE_LIST && b->count == 2 && b->key_at.line == 2 && b->at.line == 3);
    cr_assert(b->first->plain && slice_eq(b->first->text, SLICE("x")));
    cr_assert(!b->last->plain && slice_eq(b->last->text, SLICE("y z")) && b->last->at.column == 5);
    const struct node *d = node_find(f.root, "c.d");
    cr_assert(!d->plain && slice_eq(d->text, SLICE("1")) && d->at.line == 5 && d->at.column == 8);
    arena_done(&f.arena);
}

Test(yaml, plain_scalars_stay_text)
{
    struct fixture f = read_yaml(SLICE("[no, 0o17, 1e3, 190:20, 010, ~, 2026-01-01, .inf]"));
    const char *const texts[] = {"no", "0o17", "1e3", "190:20", "010", "~", "2026-01-01", ".inf"};
    const struct node *item = f.root->first;
    for (size_t i = 0; i < 8; i++, item = item->next)
        cr_assert(slice_eq(item->text, slice_str(texts[i])));
    arena_done(&f.arena);
}

Test(yaml, an_empty_document_has_no_root)
{
    const struct slice texts[] = {{NULL, 0}, SLICE(""), SLICE("# only this\n"), SLICE("\n\n")};
    for (size_t i = 0; i < 4; i++) {
        struct fixture f = read_yaml(texts[i]);
        cr_assert(f.status == STATUS_OK && !f.root && f.report.errors == 0);
        arena_done(&f.arena);
    }
}

Test(yaml, a_byte_order_mark_is_no_text)
{
    struct fixture f = read_yaml(SLICE("\xef\xbb\xbf"
                                       "a: 1\n"));
    cr_assert_eq(f.status, STATUS_OK);
    cr_assert_not_null(node_child(f.root, SLICE("a")));
    arena_done(&f.arena);
}

Test(yaml, duplicate_keys)
{
    refuses(SLICE("a: 1\nb: 2\na: 3\n"), STATUS_OK, 3, 1, "duplicate key \"a\"");
    refuses(SLICE("x: {a: 1, \"a\": 2}"), STATUS_OK, 1, 11, "duplicate key \"a\"");
    struct fixture f = read_yaml(SLICE("a: 1\na: 2\na: 3\n"));
    cr_assert_eq(f.report.errors, 2);
    cr_assert_str_eq(f.report.findings[1].hint, "it is given on line 1 already");
    cr_assert(slice_eq(node_child(f.root, SLICE("a"))->text, SLICE("1")), "the first counts");
    arena_done(&f.arena);
}

Test(yaml, the_same_key_in_two_maps_is_fine)
{
    struct fixture f = read_yaml(SLICE("x: {a: 1}\ny: {a: 1}\naa: 1\na: 1\n"));
    cr_assert_eq(f.report.errors, 0);
    arena_done(&f.arena);
}

Test(yaml, anchors_aliases_tags_merges)
{
    refuses(SLICE("a: &x 1\n"), STATUS_OK, 1, 4, "anchors");
    refuses(SLICE("a: &x {b: 1}\n"), STATUS_OK, 1, 4, "anchors");
    refuses(SLICE("a: &x [1]\n"), STATUS_OK, 1, 4, "anchors");
    refuses(SLICE("a: !!str 1\n"), STATUS_OK, 1, 4, "tags");
    refuses(SLICE("a: ! x\n"), STATUS_OK, 1, 4, "tags");
    refuses(SLICE("a: !!map {}\n"), STATUS_OK, 1, 4, "tags");
    refuses(SLICE("a: *x\n"), STATUS_OK, 1, 4, "aliases");
    refuses(SLICE("*x : 1\n"), STATUS_INVALID, 1, 1, "plain text");
}

Test(yaml, an_alias_bomb_does_not_grow)
{
    struct fixture f = read_yaml(SLICE("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"));
    cr_assert_eq(f.status, STATUS_OK);
    cr_assert_eq(f.report.errors, 6);
    cr_assert_eq(node_child(f.root, SLICE("c"))->first->kind, NODE_BROKEN);
    arena_done(&f.arena);
}

Test(yaml, keys_are_text)
{
    refuses(SLICE("[a]: 1\n"), STATUS_INVALID, 1, 1, "plain text");
    refuses(SLICE("{a: 1}: 1\n"), STATUS_INVALID, 1, 1, "plain text");
    refuses(SLICE("\"a\\n\": 1\n"), STATUS_INVALID, 1, 1, "control characters");
}

Test(yaml, values_are_one_line_of_text)
{
    refuses(SLICE("a: \"x\\0y\"\n"), STATUS_OK, 1, 4, "control characters");
    refuses(SLICE("a: \"x\\ty\"\n"), STATUS_OK, 1, 4, "control characters");
    refuses(SLICE("a: |\n  x\n  y\n"), STATUS_OK, 1, 4, "line breaks");
}

Test(yaml, one_document)
{
    refuses(SLICE("a: 1\n---\nb: 2\n"), STATUS_INVALID, 2, 1, "second document");
    struct fixture f = read_yaml(SLICE("---\na: 1\n...\n"));
    cr_assert(f.status == STATUS_OK && f.report.errors == 0);
    arena_done(&f.arena);
}

Test(yaml, syntax_errors_have_their_place)
{
    refuses(SLICE("a: [1,\n"), STATUS_INVALID, 2, 1, "while parsing a flow");
    refuses(SLICE("a: \"x\n"), STATUS_INVALID, 2, 1, "while scanning a quoted scalar");
    refuses(SLICE("a: b: c\n"), STATUS_INVALID, 1, 5, "mapping values are not allowed");
    refuses(SLICE("a: }\n"), STATUS_INVALID, 1, 4, "did not find expected node");
}

Test(yaml, tabs_get_their_hint)
{
    struct fixture f = read_yaml(SLICE("a:\n\tb: 1\n"));
    cr_assert_eq(f.status, STATUS_INVALID);
    cr_assert_str_eq(f.report.findings[0].hint, "indent with spaces, not with tabs");
    arena_done(&f.arena);
}

Test(yaml, a_star_needs_quotes)
{
    struct fixture f = read_yaml(SLICE("host: *.example.com\n"));
    cr_assert_eq(f.status, STATUS_INVALID);
    cr_assert_str_eq(f.report.findings[0].hint, "put a value that begins with \"*\" in quotes");
    arena_done(&f.arena);
}

Test(yaml, what_is_no_utf8)
{
    refuses(SLICE("a: b\nc: \xff\n"), STATUS_INVALID, 2, 4, "UTF-8");
    refuses(slice_of("a: \0", 4), STATUS_INVALID, 1, 4, "UTF-8");
    refuses(SLICE("\xff\xfe"
                  "a"),
            STATUS_INVALID, 1, 1, "UTF-8");
}

static struct fixture read_nested(size_t depth)
{
    char *text = malloc(2 * depth);
    cr_assert_not_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    struct fixture f = read_yaml(slice_of(text, 2 * depth));
    free(text);
    return f;
}

Test(yaml, depth_at_and_above_its_cap)
{
    struct fixture f = read_nested(NODE_MAX_DEPTH);
    cr_assert_eq(f.status, STATUS_OK);
    arena_done(&f.arena);
    f = read_nested(NODE_MAX_DEPTH + 1);
    cr_assert_eq(f.status, STATUS_INVALID);
    cr_assert(strstr(f.report.findings[0].message, "deeper than 32"));
    cr_assert_eq(f.report.findings[0].at.column, 33);
    arena_done(&f.arena);
}

/* libyaml alone takes minutes for this one. */
Test(yaml, deep_nesting_ends_at_once, .timeout = 5)
{
    struct fixture f = read_nested(NODE_MAX_FILE_BYTES / 2);
    cr_assert_eq(f.status, STATUS_INVALID);
    arena_done(&f.arena);
}

static struct fixture read_list_of(size_t items)
{
    char *text = malloc(2 * items + 2);
    cr_assert_not_null(text);
    text[0] = '[';
    for (size_t i = 0; i < items; i++)
        memcpy(text + 1 + 2 * i, "x,", 2);
    text[1 + 2 * items] = ']';
    struct fixture f = read_yaml(slice_of(text, 2 * items + 2));
    free(text);
    return f;
}

Test(yaml, nodes_at_and_above_their_cap)
{
    struct fixture f = read_list_of(NODE_MAX_NODES - 1);
    cr_assert_eq(f.status, STATUS_OK);
    cr_assert_eq(f.root->count, NODE_MAX_NODES - 1);
    arena_done(&f.arena);
    f = read_list_of(NODE_MAX_NODES);
    cr_assert_eq(f.status, STATUS_INVALID);
    cr_assert(strstr(f.report.findings[0].message, "more than 100000 values"));
    arena_done(&f.arena);
}

Test(yaml, many_keys_are_compared_quickly, .timeout = 20)
{
    size_t len = 0, count = 80000;
    char *text = malloc(count * 12);
    cr_assert_not_null(text);
    for (size_t i = 0; i < count; i++)
        len += (size_t)sprintf(text + len, "k%zu: 1\n", i % (count - 1));
    struct fixture f = read_yaml(slice_of(text, len));
    cr_assert_eq(f.report.errors, 1);
    cr_assert_eq(f.report.findings[0].at.line, count);
    free(text);
    arena_done(&f.arena);
}

Test(yaml, the_file_at_and_above_its_largest)
{
    char *text = malloc(NODE_MAX_FILE_BYTES + 1);
    cr_assert_not_null(text);
    memset(text, '#', NODE_MAX_FILE_BYTES + 1);
    struct fixture f = read_yaml(slice_of(text, NODE_MAX_FILE_BYTES));
    cr_assert_eq(f.status, STATUS_OK);
    arena_done(&f.arena);
    f = read_yaml(slice_of(text, NODE_MAX_FILE_BYTES + 1));
    cr_assert_eq(f.status, STATUS_INVALID);
    cr_assert_eq(f.report.findings[0].at.line, 0);
    arena_done(&f.arena);
    free(text);
}

Test(yaml, an_exhausted_arena_is_an_answer)
{
    struct slice text = SLICE("a: {b: [c, d]}");
    for (size_t ceiling = 0; ceiling < 2048; ceiling += 64) {
        struct arena arena, report_arena;
        struct report report;
        struct node *root = NULL;
        arena_init(&arena, 64, ceiling);
        arena_init(&report_arena, 64, 4096);
        report_init(&report, "f", text, &report_arena);
        enum status status = node_read_yaml(text, &arena, &report, &root);
        cr_assert(status == STATUS_OK || status == STATUS_NO_MEMORY);
        cr_assert_eq(status == STATUS_OK, root != NULL);
        arena_done(&arena);
        arena_done(&report_arena);
    }
}
