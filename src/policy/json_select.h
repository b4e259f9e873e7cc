/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which paths of a selection lead on to a member or an element: sets of paths as words, with bit i
 * for paths[i], for json_tree.c.
 */
#ifndef POSTERN_POLICY_JSON_SELECT_H
#define POSTERN_POLICY_JSON_SELECT_H

#include "json_tree.h"

#include <stdint.h>

/* All paths, and those that include. */
uint64_t json_select_all(const struct json_selection *selection);
uint64_t json_select_including(const struct json_selection *selection);

/* Those of `live` whose part number `depth` is `name`, or "*". */
uint64_t json_select_member(const struct json_selection *selection, uint64_t live, size_t depth,
                            struct slice name);

/* Those of `live` whose part number `depth` is the number `index`, or "*". */
uint64_t json_select_element(const struct json_selection *selection, uint64_t live, size_t depth,
                             size_t index);

/* Those of `hits` that have exactly `depth` parts. */
uint64_t json_select_ending(const struct json_selection *selection, uint64_t hits, size_t depth);

#endif
