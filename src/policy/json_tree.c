/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree in one pass: a stack of open containers, each with the paths of the selection that lead
 * into it. A container is sorted and checked for names that stand twice when it closes. Where
 * json.c looks for a few values and builds nothing, this reads all of them.
 */
#include "json_tree.h"

#include "json_scan.h"
#include "json_select.h"
#include "json_sort.h"

#define NODES_AT_ONCE 64u /* as many as a webhook of 1 KiB has */

/* An open object or array. */
struct frame {
    struct json_node *node;
    struct json_node *last; /* its newest child */
    uint64_t live;          /* paths that lead in here and go on */
    size_t count;           /* children so far */
    bool unsorted;          /* a name came that isn't above the one before it */
    bool included;          /* all of it, but for what paths exclude */
    bool excluded;
    char close; /* '}' or ']' */
};

struct builder {
    const char *end;
    const struct json_selection *selection;
    struct arena *arena;
    struct json_node *coming; /* the node whose value comes now */
    struct json_node *room;   /* nodes not yet in use */
    size_t room_left;
    uint64_t hits; /* paths that lead to it */
    uint64_t including;
    size_t depth;
    size_t values;
    size_t weight;
    bool fresh; /* just behind an opening bracket */
    enum json_result result;
    struct frame frames[JSON_MAX_DEPTH];
};

static struct frame *top(struct builder *builder)
{
    return &builder->frames[builder->depth - 1];
}

static bool fail(struct builder *builder, enum json_result result)
{
    builder->result = result;
    return false;
}

static bool make_room(struct builder *builder)
{
    builder->room = arena_alloc(builder->arena, NODES_AT_ONCE * sizeof *builder->room);
    if (!builder->room)
        return fail(builder, JSON_NO_MEMORY);
    builder->room_left = NODES_AT_ONCE;
    return true;
}

/* The node whose value comes next. False: too many, or no memory. */
static bool add_node(struct builder *builder)
{
    if (builder->values == CANONICAL_MAX_VALUES)
        return fail(builder, JSON_TOO_LARGE);
    if (builder->room_left == 0 && !make_room(builder))
        return false;
    builder->room_left--;
    builder->values++;
    struct json_node *node = builder->room++;
    *node = (struct json_node){.kind = JSON_ABSENT};
    builder->coming = node;
    if (builder->depth == 0)
        return true;
    struct frame *parent = top(builder);
    if (parent->last)
        parent->last->next = node;
    else
        parent->node->first = node;
    return true;
}

/* What the inside of a string means; only one with escapes costs memory. */
static bool read_string(struct builder *builder, struct slice inside, bool escaped,
                        struct slice *ret_text)
{
    *ret_text = inside;
    if (!escaped)
        return true;
    char *room = arena_alloc(builder->arena, inside.len);
    if (!room)
        return fail(builder, JSON_NO_MEMORY);
    *ret_text = slice_of(room, json_unescape(inside, room));
    return true;
}

/* ---- what is kept ---- */

static void inherit(struct builder *builder, struct frame *ret_frame)
{
    const struct json_selection *selection = builder->selection;
    const struct frame *parent = builder->depth > 0 ? top(builder) : NULL;
    uint64_t ending = builder->hits ? json_select_ending(selection, builder->hits, builder->depth)
                                    : 0;
    ret_frame->live = builder->hits & ~ending;
    ret_frame->included = (parent ? parent->included : selection->include_count == 0) ||
                          (ending & builder->including) != 0;
    ret_frame->excluded = (parent && parent->excluded) || (ending & ~builder->including) != 0;
}

/* A container is kept with anything in it. */
static void keep_parent(struct builder *builder, const struct json_node *child)
{
    if (builder->depth > 0 && child->kept)
        top(builder)->node->kept = true;
}

static bool says_something(const struct json_node *node)
{
    return node->kept && node->kind != JSON_NULL &&
           (node->kind != JSON_STRING || node->text.len > 0);
}

/* ---- the steps through the text; each returns where the next one begins, or NULL ---- */

static const char *read_scalar(struct builder *builder, const char *at)
{
    struct json_node *node = builder->coming;
    const char *end = builder->end;
    const char *behind = json_skip_scalar(at, end, &node->kind, &node->escaped);
    if (!behind)
        return NULL;
    node->text = slice_of(at, (size_t)(behind - at));
    if (node->kind == JSON_STRING &&
        !read_string(builder, slice_of(at + 1, node->text.len - 2), node->escaped, &node->text))
        return NULL;
    struct frame place;
    inherit(builder, &place);
    node->kept = place.included && !place.excluded;
    builder->weight += says_something(node);
    keep_parent(builder, node);
    builder->fresh = false;
    return behind;
}

