/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part by part, as the tree is read. Where no path leads, nothing here is called.
 */
#include "json_select.h"

#include <assert.h>

#define INDEX_DIGITS 15u /* no text is long enough for an index of more */

static uint64_t lowest(size_t count)
{
    assert(count <= JSON_MAX_PATHS);
    return count == JSON_MAX_PATHS ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

uint64_t json_select_all(const struct json_selection *selection)
{
    return lowest(selection->path_count);
}

uint64_t json_select_including(const struct json_selection *selection)
{
    return lowest(selection->include_count);
}

static struct slice part_of(const struct json_selection *selection, uint64_t set, size_t depth)
{
    return selection->paths[__builtin_ctzll(set)].parts[depth];
}

static bool is_wildcard(struct slice part)
{
    return part.len == 1 && part.data[0] == '*';
}

static bool is_index(struct slice part, size_t index)
{
    if (part.len == 0 || part.len > INDEX_DIGITS || (part.data[0] == '0' && part.len > 1))
        return false;
    size_t number = 0;
    for (size_t i = 0; i < part.len; i++) {
        if (part.data[i] < '0' || part.data[i] > '9')
            return false;
        number = number * 10 + (size_t)(part.data[i] - '0');
    }
    return number == index;
}

uint64_t json_select_member(const struct json_selection *selection, uint64_t live, size_t depth,
                            struct slice name)
{
    uint64_t hits = 0;
    for (; live; live &= live - 1) {
        struct slice part = part_of(selection, live, depth);
        if (slice_eq(part, name) || is_wildcard(part))
            hits |= live & -live;
    }
    return hits;
}

uint64_t json_select_element(const struct json_selection *selection, uint64_t live, size_t depth,
                             size_t index)
{
    uint64_t hits = 0;
    for (; live; live &= live - 1) {
        struct slice part = part_of(selection, live, depth);
        if (is_wildcard(part) || is_index(part, index))
            hits |= live & -live;
    }
    return hits;
}

uint64_t json_select_ending(const struct json_selection *selection, uint64_t hits, size_t depth)
{
    uint64_t ending = 0;
    for (; hits; hits &= hits - 1)
        if (selection->paths[__builtin_ctzll(hits)].count == depth)
            ending |= hits & -hits;
    return ending;
}
