/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict JSON scanner (RFC 8259) that finds values by path without building anything: iterative,
 * depth-capped, no allocation but for unescaped strings. Numbers keep their raw text. A text that
 * is not valid JSON, has duplicate object keys on the way of a path, a lone surrogate, invalid
 * UTF-8, or is deeper than JSON_MAX_DEPTH is refused whole: a wrong key would be worse than none.
 */
#ifndef POSTERN_POLICY_JSON_H
#define POSTERN_POLICY_JSON_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_MAX_DEPTH 128u
#define JSON_MAX_PATH_PARTS 16u
#define JSON_MAX_PATHS 64u

/* A path as people write it: "data.messageId", "items.0.id"; a part of digits also indexes arrays;
 * "\." is a dot inside a name. */
struct json_path {
    struct slice parts[JSON_MAX_PATH_PARTS];
    size_t count;
};

enum json_kind {
    JSON_ABSENT,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_value {
    enum json_kind kind;
    struct slice raw;  /* as in the text; strings with their quotes */
    struct slice text; /* strings: unescaped (in the arena if it had escapes, else in the text);
                          numbers, booleans: raw */
};

enum json_result {
    JSON_OK,
    JSON_INVALID,       /* not RFC 8259 */
    JSON_DUPLICATE_KEY, /* an object that a path passes through, or reads from, has a name twice */
    JSON_TOO_DEEP,
    JSON_NO_MEMORY,
};

/* Reads a path from its text; the parts borrow `text` or lie in `arena` (escaped ones). False:
 * empty, an empty part, or too many. */
bool json_path_parse(struct slice text, struct arena *arena, struct json_path *ret_path);

/* Scans the whole of `text` once and fills `ret_values[i]` for `paths[i]` (JSON_ABSENT when not
 * there). On any result but JSON_OK the values are all JSON_ABSENT. At most JSON_MAX_PATHS. With
 * count 0 it only validates. */
enum json_result json_find(struct slice text, const struct json_path *paths, size_t count,
                           struct arena *arena, struct json_value *ret_values);

/* A word for logs and metrics, static storage. */
const char *json_result_text(enum json_result result);

#endif
