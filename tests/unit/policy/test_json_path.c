/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/json_path: cutting, escapes, limits. */
#include <postern/policy/json.h>

#include "samples.h"

#include <criterion/criterion.h>

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 1024, 4096);
}

static void close_arena(void)
{
    arena_done(&arena);
}

TestSuite(json_path, .init = open_arena, .fini = close_arena);

static void expect_parts(const char *text, const char *const *parts)
{
    struct json_path path;
    cr_assert(json_path_parse(slice_str(text), &arena, &path), "%s", text);
    size_t count = 0;
    for (; parts[count]; count++) {
        cr_assert_lt(count, path.count, "%s", text);
        cr_assert(slice_eq(path.parts[count], slice_str(parts[count])), "%s", text);
    }
    cr_assert_eq(path.count, count, "%s", text);
}

Test(json_path, is_cut_at_its_dots)
{
    expect_parts("id", (const char *const[]){"id", NULL});
    expect_parts("data.messageId", (const char *const[]){"data", "messageId", NULL});
    expect_parts("items.0.id", (const char *const[]){"items", "0", "id", NULL});
    expect_parts(" a .\xc3\xa9", (const char *const[]){" a ", "\xc3\xa9", NULL});
}

Test(json_path, escaped_dots_and_backslashes_are_letters)
{
    expect_parts("a\\.b", (const char *const[]){"a.b", NULL});
    expect_parts("a\\.b.c\\.", (const char *const[]){"a.b", "c.", NULL});
    expect_parts("\\.", (const char *const[]){".", NULL});
    expect_parts("a\\\\.b", (const char *const[]){"a\\", "b", NULL});
    expect_parts("a\\\\\\.b", (const char *const[]){"a\\.b", NULL});
}

Test(json_path, a_part_without_escape_borrows_the_text)
{
    struct slice text = SLICE("data.id");
    struct json_path path;
    cr_assert(json_path_parse(text, &arena, &path));
    cr_assert_eq(path.parts[0].data, text.data);
    cr_assert_eq(path.parts[1].data, text.data + 5);
    cr_assert_eq(arena.used_bytes, 0);
}

Test(json_path, refuses_what_is_no_path)
{
    static const char *const wrong[] = {"",    ".",  "a.",  ".a",     "a..b",
                                        "a\\", "\\", "\\a", "a\\n.b", "a.b\\"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct json_path path = {.count = 99};
        cr_assert_not(json_path_parse(slice_str(wrong[i]), &arena, &path), "%s", wrong[i]);
        cr_assert_eq(path.count, 99, "untouched on failure");
    }
}

Test(json_path, has_at_most_so_many_parts)
{
    char text[2 * (JSON_MAX_PATH_PARTS + 1)];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? '.' : 'a';
    struct json_path path;
    cr_assert(json_path_parse(slice_of(text, 2 * JSON_MAX_PATH_PARTS - 1), &arena, &path));
    cr_assert_eq(path.count, JSON_MAX_PATH_PARTS);
    cr_assert_not(json_path_parse(slice_of(text, 2 * JSON_MAX_PATH_PARTS), &arena, &path));
    cr_assert_not(json_path_parse(slice_of(text, 2 * JSON_MAX_PATH_PARTS + 1), &arena, &path));
}

Test(json_path, needs_memory_for_escapes_only)
{
    struct arena none;
    struct json_path path;
    arena_init(&none, 16, 0);
    cr_assert(json_path_parse(SLICE("a.b"), &none, &path));
    cr_assert_not(json_path_parse(SLICE("a\\.b"), &none, &path));
    arena_done(&none);
}
