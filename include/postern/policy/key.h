/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes two arrivals the same event: a route's list of key rules, tried in order, over one
 * complete request. Pure: no I/O, no time.
 *
 * digest = the first 128 bits of
 *     SHA-256( version, part(route name), scope, rule, value … )
 *     scope   nothing without one; else 's', number of scopes, each: kind byte;
 *             header: part(name as the route spells it); '1' and part(value), or '0' and
 *             part(nothing) for a header that isn't there
 *     rule    kind byte (a structured header's is not a header's); header, query: part(name as the
 *             rule spells it); header with several names: another kind byte, number of names, each
 *             part(name);
 *             json, fields: paths; canonical payload: included paths, excluded paths
 *     paths   number of paths, each: number of parts, part …
 *     value   payload: part(body); canonical payload: part(SHA-256 of the form);
 *             header, query: part(value); of a structured header: what the value means;
 *             json, fields: kind byte (string, number, true, false) and part(text)
 *
 * Every part has its length in front: `ab`+`c` is not `a`+`bc`.
 *
 * The rule is in the digest as it is defined, not by its place in the list:
 * - Two rules never make the same key. An order 5 by header and a customer 5 by body are two
 *   events; if they shared a key, one would be lost. The price: an event whose first arrival had
 *   the header and whose retry lacks it is let through twice. Losing is worse, and senders repeat
 *   their requests unchanged.
 * - Rules may be added, removed or moved at a reload without touching the keys of the others, and
 *   `missing: payload` makes the same key as a `payload` rule in the list.
 * - An edited rule makes new keys: what it asks for has changed, and old values must not pass for
 *   new ones. Retries of events from before the edit are then not known.
 * All paths of one json rule are spellings of one thing: which of them held the value is not in the
 * digest, so that the same id under another of its names is the same event. So it is with the names
 * of one header rule: Svix and its users sign an id that may be called svix-id or webhook-id, and
 * whoever renames it in a recorded request shall not make a new event of it.
 *
 * A JSON string and a JSON number of the same text are different ("5" is not 5). In json and fields
 * rules numbers are compared as they were written (1 is not 1.0): the scanner keeps the text, and
 * what an upstream makes of it isn't known here. The canonical form has one text for each value.
 *
 * Rules that read the body (json, fields, canonical payload) read what it says: unpacked when it
 * came with Content-Encoding: gzip, and json and fields also as a form when Content-Type says so.
 * The values of a form are strings. A payload that isn't canonical is the octets as they came.
 */
#ifndef POSTERN_POLICY_KEY_H
#define POSTERN_POLICY_KEY_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/base/event_key.h>
#include <postern/base/slice.h>
#include <postern/policy/canonical.h>
#include <postern/policy/digest.h>
#include <postern/policy/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_MAX_RULES 8u
#define KEY_MAX_FIELDS 16u /* paths of a KEY_FIELDS rule; KEY_JSON: JSON_MAX_PATHS */
#define KEY_MAX_SELECT 32u /* paths of `include`, and of `exclude` */
#define KEY_MAX_SCOPE 8u
#define KEY_MAX_NAMES 4u /* of a KEY_HEADER rule */

/* A longer header, query or field value is "no key" with its own reason: ids are short, and a path
 * that points at a text is a mistake that should show. */
#define KEY_MAX_VALUE_BYTES 4096u

enum key_kind {
    KEY_PAYLOAD, /* SHA-256 of the raw body, or of its canonical form; an empty body has no key */
    KEY_HEADER,  /* one field's value, of several names the first that is there and not empty;
                    missing, empty, or sent twice: no key; `structured`: also when it is malformed */
    KEY_QUERY,   /* one query parameter's percent-decoded value ('+' stays '+'); missing, empty, or
                    given twice: no key */
    KEY_JSON,    /* the first of `paths` that holds a string (not empty), number or boolean; null,
                    empty strings, objects and arrays count as absent */
    KEY_FIELDS,  /* all of `paths`, each a string (may be empty, but not all of them), number or
                    boolean */
};

