/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of JSON (RFC 8259), for json.c and json_tree.c: each function gets the place to look
 * at and the end of the text, and returns the place behind what it read, or NULL when that isn't
 * JSON. Nothing here knows of paths, depth or memory.
 */
#ifndef POSTERN_POLICY_JSON_SCAN_H
#define POSTERN_POLICY_JSON_SCAN_H

#include <postern/base/slice.h>
#include <postern/policy/json.h>
#include <stdbool.h>

/* Behind the white space at `at`; never fails. */
static inline const char *json_skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* Behind the closing quote of the string whose inside begins at `at`. Checks escapes, surrogate
 * pairs, control characters and UTF-8. Sets *ret_escaped when there was an escape, and leaves it
 * alone otherwise. */
const char *json_skip_string(const char *at, const char *end, bool *ret_escaped);

/* Behind the number at `at` (as long as the grammar goes on). */
const char *json_skip_number(const char *at, const char *end);

/* Behind `word`, when that stands at `at`. */
const char *json_skip_word(const char *at, const char *end, struct slice word);

/* Behind the scalar at `at`, which isn't `end`: whatever its first byte announces; what announces
 * nothing is looked at as a number, and refused. Sets *ret_escaped as json_skip_string does. */
const char *json_skip_scalar(const char *at, const char *end, enum json_kind *ret_kind,
                             bool *ret_escaped);

/* Writes the meaning of `inside` (a string json_skip_string accepted, without its quotes) to
 * `ret_text`, which has room for inside.len bytes: no escape is shorter than what it stands for.
 * Returns its length. */
size_t json_unescape(struct slice inside, char *ret_text);

/* True when `inside` (as above) means exactly the bytes of `text`. */
bool json_means(struct slice inside, struct slice text);

#endif
