/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random trees, written down in many ways (white space, order of names, spelling of characters):
 * json_find must find in each of them what a walk through the tree finds. And random damage: it may
 * be refused or not, but nothing is read beyond the end. Seeded, so every failure can be repeated.
 */
#include <postern/policy/json.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <stdint.h>

#define TREES 10000u
#define WRITINGS 4u
#define DAMAGES 20u
#define MAX_NODES 120u
#define MAX_LETTERS 6u
#define MAX_TEXT 65536u

/* A character and the ways to write it inside a string. */
struct letter {
    struct slice bytes;
    const char *spellings[3]; /* unused ones NULL */
};

static const struct letter alphabet[] = {
    {TEXT("a"), {"a", "\\u0061", NULL}},
    {TEXT("b"), {"b", "\\u0062", NULL}},
    {TEXT("0"), {"0", "\\u0030", NULL}},
    {TEXT("1"), {"1", "\\u0031", NULL}},
    {TEXT("."), {".", "\\u002e", "\\u002E"}},
    {TEXT("\""), {"\\\"", "\\u0022", NULL}},
    {TEXT("\\"), {"\\\\", "\\u005c", "\\u005C"}},
    {TEXT("/"), {"/", "\\/", "\\u002f"}},
    {TEXT("\n"), {"\\n", "\\u000a", NULL}},
    {TEXT("\0"), {"\\u0000", NULL, NULL}},
    {TEXT("\xc3\xa9"), {"\xc3\xa9", "\\u00e9", "\\u00E9"}},
    {TEXT("\xe2\x82\xac"), {"\xe2\x82\xac", "\\u20ac", NULL}},
    {TEXT("\xf0\x9f\x98\x80"), {"\xf0\x9f\x98\x80", "\\ud83d\\ude00", "\\uD83D\\uDE00"}},
};

static const char *const numbers[] = {
    "0", "-0", "1", "1.0", "1e0", "9007199254740993", "123456789012345678901234", "-2.5E-3",
};

/* Letters by their place in the alphabet, and what they come to. */
struct word {
    size_t letters[MAX_LETTERS];
    size_t count;
    char bytes[4 * MAX_LETTERS];
    size_t len;
};

struct node {
    enum json_kind kind;
    struct word name; /* inside an object */
    struct word text; /* strings */
    const char *number;
    struct node *first;
    struct node *next; /* sibling */
};

struct text {
    char bytes[MAX_TEXT];
    size_t len;
};

static uint64_t seed;
static struct node nodes[MAX_NODES];
static size_t node_count;

/* splitmix64: a good spread from any seed. */
static size_t draw(size_t below)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (size_t)((z ^ z >> 31) % below);
}

static struct slice word_slice(const struct word *word)
{
    return slice_of(word->bytes, word->len);
}

/* ---- growing a tree ---- */

static void draw_word(struct word *ret_word, size_t least, size_t letters)
{
    ret_word->count = least + draw(letters);
    ret_word->len = 0;
    for (size_t i = 0; i < ret_word->count; i++) {
        ret_word->letters[i] = draw(COUNT_OF(alphabet));
        struct slice bytes = alphabet[ret_word->letters[i]].bytes;
        memcpy(ret_word->bytes + ret_word->len, bytes.data, bytes.len);
        ret_word->len += bytes.len;
    }
}

static const struct node *find_member(const struct node *object, struct slice name)
{
    for (const struct node *node = object->first; node; node = node->next)
        if (slice_eq(word_slice(&node->name), name))
            return node;
    return NULL;
}

/* A name that the object doesn't have yet; one letter long as a rule, so that objects share names.
 */
static void draw_name(const struct node *object, struct word *ret_name)
{
    do
        draw_word(ret_name, 1, draw(4) ? 1 : 3);
    while (find_member(object, word_slice(ret_name)));
}

static struct node *grow(size_t depth);

static void grow_children(struct node *parent, size_t depth)
{
    size_t children = draw(6);
    for (size_t i = 0; i < children && node_count < MAX_NODES; i++) {
        struct node *child = grow(depth + 1);
        if (parent->kind == JSON_OBJECT)
            draw_name(parent, &child->name);
        struct node **end = &parent->first;
        while (*end)
            end = &(*end)->next;
        *end = child;
    }
}

