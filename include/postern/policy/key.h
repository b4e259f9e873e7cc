/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes two arrivals the same event: a route's list of key rules, tried in order, over one
 * complete request. Pure: no I/O, no time.
 *
 * digest = SHA-256( part(version) part(route name) part(rule number and kind) part(value) … ) cut
 * to 128 bits, each part with its length in front. The rule is in the digest, so that a header
 * value never equals a body field's.
 */
#ifndef POSTERN_POLICY_KEY_H
#define POSTERN_POLICY_KEY_H

#include <postern/base/arena.h>
#include <postern/base/event_key.h>
#include <postern/base/slice.h>
#include <postern/policy/digest.h>
#include <postern/policy/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_MAX_RULES 8u
#define KEY_MAX_VALUE_BYTES                                                                        \
    4096u /* a longer header, query or field value is "no key" with its own reason                 \
           */

enum key_kind {
    KEY_PAYLOAD, /* SHA-256 of the raw body; an empty body has no key */
    KEY_HEADER,  /* one field's value; missing, empty, or sent twice: no key */
    KEY_QUERY,   /* one query parameter's percent-decoded value; missing, empty, or given twice: no
                    key */
    KEY_JSON,    /* the first of `paths` that holds a string (not empty), number or boolean; null,
                    objects and    arrays count as absent */
    KEY_FIELDS,  /* all of `paths`, each a string (may be empty), number or boolean */
};

struct key_rule {
    enum key_kind kind;
    struct slice name;             /* header or query */
    const struct json_path *paths; /* json, fields */
    size_t path_count;
};

struct key_field {
    struct slice name, value;
};

/* What a key is made from; everything borrowed. */
struct key_input {
    struct slice route;
    struct slice query; /* raw, without '?' */
    struct slice body;
    const void *headers; /* handed back to `header` */
    /* The value of the header `name` (any case). Returns how many there are; *ret_value is the
     * first. */
    size_t (*header)(const void *headers, struct slice name, struct slice *ret_value);
};

/* Why a rule gave no key; counted per route. */
enum key_miss {
    KEY_MISS_NONE,
    KEY_MISS_ABSENT,   /* not there, or null */
    KEY_MISS_EMPTY,    /* there, but empty */
    KEY_MISS_REPEATED, /* a header or parameter given more than once */
    KEY_MISS_TOO_LONG,
    KEY_MISS_NOT_JSON,   /* the body can't be trusted as JSON: see the detail */
    KEY_MISS_NOT_SCALAR, /* an object or array stands where a value should */
    KEY_MISS_ENCODING,   /* a query value with broken percent-encoding */
    KEY_MISS_NO_MEMORY,
    KEY_MISSES
};

struct key_result {
    bool found;
    struct event_key key;
    size_t rule;           /* index of the rule that gave it */
    enum key_miss miss;    /* of the first rule, when none gave one */
    enum json_result json; /* with KEY_MISS_NOT_JSON */
    /* The parts that were hashed, for `postern key` and explain; slices into the input or the
     * arena. */
    struct slice values[16];
    size_t value_count;
};

/* Tries `rules` in order. Allocates only unescaped strings in `arena`. */
struct key_result key_make(const struct key_rule *rules, size_t rule_count,
                           const struct key_input *input, struct digester *digester,
                           struct arena *arena);

/* "payload", "header", …; static storage. */
const char *key_kind_text(enum key_kind kind);

/* "absent", "not_json", …: metric label; static storage. */
const char *key_miss_text(enum key_miss miss);

#endif
