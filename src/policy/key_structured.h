/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of a header that holds a string as RFC 8941 writes it ("…", with \" and \\), for the
 * header rules that ask for that: Idempotency-Key, of the IETF draft. Users send the bare text as
 * often, so that is taken for the same value. Parameters are refused: nothing defines any, and
 * dropping them could make two keys one.
 */
#ifndef POSTERN_POLICY_KEY_STRUCTURED_H
#define POSTERN_POLICY_KEY_STRUCTURED_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/policy/key.h>

/* Reads `raw`, a field's value without white space around it. KEY_MISS_NONE: *ret_value is what it
 * means; it borrows `raw`, or lies in `arena` if anything was escaped. Otherwise the reason (empty,
 * too long, malformed, no memory), and *ret_value is untouched. */
enum key_miss key_structured_read(struct slice raw, struct arena *arena, struct slice *ret_value);

#endif