static const char *open_container(struct builder *builder, const char *at)
{
    if (builder->depth == JSON_MAX_DEPTH) {
        builder->result = JSON_TOO_DEEP;
        return NULL;
    }
    struct json_node *node = builder->coming;
    struct frame frame = {.node = node, .close = *at == '{' ? '}' : ']'};
    inherit(builder, &frame);
    node->kind = *at == '{' ? JSON_OBJECT : JSON_ARRAY;
    node->kept = frame.included && !frame.excluded;
    builder->frames[builder->depth++] = frame;
    builder->fresh = true;
    return at + 1;
}

/* False: a name stands twice. */
static bool sort_members(struct builder *builder, struct json_node *object)
{
    object->first = json_sort_members(object->first);
    for (const struct json_node *member = object->first; member->next; member = member->next)
        if (slice_eq(member->name, member->next->name))
            return fail(builder, JSON_DUPLICATE_KEY);
    return true;
}

static const char *close_container(struct builder *builder, const char *at)
{
    struct frame *frame = top(builder);
    if (frame->unsorted && !sort_members(builder, frame->node))
        return NULL;
    builder->depth--;
    keep_parent(builder, frame->node);
    builder->fresh = false;
    return at + 1;
}

static const char *begin_value(struct builder *builder, const char *at)
{
    at = json_skip_space(at, builder->end);
    if (at == builder->end)
        return NULL;
    return *at == '{' || *at == '[' ? open_container(builder, at) : read_scalar(builder, at);
}

/* The name in `inside` becomes the newest member's. */
static bool name_member(struct builder *builder, struct slice inside, bool escaped)
{
    struct frame *object = top(builder);
    if (!add_node(builder) || !read_string(builder, inside, escaped, &builder->coming->name))
        return false;
    struct json_node *member = builder->coming;
    member->name_escaped = escaped;
    if (object->last && json_compare_names(object->last->name, member->name) >= 0)
        object->unsorted = true;
    object->last = member;
    builder->hits = object->live ? json_select_member(builder->selection, object->live,
                                                      builder->depth - 1, member->name)
                                 : 0;
    return true;
}

static const char *begin_member(struct builder *builder, const char *at)
{
    const char *end = builder->end;
    at = json_skip_space(at, end);
    if (at == end || *at != '"')
        return NULL;
    bool escaped = false;
    const char *inside = at + 1;
    at = json_skip_string(inside, end, &escaped);
    if (!at || !name_member(builder, slice_of(inside, (size_t)(at - 1 - inside)), escaped))
        return NULL;
    at = json_skip_space(at, end);
    return at < end && *at == ':' ? at + 1 : NULL;
}

static const char *begin_element(struct builder *builder, const char *at)
{
    struct frame *array = top(builder);
    if (!add_node(builder))
        return NULL;
    array->last = builder->coming;
    builder->hits = array->live ? json_select_element(builder->selection, array->live,
                                                      builder->depth - 1, array->count)
                                : 0;
    array->count++;
    return at;
}

/* To the next value of the innermost container that has one more; closes those that have none. */
static const char *next_value(struct builder *builder, const char *at)
{
    while (at && builder->depth > 0) {
        at = json_skip_space(at, builder->end);
        if (at == builder->end)
            return NULL;
        char close = top(builder)->close;
        if (*at == close) {
            at = close_container(builder, at);
            continue;
        }
        if (!builder->fresh && *at++ != ',')
            return NULL;
        return close == '}' ? begin_member(builder, at) : begin_element(builder, at);
    }
    return at;
}

static enum json_result read_text(struct builder *builder, struct slice text)
{
    const char *at = text.data;
    do {
        at = begin_value(builder, at);
        at = at ? next_value(builder, at) : NULL;
    } while (at && builder->depth > 0);
    if (!at)
        return builder->result;
    return json_skip_space(at, builder->end) == builder->end ? JSON_OK : JSON_INVALID;
}

enum json_result json_tree_read(struct slice text, const struct json_selection *selection,
                                struct arena *arena, struct json_node **ret_root,
                                size_t *ret_weight)
{
    struct builder builder; /* not cleared: 8 KiB of frames, written before they are read */
    builder.end = text.data + text.len;
    builder.selection = selection;
    builder.arena = arena;
    builder.hits = json_select_all(selection);
    builder.including = json_select_including(selection);
    builder.depth = builder.values = builder.weight = builder.room_left = 0;
    builder.fresh = false;
    builder.result = JSON_INVALID;
    if (text.len == 0 || !add_node(&builder))
        return builder.result;
    struct json_node *root = builder.coming;
    enum json_result result = read_text(&builder, text);
    if (result == JSON_OK) {
        *ret_root = root;
        *ret_weight = builder.weight;
    }
    return result;
}
