/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON read and written a second time, small, slow and recursive, from RFC 8259, RFC 8785 and what
 * policy/json.h and policy/canonical.h promise; nothing of src/policy is used. What fuzz_json.c
 * holds the real one to.
 */
#ifndef POSTERN_TESTS_FUZZ_ORACLE_JSON_H
#define POSTERN_TESTS_FUZZ_ORACLE_JSON_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/policy/canonical.h>

struct oracle_value {
    enum json_kind kind;
    struct slice raw;           /* as in the text */
    struct slice text;          /* strings: what it means; all others: as raw */
    struct slice name;          /* members */
    struct oracle_value *first; /* members and elements, in the order of the text */
    struct oracle_value *next;
    bool kept; /* oracle_select */
};

/* Reads `text`: JSON_OK, JSON_INVALID or JSON_TOO_DEEP. */
enum json_result oracle_read(struct slice text, struct arena *arena,
                             struct oracle_value **ret_root);

/* What a path leads to; NULL: nothing. *ret_repeated becomes true when an object on the way has the
 * name that is asked for twice. */
const struct oracle_value *oracle_find(const struct oracle_value *root,
                                       const struct json_path *path, bool *ret_repeated);

/* True when any object has a name twice. */
bool oracle_has_repeated_names(const struct oracle_value *value);

/* Marks what a selection keeps; returns how many of the values kept say something. */
size_t oracle_select(struct oracle_value *root, const struct json_selection *selection);

/* Appends the canonical form of what is kept. False: a number is out of its bounds. */
bool oracle_write(const struct oracle_value *value, struct buf *form);

#endif
