/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking things up in the tree. Reading it is yaml.c's.
 */
#include "node.h"

struct node *node_child(const struct node *map, struct slice key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (struct node *child = map->first; child; child = child->next)
        if (slice_eq(child->key, key))
            return child;
    return NULL;
}

struct node *node_find(struct node *map, const char *path)
{
    struct node *node = map;
    while (node && *path) {
        size_t len = strcspn(path, ".");
        node = node_child(node, slice_of(path, len));
        path += len;
        path += *path == '.';
    }
    return node;
}

void node_append(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

bool node_is_empty(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->plain &&
           (node->text.len == 0 || slice_eq(node->text, SLICE("~")) ||
            slice_eq(node->text, SLICE("null")));
}

struct node *node_first_item(struct node *node)
{
    return node->kind == NODE_LIST ? node->first : node;
}

struct node *node_next_item(const struct node *node, const struct node *item)
{
    return node->kind == NODE_LIST ? item->next : NULL;
}

size_t node_item_count(const struct node *node)
{
    return node->kind == NODE_LIST ? node->count : 1;
}
