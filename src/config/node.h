/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML document as a tree whose every node knows its place in the file. It holds text only: what
 * a plain `30` or `no` means is decided by the setting that reads it, so that none of YAML 1.1's
 * implicit types ever applies.
 */
#ifndef POSTERN_SRC_CONFIG_NODE_H
#define POSTERN_SRC_CONFIG_NODE_H

#include "report.h"

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stddef.h>

#define NODE_MAX_FILE_BYTES (1u << 20)
#define NODE_MAX_DEPTH 32u
#define NODE_MAX_NODES 100000u

enum node_kind {
    NODE_SCALAR,
    NODE_MAP,
    NODE_LIST,
    NODE_BROKEN, /* was reported while it was read; nobody looks at it again */
};

struct node {
    enum node_kind kind;
    bool plain;         /* scalars: written without quotes */
    bool refused;       /* a reader reported it: what was made of it is a default, not its value */
    bool preset;        /* it stands in the preset its route names, not in the file */
    struct mark at;     /* where its text begins */
    uint32_t end_line;  /* where it ends */
    struct slice key;   /* inside a map */
    struct mark key_at; /* inside a map */
    struct slice text;  /* scalars */
    struct node *first, *last; /* maps and lists */
    struct node *next;         /* sibling */
    const struct node *under;  /* what the route's preset would have said in its place */
    size_t count;              /* of children */
};

/* Reads a document into a tree in `arena`, which also keeps all text. What can be reported and read
 * over (duplicate keys, anchors, aliases, tags) is; then the answer is STATUS_OK although `report`
 * has errors. STATUS_INVALID: reported, and there is no tree. In an empty document *ret_root is
 * NULL. */
NODISCARD enum status node_read_yaml(struct slice text, struct arena *arena, struct report *report,
                                     struct node **ret_root);

/* The value of `key` in a map, or NULL; NULL also when `map` is none. */
struct node *node_child(const struct node *map, struct slice key);

/* The value at a dotted path below `map`, "redis.timeout", or NULL. */
struct node *node_find(struct node *map, const char *path);

/* Puts `child` behind the children of a map or list. */
void node_append(struct node *parent, struct node *child);

/* True for a value that was left out after its key: nothing, "~" or "null". */
bool node_is_empty(const struct node *node);

/* Walks the items of a list; any other node counts as a list of itself, so that `methods: POST`
 * may stand for `methods: [POST]`. NULL: no more. */
struct node *node_first_item(struct node *node);
struct node *node_next_item(const struct node *node, const struct node *item);

/* How many items that walk has. */
size_t node_item_count(const struct node *node);

#endif
