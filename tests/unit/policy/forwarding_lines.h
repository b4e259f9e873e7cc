/* SPDX-License-Identifier: Apache-2.0 */
/* A request's forwarding fields for the tests of client_find: lines in an array. */
#ifndef POSTERN_TESTS_FORWARDING_LINES_H
#define POSTERN_TESTS_FORWARDING_LINES_H

#include <postern/policy/client_address.h>

struct line {
    const char *name, *value;
};

struct lines {
    const struct line *lines;
    size_t count;
};

/* The i-th line of that name, as struct forwarded_fields wants it. */
static inline bool get_line(const void *headers, struct slice name, size_t i,
                            struct slice *ret_value)
{
    const struct lines *lines = headers;
    for (size_t at = 0; at < lines->count; at++) {
        if (!slice_ieq(slice_str(lines->lines[at].name), name))
            continue;
        if (i-- == 0) {
            *ret_value = slice_str(lines->lines[at].value);
            return true;
        }
    }
    return false;
}

#endif