static struct node *grow(size_t depth)
{
    static const enum json_kind kinds[] = {JSON_OBJECT, JSON_ARRAY, JSON_OBJECT, JSON_NULL,
                                           JSON_FALSE,  JSON_TRUE,  JSON_NUMBER, JSON_STRING};
    struct node *node = &nodes[node_count++];
    bool scalar = depth >= 8;
    *node = (struct node){.kind = kinds[depth == 0 ? draw(3) : scalar ? 3 + draw(5) : draw(8)]};
    node->number = numbers[draw(COUNT_OF(numbers))];
    draw_word(&node->text, 0, MAX_LETTERS + 1);
    if (node->kind == JSON_OBJECT || node->kind == JSON_ARRAY)
        grow_children(node, depth);
    return node;
}

/* ---- writing it down ---- */

static void write_text(struct text *text, struct slice bytes)
{
    cr_assert_leq(text->len + bytes.len, sizeof text->bytes);
    memcpy(text->bytes + text->len, bytes.data, bytes.len);
    text->len += bytes.len;
}

static void write_space(struct text *text)
{
    while (draw(3) == 0)
        write_text(text, slice_of(&" \t\r\n"[draw(4)], 1));
}

static void write_word(struct text *text, const struct word *word)
{
    write_text(text, SLICE("\""));
    for (size_t i = 0; i < word->count; i++) {
        const struct letter *letter = &alphabet[word->letters[i]];
        const char *spelling = letter->spellings[draw(3)];
        write_text(text, slice_str(spelling ? spelling : letter->spellings[0]));
    }
    write_text(text, SLICE("\""));
}

/* The members of an object in another order. */
static void shuffle(struct node *object)
{
    struct node *shuffled = NULL;
    while (object->first) {
        struct node *node = object->first;
        object->first = node->next;
        struct node **place = &shuffled;
        while (*place && draw(2))
            place = &(*place)->next;
        node->next = *place;
        *place = node;
    }
    object->first = shuffled;
}

static void write_node(struct text *text, struct node *node);

static void write_children(struct text *text, struct node *parent)
{
    bool is_object = parent->kind == JSON_OBJECT;
    if (is_object)
        shuffle(parent);
    write_text(text, is_object ? SLICE("{") : SLICE("["));
    write_space(text);
    for (struct node *node = parent->first; node; node = node->next) {
        if (is_object) {
            write_space(text);
            write_word(text, &node->name);
            write_space(text);
            write_text(text, SLICE(":"));
        }
        write_node(text, node);
        if (node->next)
            write_text(text, SLICE(","));
    }
    write_text(text, is_object ? SLICE("}") : SLICE("]"));
}

