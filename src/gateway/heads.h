/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads this gateway writes: the request to the upstream and the answer to the client, rebuilt
 * from parsed parts (never copied), and the JSON of its own answers.
 */
#ifndef POSTERN_SRC_GATEWAY_HEADS_H
#define POSTERN_SRC_GATEWAY_HEADS_H

#include "exchange.h"

/* Writes the upstream's request head into ex->text, all but its Host field and empty line.
 * STATUS_FULL or STATUS_NO_MEMORY. */
NODISCARD enum status write_upstream_head(struct exchange *ex);

/* How the relayed body is framed towards the client. */
enum answer_framing { ANSWER_NO_BODY, ANSWER_SIZED, ANSWER_CHUNKED, ANSWER_TO_CLOSE };

/* Writes the relayed answer's head into ex->text. With ANSWER_SIZED `length` is its Content-Length.
 */
NODISCARD enum status write_relayed_head(struct exchange *ex, enum answer_framing framing,
                                         uint64_t length);

/* The event an answer speaks of: for a copy, the first one. */
const struct uuid *answer_event(const struct exchange *ex);

/* Appends to ex->text what all answers say: outcome, event, rates, connection. */
NODISCARD enum status write_answer_fields(struct exchange *ex);

/* Writes the gateway's own answer for ex->outcome: the head into ex->text, the body into ex->held
 * (left empty for HEAD). */
NODISCARD enum status write_own_answer(struct exchange *ex);

#endif
