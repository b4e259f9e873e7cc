/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator with a mandatory ceiling: everything that lives as long as one exchange sits in
 * its arena and is freed at once. Running out is an answer (NULL), never an abort. Not thread-safe.
 * Built with POSTERN_ARENA_SINGLY (the asan preset) each allocation is a malloc of its own, so that
 * AddressSanitizer sees overruns inside an arena.
 */
#ifndef POSTERN_BASE_ARENA_H
#define POSTERN_BASE_ARENA_H

#include <postern/base/slice.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *first;   /* kept over arena_reset */
    struct arena_chunk *current; /* the newest; bump allocation happens here */
    size_t used_bytes;           /* handed out since init or reset, with padding */
    size_t ceiling_bytes;        /* arena_alloc fails rather than pass it */
    size_t chunk_bytes;          /* usable size of the first chunk */
};

/* Makes an empty arena; allocates nothing yet. `chunk_bytes`: size of the first chunk, which is the
 * only allocation of a typical exchange. `ceiling_bytes`: the most that may be handed out. */
void arena_init(struct arena *arena, size_t chunk_bytes, size_t ceiling_bytes);

/* Frees every chunk; the arena may be used again only after arena_init. */
void arena_done(struct arena *arena);

/* Forgets all allocations but keeps the first chunk, so that the next exchange allocates nothing.
 */
void arena_reset(struct arena *arena);

/* `size` bytes aligned for any type, not cleared; the arena owns them. NULL at the ceiling or out
 * of memory.
 */
void *arena_alloc(struct arena *arena, size_t size);

/* As arena_alloc, zeroed. */
void *arena_zalloc(struct arena *arena, size_t size);

/* A copy of `bytes` in the arena. Returns false (and leaves *ret_copy alone) when arena_alloc would
 * fail. An empty slice copies to an empty slice whose data is not NULL. */
bool arena_copy(struct arena *arena, struct slice bytes, struct slice *ret_copy);

#endif
