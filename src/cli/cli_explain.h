/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An explanation as lines for people: one word in front, its meaning behind.
 */
#ifndef POSTERN_SRC_CLI_CLI_EXPLAIN_H
#define POSTERN_SRC_CLI_CLI_EXPLAIN_H

#include <postern/gateway/explain.h>
#include <stdio.h>

/* Prints what is known without a store. */
void print_explanation(FILE *out, const struct explanation *told);

/* Prints how it ends without one, if that is known. */
void print_end(FILE *out, const struct explanation *told);

/* Prints what the running gateway's answer (its JSON) says of the store, and how it would end.
 * False: it can't be read. *ret_key is its key; it lies in `answer` or the arena. */
bool print_verdict(FILE *out, struct slice answer, struct arena *arena, struct slice *ret_key);

#endif
