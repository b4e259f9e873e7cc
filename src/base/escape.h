/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside made safe for one line of output: UTF-8 checked, quotes, backslashes and
 * control characters escaped in the way of JSON. Shared by buf (whole values) and log (values that
 * may have to be cut between two characters).
 */
#ifndef POSTERN_BASE_ESCAPE_H
#define POSTERN_BASE_ESCAPE_H

#include <postern/base/slice.h>
#include <stddef.h>

#define ESCAPE_MAX 6u /* bytes of the longest escaped character: "\u001f" */

/* One character of the input as it stands in the output. */
struct escaped {
    size_t taken; /* bytes of the input it stands for; at least 1 */
    size_t len;   /* bytes of the output */
    char bytes[ESCAPE_MAX];
};

/* Length of the UTF-8 character at the start of `text`, which must not be empty; 0 when there is
 * none. */
size_t escape_utf8_length(struct slice text);

/* Number of leading bytes of `text` that stand for themselves between JSON quotes: printable ASCII
 * but `"` and `\`. */
size_t escape_plain_run(struct slice text);

/* The first character of `text`, which must not be empty, for the inside of a JSON string. Control
 * characters (C0, DEL, C1) and the line separators U+2028 and U+2029 come out as \uXXXX, so that no
 * terminal and no line reader acts on them; a byte that begins no UTF-8 character as U+FFFD. */
struct escaped escape_next(struct slice text);

#endif
