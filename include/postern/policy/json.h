/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict JSON scanner (RFC 8259) that finds values by path without building anything: iterative,
 * depth-capped, no allocation but for unescaped strings. Numbers keep their raw text. A text that
 * is not valid JSON, has a byte order mark, a lone surrogate or invalid UTF-8, holds a name twice
 * where a path asks for it, or is deeper than JSON_MAX_DEPTH is refused whole: a wrong key would be
 * worse than none.
 *
 * Names no path asks for may repeat: they change none of the values found, whichever of them the
 * upstream takes, and to remember them all would need memory in proportion to the text.
 */
#ifndef POSTERN_POLICY_JSON_H
#define POSTERN_POLICY_JSON_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_MAX_DEPTH 128u
#define JSON_MAX_PATH_PARTS 16u
#define JSON_MAX_PATHS 64u /* one bit each in a word */

/* A path as people write it: "data.messageId", "items.0.id"; a part of digits (without leading
 * zeros) also indexes arrays; "\." is a dot inside a name and "\\" a backslash. */
struct json_path {
    struct slice parts[JSON_MAX_PATH_PARTS]; /* compared with unescaped names */
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
    struct slice text; /* strings: unescaped (in the arena if it had escapes, else in the text; may
                          hold NUL); all others: as raw */
};

enum json_result {
    JSON_OK,
    JSON_INVALID,       /* not RFC 8259 */
    JSON_DUPLICATE_KEY, /* a name that a path asks for stands twice in one object, however spelled:
                           "a" and "\u0061" are one */
    JSON_TOO_DEEP,
    JSON_TOO_LARGE, /* canonical.h: too many values, or a number with too many digits;
                       json_read_short_text: too long */
    JSON_NO_MEMORY,
};

/* Reads a path from its text; the parts borrow `text` or lie in `arena` (escaped ones). False:
 * empty, an empty part, too many, a backslash before anything but a dot or a backslash, or no
 * memory. */
bool json_path_parse(struct slice text, struct arena *arena, struct json_path *ret_path);

/* Scans the whole of `text` once and fills `ret_values[i]` for `paths[i]` (JSON_ABSENT when not
 * there). On any result but JSON_OK (the first fault of the text decides which) the values are all
 * JSON_ABSENT. At most JSON_MAX_PATHS. With count 0 it only validates. */
enum json_result json_find(struct slice text, const struct json_path *paths, size_t count,
                           struct arena *arena, struct json_value *ret_values);

/* As json_find, but leaves the text of strings with escapes for json_read_text, so that nobody pays
 * memory for a string he won't use. */
enum json_result json_locate(struct slice text, const struct json_path *paths, size_t count,
                             struct json_value *ret_values);

/* Fills the text of a value of json_locate. False: no memory; the value is unchanged. */
bool json_read_text(struct json_value *value, struct arena *arena);

/* As json_read_text for a text of at most `max_bytes`, of whatever kind the value is: JSON_OK,
 * JSON_TOO_LARGE or JSON_NO_MEMORY; on these two the value is unchanged. What is too long in any
 * case isn't even unescaped, so that a stranger's long text can't exhaust the arena and turn "too
 * long" into "no memory". */
enum json_result json_read_short_text(struct json_value *value, size_t max_bytes,
                                      struct arena *arena);

/* A word for logs and metrics, static storage. */
const char *json_result_text(enum json_result result);

#endif
