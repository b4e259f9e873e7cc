/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange keeps beside its key for the copies that come later, and what a copy makes of
 * it: the fingerprint of the body (fingerprint, on_mismatch) and the first response (duplicate:
 * replay). The text of a note is policy/reply.h's.
 *
 *   key      the fingerprint is made; with on_mismatch: new it becomes part of the key
 *   claim    the note's head goes with it: a copy in flight can be compared already
 *   forward  an answer to be replayed is waited for until it is whole
 *   record, settle   the note with the response in it
 */
#ifndef POSTERN_SRC_GATEWAY_NOTE_H
#define POSTERN_SRC_GATEWAY_NOTE_H

#include "exchange.h"

/* True when the route keeps something beside its keys. */
bool note_is_kept(const struct route_opts *route);

/* Once the route's rule has made `key`: the body's fingerprint, where the route asks for one, and
 * with on_mismatch: new the key that counts it. STATUS_UNAVAILABLE when OpenSSL fails. */
NODISCARD enum status note_identify(const struct route_opts *route, struct digester *digester,
                                    struct slice body, struct fingerprint *ret_fingerprint,
                                    struct event_key *key);

/* note_identify for ex->key, and the note's head. */
NODISCARD enum status note_begin(struct exchange *ex);

/* The note of a queue's event, made once more from its body (raw, as received): appended to `note`.
 * Nothing where the route's queue keeps none. STATUS_UNAVAILABLE, STATUS_NO_MEMORY. */
NODISCARD enum status note_of_body(const struct route_opts *route, struct digester *digester,
                                   struct slice body, struct buf *note);

/* Fills the note's head into a claim's, renewal's or release's op. */
void note_give_head(struct exchange *ex, struct dedup_op *op);

/* Fills the note as it is now into a settle's op. */
void note_give(struct exchange *ex, struct dedup_op *op);

/* The note as it is now; empty without one. */
struct slice note_text(const struct exchange *ex);

/* True, with *ret_first, when the route compares bodies and the first event's (by its note) is
 * another one. */
bool note_differs(const struct route_opts *route, const struct fingerprint *fingerprint,
                  struct slice first_note, struct fingerprint *ret_first);

/* The claim's verdict is a duplicate or a copy in flight: true when its body is another one than
 * the first's and the route refuses that. A difference is counted and told in the log, once. */
bool note_conflicts(struct exchange *ex);

/* The upstream's head is here: true while its answer has to be waited for, since it will be kept
 * and is not too large for that yet. */
bool note_waits(const struct exchange *ex);

/* The event is accepted: puts its response into the note, if it is to be kept and whole. Failing
 * that, copies get the plain answer. */
void note_keep_response(struct exchange *ex);

/* The stored response that a duplicate of the route gets; slices lie in `first_note`. False: there
 * is none. */
bool note_response(const struct route_opts *route, struct slice first_note,
                   struct reply *ret_reply);

#endif
