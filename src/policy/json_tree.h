/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON text as a tree in an arena, for canonical.c: members sorted, strings read, and what a
 * route's paths leave of it marked. As strict as json.h, and stricter: no name may stand twice in
 * any object. Iterative; the number of values is capped.
 */
#ifndef POSTERN_POLICY_JSON_TREE_H
#define POSTERN_POLICY_JSON_TREE_H

#include <postern/policy/canonical.h>

struct json_node {
    enum json_kind kind;
    bool name_escaped, escaped; /* it had escapes, so it may need some again */
    bool kept;                  /* the selection leaves it, or something below it */
    struct slice name;          /* members: what the name means */
    struct slice text;          /* strings: what it means; numbers and words: as in the text */
    struct json_node *first;    /* containers: members by name, elements in order */
    struct json_node *next;
};

/* Reads `text` into *ret_root; names and texts borrow `text` or lie in `arena`. *ret_weight is as
 * canonical_write tells it. */
enum json_result json_tree_read(struct slice text, const struct json_selection *selection,
                                struct arena *arena, struct json_node **ret_root,
                                size_t *ret_weight);

#endif