static void write_node(struct text *text, struct node *node)
{
    static const char *const words[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
    write_space(text);
    if (node->kind == JSON_OBJECT || node->kind == JSON_ARRAY)
        write_children(text, node);
    else if (node->kind == JSON_STRING)
        write_word(text, &node->text);
    else
        write_text(text, slice_str(node->kind == JSON_NUMBER ? node->number : words[node->kind]));
    write_space(text);
}

/* ---- what should be found ---- */

static const struct node *find_element(const struct node *array, struct slice part)
{
    size_t index = 0;
    for (const struct node *node = array->first; node; node = node->next, index++)
        if (part.len == 1 && part.data[0] == (char)('0' + (char)index))
            return node;
    return NULL;
}

static const struct node *walk(const struct node *node, const struct json_path *path)
{
    for (size_t i = 0; i < path->count && node; i++) {
        if (node->kind == JSON_OBJECT)
            node = find_member(node, path->parts[i]);
        else
            node = node->kind == JSON_ARRAY ? find_element(node, path->parts[i]) : NULL;
    }
    return node;
}

/* Goes down from the root by chance; now and then with a name that nobody has. */
static struct json_path draw_path(const struct node *node)
{
    static const struct slice digits[] = {TEXT("0"), TEXT("1"), TEXT("2"), TEXT("3"), TEXT("4")};
    struct json_path path = {.count = 0};
    while (path.count == 0 || (path.count < JSON_MAX_PATH_PARTS && draw(5))) {
        struct slice part = digits[draw(5)];
        const struct node *child = node ? node->first : NULL;
        for (size_t skip = draw(4); child && child->next && skip > 0; skip--)
            child = child->next;
        if (child && node->kind == JSON_OBJECT)
            part = draw(16) ? word_slice(&child->name) : SLICE("nobody");
        path.parts[path.count++] = part;
        node = node && node->kind == JSON_ARRAY ? find_element(node, part) : child;
    }
    return path;
}

static void expect_node(const struct json_value *value, const struct node *node, uint64_t tree)
{
    cr_assert_eq(value->kind, node ? node->kind : JSON_ABSENT, "tree %lu", (unsigned long)tree);
    if (!node)
        return;
    if (node->kind == JSON_STRING)
        cr_assert(slice_eq(value->text, word_slice(&node->text)), "tree %lu", (unsigned long)tree);
    if (node->kind == JSON_NUMBER)
        cr_assert(slice_eq(value->text, slice_str(node->number)), "tree %lu", (unsigned long)tree);
    if (node->kind == JSON_OBJECT)
        cr_assert(value->raw.data[0] == '{' && value->raw.data[value->raw.len - 1] == '}');
}

static struct text text;
static struct json_path paths[JSON_MAX_PATHS];
static struct json_value values[JSON_MAX_PATHS];

/* Finds in a copy with nothing behind it, and turns the values back into the text itself. */
static enum json_result find_in_text(size_t count)
{
    char *copy = exact_copy(slice_of(text.bytes, text.len));
    enum json_result result = json_locate(slice_of(copy, text.len), paths, count, values);
    for (size_t i = 0; i < count; i++)
        if (values[i].raw.data)
            values[i].raw.data = values[i].text.data = text.bytes + (values[i].raw.data - copy);
    free(copy);
    return result;
}

static void check_tree(struct node *root, uint64_t tree)
{
    struct arena arena;
    arena_init(&arena, 4096, 1u << 20);
    size_t count = draw(JSON_MAX_PATHS + 1);
    for (size_t i = 0; i < count; i++)
        paths[i] = draw_path(root);
    for (size_t writing = 0; writing < WRITINGS; writing++) {
        text.len = 0;
        write_node(&text, root);
        cr_assert_eq(find_in_text(count), JSON_OK, "tree %lu", (unsigned long)tree);
        for (size_t i = 0; i < count; i++) {
            cr_assert(json_read_text(&values[i], &arena));
            expect_node(&values[i], walk(root, &paths[i]), tree);
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
}

/* One byte changed, taken out, or turned into grammar. */
static void damage_text(void)
{
    size_t at = draw(text.len);
    switch (draw(3)) {
    case 0:
        text.bytes[at] = (char)draw(256);
        break;
    case 1:
        memmove(text.bytes + at, text.bytes + at + 1, text.len - at - 1);
        text.len--;
        break;
    default:
        text.bytes[at] = "\"\\{}[],:0u"[draw(10)];
        break;
    }
}

static void check_damaged(void)
{
    size_t count = draw(8);
    for (size_t i = 0; i < DAMAGES && text.len > 0; i++) {
        damage_text();
        enum json_result result = find_in_text(count);
        for (size_t j = 0; j < count; j++) {
            struct slice raw = values[j].raw;
            cr_assert(result == JSON_OK || values[j].kind == JSON_ABSENT);
            cr_assert(values[j].kind == JSON_ABSENT ||
                      (raw.len > 0 && raw.data + raw.len <= text.bytes + text.len));
        }
    }
}

Test(json_property, values_do_not_depend_on_the_writing, .timeout = 120)
{
    for (uint64_t tree = 1; tree <= TREES; tree++) {
        seed = tree;
        node_count = 0;
        struct node *root = grow(0);
        check_tree(root, tree);
        check_damaged();
    }
}
