/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/form: what is one, which fields paths name, decoding, repeats. */
#include "form.h"
#include "samples.h"

#include <criterion/criterion.h>

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 1024, 65536);
}

static void close_arena(void)
{
    arena_done(&arena);
}

TestSuite(form, .init = open_arena, .fini = close_arena);

/* What `path` names in `body`. */
static enum key_miss find(const char *body, const char *path, struct slice *ret_value)
{
    struct json_path parsed;
    struct form_field field;
    cr_assert(json_path_parse(slice_str(path), &arena, &parsed));
    char *copy = exact_copy(slice_str(body));
    form_locate(slice_of(copy, strlen(body)), &parsed, 1, &field);
    struct slice value = {0};
    enum key_miss miss = form_read(&field, &arena, &value);
    if (miss == KEY_MISS_NONE)
        cr_assert(arena_copy(&arena, value, ret_value));
    free(copy);
    return miss;
}

static void expect_value(const char *body, const char *path, struct slice wanted)
{
    struct slice value;
    cr_assert_eq(find(body, path, &value), KEY_MISS_NONE, "%s", body);
    cr_assert(slice_eq(value, wanted), "%s: %.*s", body, (int)value.len, value.data);
}

static void expect_no_value(const char *body, const char *path, enum key_miss wanted)
{
    struct slice value;
    enum key_miss miss = find(body, path, &value);
    cr_assert_eq(miss, wanted, "%s: %s", body, key_miss_text(miss));
}

Test(form, content_types)
{
    static const struct {
        struct slice type;
        bool is_form;
    } cases[] = {
        {TEXT("application/x-www-form-urlencoded"), true},
        {TEXT("Application/X-WWW-Form-URLEncoded"), true},
        {TEXT(" application/x-www-form-urlencoded\t; charset=utf-8"), true},
        {TEXT("application/x-www-form-urlencoded;"), true},
        {TEXT(""), false},
        {{0}, false},
        {TEXT(";"), false},
        {TEXT("; application/x-www-form-urlencoded"), false},
        {TEXT("application/x-www-form-urlencode"), false},
        {TEXT("application/x-www-form-urlencoded2"), false},
        {TEXT("application/x-www-form-urlencoded\0"), false},
        {TEXT("application/x-www-form-urlencoded, application/json"), false},
        {TEXT("application/json"), false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        cr_assert_eq(form_is_type(cases[i].type), cases[i].is_form, "number %zu", i);
}

Test(form, values_are_decoded)
{
    expect_value("id=1", "id", SLICE("1"));
    expect_value("a=0&id=1&b=2", "id", SLICE("1"));
    expect_value("id=a+b", "id", SLICE("a b"));
    expect_value("id=a%2Bb%20c", "id", SLICE("a+b c"));
    expect_value("id=+", "id", SLICE(" "));
    expect_value("id=%00%ff", "id", SLICE("\0\xff"));
    expect_value("id=a=b", "id", SLICE("a=b"));
}

Test(form, names_are_decoded)
{
    expect_value("i%64=1", "id", SLICE("1"));
    expect_value("event+id=1", "event id", SLICE("1"));
    expect_value("event%20id=1", "event id", SLICE("1"));
    expect_value("data.id=1", "data\\.id", SLICE("1"));
    expect_value("data%5Bid%5D=1", "data[id]", SLICE("1"));
}

Test(form, what_gives_no_value)
{
    expect_no_value("", "id", KEY_MISS_ABSENT);
    expect_no_value("a=1&&", "id", KEY_MISS_ABSENT);
    expect_no_value("data.id=1", "data.id", KEY_MISS_ABSENT);
    expect_no_value("id=", "id", KEY_MISS_EMPTY);
    expect_no_value("id", "id", KEY_MISS_EMPTY);
    expect_no_value("id=1&id=1", "id", KEY_MISS_REPEATED);
    expect_no_value("id=1&%69d=2", "id", KEY_MISS_REPEATED);
    expect_no_value("id=%zz", "id", KEY_MISS_ENCODING);
    expect_no_value("id=%4", "id", KEY_MISS_ENCODING);
}

Test(form, values_have_their_cap)
{
    char body[KEY_MAX_VALUE_BYTES + 10];
    memset(body, 'x', sizeof body);
    memcpy(body, "id=+", 4);
    body[3 + KEY_MAX_VALUE_BYTES] = '\0';
    struct slice value;
    cr_assert_eq(find(body, "id", &value), KEY_MISS_NONE);
    cr_assert_eq(value.len, KEY_MAX_VALUE_BYTES);
    body[3 + KEY_MAX_VALUE_BYTES] = 'x';
    body[4 + KEY_MAX_VALUE_BYTES] = '\0';
    expect_no_value(body, "id", KEY_MISS_TOO_LONG);
}

Test(form, all_paths_in_one_pass)
{
    struct json_path paths[3];
    struct form_field fields[3];
    const char *const names[] = {"a", "b", "none"};
    for (size_t i = 0; i < 3; i++)
        cr_assert(json_path_parse(slice_str(names[i]), &arena, &paths[i]));
    form_locate(SLICE("b=2&a=1&b=3"), paths, 3, fields);
    cr_assert(fields[0].count == 1 && slice_eq(fields[0].raw, SLICE("1")));
    cr_assert(fields[1].count == 2 && slice_eq(fields[1].raw, SLICE("2")));
    cr_assert_eq(fields[2].count, 0);
}
