/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean": the candidate nearest to a misspelt word, if one is near enough to be meant.
 */
#ifndef POSTERN_SRC_CONFIG_SUGGEST_H
#define POSTERN_SRC_CONFIG_SUGGEST_H

#include <postern/base/slice.h>
#include <stddef.h>

#define SUGGEST_MAX_BYTES 64u /* longer words get no suggestion */

struct suggestion {
    struct slice wanted;
    struct slice best; /* empty: none is near */
    size_t distance;   /* of `best`; before one was found, the largest that is near */
};

/* Begins the search for `wanted`, which is borrowed, as are the candidates. */
struct suggestion suggest_for(struct slice wanted);

/* Offers one candidate; of equally near ones the first stays. */
void suggest_offer(struct suggestion *suggestion, struct slice candidate);

#endif
