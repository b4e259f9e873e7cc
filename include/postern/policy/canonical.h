/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form of a JSON text (RFC 8785): members sorted by name, one spelling for each
 * string and number, no white space; whole, or what a selection of paths leaves of it.
 *
 * Two differences from RFC 8785, both so that two different events never come out the same:
 * - Numbers keep every digit they were written with. What is the shortest text of a double comes
 *   out as RFC 8785 has it; 9007199254740993 stays what it is, and is not ...992.
 * - A selection leaves elements of arrays at their places: one that is left out before one that is
 *   kept leaves its comma, so [,1] (no JSON) is not [1].
 * Refused are: what json.h refuses, any name that stands twice in an object, more than
 * CANONICAL_MAX_VALUES values, numbers longer than 1,024 bytes or with exponents beyond nine
 * digits.
 */
#ifndef POSTERN_POLICY_CANONICAL_H
#define POSTERN_POLICY_CANONICAL_H

#include <postern/base/slice.h>
#include <postern/policy/json.h>
#include <stdbool.h>
#include <stddef.h>

/* In one text: 8 MiB of nodes, for as long as one call takes. */
#define CANONICAL_MAX_VALUES 131072u

/* What is kept of a text: what lies at or below the first `include_count` paths (with none, all of
 * it), but for what lies at or below the others. A part "*" stands for every member and element. */
struct json_selection {
    const struct json_path *paths;
    size_t include_count, path_count; /* path_count: at most JSON_MAX_PATHS */
};

/* Where the form goes, in pieces. Embedded in whatever holds it. */
struct canonical_sink {
    /* False: it can't be taken; nothing more is written then. */
    bool (*write)(struct canonical_sink *sink, struct slice piece);
};

/* Writes the canonical form of `text` to `sink`. JSON_NO_MEMORY also when the sink refused. On any
 * result but JSON_OK what was written is to be forgotten. *ret_weight is how many of the values
 * kept say something: scalars but for null and empty strings. A selection of weight 0 tells no
 * event from another. */
enum json_result canonical_write(struct slice text, const struct json_selection *selection,
                                 struct canonical_sink *sink, size_t *ret_weight);

#endif
