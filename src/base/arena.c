/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena's chunks: a singly linked list from the first (kept over a reset) to the newest, from
 * which the next bytes are taken. What no longer fits in the newest goes to a new chunk; the rest
 * of the old one is lost until the reset, which the ceiling does not count. Nothing is ever freed
 * alone.
 */
#include <postern/base/arena.h>

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define ARENA_ALIGN alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *next; /* the next newer one */
    size_t size;              /* usable bytes */
    size_t used;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t chunk_bytes, size_t ceiling_bytes)
{
    assert(chunk_bytes > 0);
    *arena = (struct arena){.chunk_bytes = chunk_bytes, .ceiling_bytes = ceiling_bytes};
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_done(struct arena *arena)
{
    free_chunks(arena->first);
    *arena = (struct arena){0};
}

/* Appends a chunk of `size` usable bytes and makes it the current one. */
static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct arena_chunk))
        return NULL;
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (!chunk)
        return NULL;
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    if (arena->current)
        arena->current->next = chunk;
    else
        arena->first = chunk;
    arena->current = chunk;
    return chunk;
}

#ifdef POSTERN_ARENA_SINGLY

void arena_reset(struct arena *arena)
{
    free_chunks(arena->first);
    arena->first = NULL;
    arena->current = NULL;
    arena->used_bytes = 0;
}

/* A chunk of exactly the bytes asked for: one byte more is a red zone of AddressSanitizer. */
static void *take(struct arena *arena, size_t size, size_t padded)
{
    (void)padded;
    struct arena_chunk *chunk = add_chunk(arena, size);
    return chunk ? chunk->bytes : NULL;
}

#else

void arena_reset(struct arena *arena)
{
    if (arena->first) {
        free_chunks(arena->first->next);
        arena->first->next = NULL;
        arena->first->used = 0;
    }
    arena->current = arena->first;
    arena->used_bytes = 0;
}

/* The size of the chunk that follows `current`: twice as large, so that an arena of n bytes has
 * about log n chunks, but not larger than what the ceiling can still use. */
static size_t next_chunk_size(const struct arena *arena, size_t padded)
{
    size_t left = arena->ceiling_bytes - arena->used_bytes;
    size_t size = arena->current->size <= left / 2 ? 2 * arena->current->size : left;
    return size > padded ? size : padded;
}

static void *take(struct arena *arena, size_t size, size_t padded)
{
    (void)size;
    /* The first chunk has its fixed size even when the first request is larger: it stays over
     * resets, and one large exchange must not make every later one heavy. */
    if (!arena->first && !add_chunk(arena, arena->chunk_bytes))
        return NULL;
    struct arena_chunk *chunk = arena->current;
    if (padded > chunk->size - chunk->used) {
        chunk = add_chunk(arena, next_chunk_size(arena, padded));
        if (!chunk)
            return NULL;
    }
    void *bytes = chunk->bytes + chunk->used;
    chunk->used += padded;
    return bytes;
}

#endif

void *arena_alloc(struct arena *arena, size_t size)
{
    /* An allocation of nothing still gets an address of its own. */
    if (size == 0)
        size = 1;
    size_t left = arena->ceiling_bytes - arena->used_bytes;
    if (size > left)
        return NULL;
    size_t padding = (ARENA_ALIGN - size % ARENA_ALIGN) % ARENA_ALIGN;
    if (padding > left - size)
        return NULL;
    void *bytes = take(arena, size, size + padding);
    if (bytes)
        arena->used_bytes += size + padding;
    return bytes;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *bytes = arena_alloc(arena, size);
    if (bytes)
        memset(bytes, 0, size);
    return bytes;
}

bool arena_copy(struct arena *arena, struct slice bytes, struct slice *ret_copy)
{
    char *copy = arena_alloc(arena, bytes.len);
    if (!copy)
        return false;
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    *ret_copy = slice_of(copy, bytes.len);
    return true;
}