struct key_rule {
    enum key_kind kind;
    struct slice name;             /* header or query */
    const struct slice *others;    /* header: what else it may be called */
    size_t other_count;            /* below KEY_MAX_NAMES */
    const struct json_path *paths; /* json, fields: at least 1, at most JSON_MAX_PATHS or
                                      KEY_MAX_FIELDS; canonical payload: a json_selection's */
    size_t path_count;
    size_t include_count; /* canonical payload */
    bool canonical;       /* payload */
    bool structured; /* header: the value is a string of RFC 8941 ("…" with \" and \\, without
                        parameters), or the same text plain: visible ASCII without '"', ',' and
                        spaces. Both are the same value: what Idempotency-Key asks for and what its
                        users send */
};

enum key_scope_kind { KEY_SCOPE_METHOD, KEY_SCOPE_PATH, KEY_SCOPE_HEADER };

/* What else tells events of a route apart. A header that is missing is a scope of its own, other
 * than an empty one; one that is there twice leaves the request without a key. */
struct key_scope {
    enum key_scope_kind kind;
    struct slice name; /* header */
};

/* What a key is made from; everything borrowed. */
struct key_input {
    struct slice route;
    struct slice method; /* these two only for scopes */
    struct slice path;   /* as it came, without the query */
    struct slice query;  /* raw, without '?' */
    struct slice body;   /* as it came */
    const struct key_scope *scope;
    size_t scope_count; /* at most KEY_MAX_SCOPE */
    /* Where a packed body is unpacked to when a rule reads it; its ceiling is the most that may
     * come out. NULL: such a body can't be read. The result's values may lie in it. */
    struct buf *decoded;
    const void *headers; /* handed back to `header` */
    /* The value of the header `name` (any case). Returns how many there are; *ret_value is the
     * first. */
    size_t (*header)(const void *headers, struct slice name, struct slice *ret_value);
};

/* Why a rule gave no key; counted per route. */
enum key_miss {
    KEY_MISS_NONE,
    KEY_MISS_ABSENT,     /* not there, or null */
    KEY_MISS_EMPTY,      /* there, but empty */
    KEY_MISS_REPEATED,   /* a header, parameter or form field given more than once */
    KEY_MISS_TOO_LONG,   /* a value, an unpacked body, or what a canonical form may hold */
    KEY_MISS_NOT_JSON,   /* the body can't be trusted as JSON: see the detail */
    KEY_MISS_MALFORMED,  /* a structured header that is no string and no plain token (RFC 8941) */
    KEY_MISS_NOT_SCALAR, /* an object or array stands where a value should */
    KEY_MISS_ENCODING,   /* a value with broken percent-encoding, a body that isn't gzip */
    KEY_MISS_NO_MEMORY,  /* no memory, or OpenSSL failed: what the key is can't be said now */
    KEY_MISSES
};

struct key_result {
    bool found;
    struct event_key key;
    size_t rule;           /* index of the rule that gave it */
    enum key_miss miss;    /* when none gave one: of the first rule, or KEY_MISS_NO_MEMORY */
    enum json_result json; /* with KEY_MISS_NOT_JSON */
    /* The parts that were hashed, for `postern key` and explain; slices into the input or the
     * arena. For payload the body, unpacked if canonical. */
    struct slice values[KEY_MAX_FIELDS];
    size_t value_count;
};

/* Tries `rules` in order. Allocates only unescaped and decoded values in `arena`; the tree of a
 * canonical form is gone when this returns. KEY_MISS_NO_MEMORY ends the
 * search: a later rule would give the event another key than it has on a better day, so the
 * exchange must fail rather than pass as "without key". */
struct key_result key_make(const struct key_rule *rules, size_t rule_count,
                           const struct key_input *input, struct digester *digester,
                           struct arena *arena);

/* The selection of a canonical payload rule, for canonical_write. */
struct json_selection key_selection(const struct key_rule *rule);

/* "payload", "header", …; static storage. */
const char *key_kind_text(enum key_kind kind);

/* "absent", "not_json", …: metric label; static storage. */
const char *key_miss_text(enum key_miss miss);

#endif
