/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values a rule of a key finds in a request, for key.c, which makes the digest of them.
 */
#ifndef POSTERN_POLICY_KEY_FIND_H
#define POSTERN_POLICY_KEY_FIND_H

#include "key_body.h"

/* A value as it goes into the digest. */
struct part {
    char kind; /* json, fields: one of the PART_ letters; 0: none is hashed */
    struct slice text;
};

enum { PART_STRING = 's', PART_NUMBER = 'n', PART_TRUE = 't', PART_FALSE = 'f' };

/* The values one rule found. */
struct finding {
    struct part parts[KEY_MAX_FIELDS];
    size_t count;
    enum json_result json;
    uint8_t canonical[SHA256_BYTES]; /* canonical payload: its form's digest, which is the part */
};

/* Looks for the values of `rule`. Uses the digester for a canonical payload; allocates unescaped
 * and decoded values in `arena`. */
enum key_miss key_find(const struct key_rule *rule, const struct key_input *input,
                       struct key_body *body, struct digester *digester, struct arena *arena,
                       struct finding *finding);

#endif
