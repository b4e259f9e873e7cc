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

/* Once ex->key is known: makes the fingerprint and the note's head, and the key that counts the
 * body. STATUS_UNAVAILABLE when OpenSSL fails. */
NODISCARD enum status note_begin(struct exchange *ex);

/* Fills the note's head into a claim's, renewal's or release's op. */
void note_give_head(struct exchange *ex, struct dedup_op *op);

/* Fills the note as it is now into a settle's op. */
void note_give(struct exchange *ex, struct dedup_op *op);

/* The note as it is now; empty without one. */
struct slice note_text(const struct exchange *ex);

/* The claim's verdict is a duplicate or a copy in flight: true when its body is another one than
 * the first's and the route refuses that. A difference is counted and told in the log, once. */
bool note_conflicts(struct exchange *ex);

/* The upstream's head is here: true while its answer has to be waited for, since it will be kept
 * and is not too large for that yet. */
bool note_waits(const struct exchange *ex);

/* The event is accepted: puts its response into the note, if it is to be kept and whole. Failing
 * that, copies get the plain answer. */
void note_keep_response(struct exchange *ex);

/* A duplicate's stored response; slices lie in ex->first_note. False: there is none. */
bool note_response(const struct exchange *ex, struct reply *ret_reply);

#endif
