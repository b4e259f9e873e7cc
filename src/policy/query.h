/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One parameter of a raw query string ("a=1&b=2"), for key.c. Cut at '&', and at the first '=';
 * names are compared, and the value is given back, percent-decoded. '+' is left as it is: whether
 * it means a space is the upstream's business, and to take it for one would make two values one.
 */
#ifndef POSTERN_POLICY_QUERY_H
#define POSTERN_POLICY_QUERY_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/policy/key.h>

/* Looks up `name` (decoded; not empty). KEY_MISS_NONE: *ret_value is its value, which borrows
 * `query`, or lies in `arena` if anything was encoded. Otherwise the reason: absent, empty (also
 * without '='), repeated, too long, encoding, no memory; *ret_value is then untouched. */
enum key_miss query_find(struct slice query, struct slice name, struct arena *arena,
                         struct slice *ret_value);

#endif
