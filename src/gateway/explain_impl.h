/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an explained request ends, for the files that find it out: explain.c (the door and the key)
 * and explain_verdict.c (the store).
 */
#ifndef POSTERN_SRC_GATEWAY_EXPLAIN_IMPL_H
#define POSTERN_SRC_GATEWAY_EXPLAIN_IMPL_H

#include <postern/gateway/explain.h>

/* Decides the end, unless it is decided: after the first decision nothing else would happen. */
void explain_end(struct explanation *told, enum explain_end end, enum outcome outcome,
                 uint16_t status);

/* The request goes to the work of its route, with `outcome` if the upstream accepts it;
 * OUTCOME_NONE: as a new event. */
void explain_work(struct explanation *told, enum outcome outcome);

/* Answered by the gateway, as the outcome's row has it. */
void explain_answer(struct explanation *told, enum outcome outcome);

#endif
