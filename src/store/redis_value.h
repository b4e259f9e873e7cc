/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Postern writes into Redis under an event's key, and how it is read back:
 *
 *   <prefix>:{<route>}:<32 hex of the digest>                             the key
 *   p:<32 hex of the owner's token>                                       pending
 *   d:<32 hex of the first event's id>:<status>:<accepted_at>:<window>    done; both in
 *                                                                         milliseconds
 *   either, then ";<note>"                                                with a note (dedup.h):
 * one or more octets of any kind
 *
 * The braces make the route the hash tag of Redis Cluster. Anything that does not read exactly like
 * this (a newer version's value, a stranger's) is VALUE_UNKNOWN, never a duplicate.
 */
#ifndef POSTERN_STORE_REDIS_VALUE_H
#define POSTERN_STORE_REDIS_VALUE_H

#include <postern/store/dedup.h>

/* Between a value and its note; nowhere else in a value. */
#define VALUE_NOTE_MARK ';'

enum value_kind { VALUE_UNKNOWN, VALUE_PENDING, VALUE_DONE };

struct redis_value {
    enum value_kind kind;
    struct dedup_first first; /* pending: event_id is the owner's token */
    uint64_t window_ms;       /* done */
    struct slice note;        /* lies in the text; empty: none */
};

/* "p:" and 32 hex digits. */
#define VALUE_PENDING_LEN 34u
/* The longest "d:…": its parts up to the id, 5 digits of status, twice 20 digits, 3 colons. */
#define VALUE_DONE_MAX (34u + 5u + 2u * 20u + 3u)
/* What the key's text takes besides prefix and route. */
#define VALUE_KEY_EXTRA (4u + EVENT_KEY_HEX)

/* Reads a value; strict. */
struct redis_value redis_value_parse(struct slice text);

/* Writes the value of a pending key without a note, VALUE_PENDING_LEN bytes, no NUL. */
void redis_value_pending(const struct uuid *token, char ret_text[static VALUE_PENDING_LEN]);

/* Writes the value of a done key without a note, no NUL; returns its length. */
size_t redis_value_done(const struct dedup_first *first, uint64_t window_ms,
                        char ret_text[static VALUE_DONE_MAX]);

/* Writes the key's text at `at` (prefix.len + route.len + VALUE_KEY_EXTRA bytes); returns where to
 * go on. */
char *redis_value_key(char *at, struct slice prefix, struct slice route,
                      const struct event_key *key);

#endif
