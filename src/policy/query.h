/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pairs of a raw query string or form body ("a=1&b=2"). Cut at '&', and at the first '='; names
 * are compared, and values given back, percent-decoded. In a query '+' is left as it is: whether it
 * means a space is the upstream's business, and to take it for one would make two values one. In a
 * form body it is a space, as the media type says, and in a query that is meant for us and whose
 * sender writes it so (handshake.c).
 */
#ifndef POSTERN_POLICY_QUERY_H
#define POSTERN_POLICY_QUERY_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/policy/key.h>

enum query_plus { QUERY_PLUS_STAYS, QUERY_PLUS_IS_SPACE };

/* Takes the next pair off *rest, raw; false: no more. */
bool query_next(struct slice *rest, struct slice *ret_name, struct slice *ret_value);

/* True when `raw` decodes to `name`; a name with broken encoding is none that was asked for. */
bool query_is_named(struct slice raw, struct slice name, enum query_plus plus);

/* The value `raw` stands for, as query_find gives it. */
enum key_miss query_read_value(struct slice raw, enum query_plus plus, struct arena *arena,
                               struct slice *ret_value);

/* Looks up `name` (decoded; not empty). KEY_MISS_NONE: *ret_value is its value, which borrows
 * `query`, or lies in `arena` if anything was encoded. Otherwise the reason: absent, empty (also
 * without '='), repeated, too long, encoding, no memory; *ret_value is then untouched. */
enum key_miss query_find(struct slice query, struct slice name, enum query_plus plus,
                         struct arena *arena, struct slice *ret_value);

#endif
