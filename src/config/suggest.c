/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nearness is the optimal string alignment distance: inserted, missing, wrong and swapped
 * neighbouring letters each count one; case counts nothing.
 */
#include "suggest.h"

#include <stdint.h>

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The distance of two words of at most SUGGEST_MAX_BYTES. */
static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][SUGGEST_MAX_BYTES + 1]; /* before the last, last, current */
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *current = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        current[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = ascii_lower(a.data[i - 1]), y = ascii_lower(b.data[j - 1]);
            current[j] = min(min(last[j], current[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower(b.data[j - 2]) &&
                ascii_lower(a.data[i - 2]) == y)
                current[j] = min(current[j], before[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

struct suggestion suggest_for(struct slice wanted)
{
    /* One slip in a short word, up to three in a long one; more is another word. */
    size_t near = wanted.len < 5 ? 1 : wanted.len < 9 ? 2 : 3;
    return (struct suggestion){.wanted = wanted, .distance = near + 1};
}

void suggest_offer(struct suggestion *suggestion, struct slice candidate)
{
    struct slice wanted = suggestion->wanted;
    if (wanted.len < 2 || wanted.len > SUGGEST_MAX_BYTES || candidate.len > SUGGEST_MAX_BYTES)
        return;
    size_t found = distance(wanted, candidate);
    if (found < suggestion->distance && found < candidate.len) {
        suggestion->distance = found;
        suggestion->best = candidate;
    }
}
