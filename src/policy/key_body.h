/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's body as rules that read it see it: unpacked, and known to be a form or not. Looked at
 * only when a rule asks for it, and once for all rules. What is forwarded stays as it came.
 */
#ifndef POSTERN_POLICY_KEY_BODY_H
#define POSTERN_POLICY_KEY_BODY_H

#include <postern/policy/key.h>

struct key_body {
    bool known;         /* the rest is filled in */
    enum key_miss miss; /* why it can't be read */
    bool is_form; /* by Content-Type, unless it begins as JSON; all else is looked at as JSON */
    struct slice text; /* in the input, or in input->decoded */
};

/* Fills `body` (zeroed before the first call) and returns its miss: KEY_MISS_NONE, or EMPTY,
 * ENCODING (what says gzip isn't), TOO_LONG (it unpacks to more than the ceiling of
 * input->decoded), NO_MEMORY. */
enum key_miss key_body_read(struct key_body *body, const struct key_input *input);

#endif
