/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dedup store of the admin listener: explain asks it what it says of a key, and nothing else is
 * ever asked of it. In front of the same keys as the workers' (the process's table, or Redis over a
 * link of its own, with the process's L1). Part of the composition root.
 */
#ifndef POSTERN_SRC_EXPLAIN_STORE_H
#define POSTERN_SRC_EXPLAIN_STORE_H

#include <postern/admin/admin.h>

struct explain_store;

/* Prepares it; what it stands on is borrowed. `keys`: the memory store, or L1 (may be NULL). It is
 * opened at the first question. NULL: out of memory. */
struct explain_store *explain_store_new(struct loop *loop, const struct config *config,
                                        struct key_table *keys);

/* How the admin listener asks it. */
struct admin_store *explain_store_door(struct explain_store *store);

/* Answers what is pending, closes and frees it; `closed` runs when done, maybe inside this call. */
void explain_store_close(struct explain_store *store, void (*closed)(void *arg), void *arg);

#endif
