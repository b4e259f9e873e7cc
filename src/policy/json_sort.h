/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of an object's members (RFC 8785 3.2.3): by the UTF-16 code units of their names, for
 * json_tree.c.
 */
#ifndef POSTERN_POLICY_JSON_SORT_H
#define POSTERN_POLICY_JSON_SORT_H

#include "json_tree.h"

/* Below, equal to or above 0, as `a` (valid UTF-8) comes before, is or comes behind `b`. */
int json_compare_names(struct slice a, struct slice b);

/* Sorts a list of members; never more than n log n comparisons, and no memory. */
struct json_node *json_sort_members(struct json_node *first);

#endif
