/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/arena: alignment, ceiling, chunks, reset. */
#include <postern/base/arena.h>

#include "malloc_refuses.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>

#define ALIGN alignof(max_align_t)

Test(arena, is_empty_at_first)
{
    struct arena arena;
    arena_init(&arena, 1024, 4096);
    cr_assert_null(arena.first);
    cr_assert_eq(arena.used_bytes, 0);
    arena_done(&arena);
}

Test(arena, addresses_are_aligned_and_apart)
{
    struct arena arena;
    arena_init(&arena, 256, 65536);
    for (size_t size = 0; size < 100; size++) {
        char *a = arena_alloc(&arena, size);
        char *b = arena_alloc(&arena, size);
        cr_assert(a && b && a != b);
        cr_assert_eq((uintptr_t)a % ALIGN, 0);
        cr_assert_eq((uintptr_t)b % ALIGN, 0);
        memset(a, 'a', size);
        memset(b, 'b', size);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(a[i], 'a');
    }
    arena_done(&arena);
}

Test(arena, stops_at_the_ceiling_and_not_before)
{
    struct arena arena;
    arena_init(&arena, 4 * ALIGN, 8 * ALIGN);
    cr_assert_not_null(arena_alloc(&arena, 7 * ALIGN));
    cr_assert_null(arena_alloc(&arena, ALIGN + 1));
    cr_assert_eq(arena.used_bytes, 7 * ALIGN);
    cr_assert_not_null(arena_alloc(&arena, 1));
    cr_assert_eq(arena.used_bytes, 8 * ALIGN);
    cr_assert_null(arena_alloc(&arena, 1));
    cr_assert_null(arena_alloc(&arena, 0));
    arena_done(&arena);
}

Test(arena, padding_counts_against_a_ceiling_that_is_not_aligned)
{
    struct arena arena;
    arena_init(&arena, ALIGN, ALIGN - 1);
    cr_assert_null(arena_alloc(&arena, ALIGN - 1));
    cr_assert_null(arena_alloc(&arena, 1));
    arena_done(&arena);
}

Test(arena, sizes_near_the_end_of_the_address_space_fail, .disabled = !MALLOC_REFUSES)
{
    struct arena arena;
    arena_init(&arena, 64, SIZE_MAX);
    cr_assert_null(arena_alloc(&arena, SIZE_MAX));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX - ALIGN));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX / 2));
    cr_assert_not_null(arena_alloc(&arena, 1));
    arena_done(&arena);
}

Test(arena, a_first_chunk_that_malloc_refuses_is_an_answer, .disabled = !MALLOC_REFUSES)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2, SIZE_MAX / 2);
    cr_assert_null(arena_alloc(&arena, SIZE_MAX / 4));
    arena_done(&arena);
}

Test(arena, zalloc_clears_what_was_used_before)
{
    struct arena arena;
    arena_init(&arena, 256, 256);
    memset(arena_alloc(&arena, 256), 0xff, 256);
    arena_reset(&arena);
    char *bytes = arena_zalloc(&arena, 256);
    for (size_t i = 0; i < 256; i++)
        cr_assert_eq(bytes[i], 0);
    cr_assert_null(arena_zalloc(&arena, 1));
    arena_done(&arena);
}

Test(arena, copy)
{
    struct arena arena;
    struct slice copy = SLICE("untouched");
    arena_init(&arena, 64, 4 * ALIGN);
    cr_assert(arena_copy(&arena, SLICE("bytes"), &copy));
    cr_assert(slice_eq(copy, SLICE("bytes")));
    cr_assert(arena_copy(&arena, slice_of(NULL, 0), &copy));
    cr_assert(copy.data && copy.len == 0);
    char large[4 * ALIGN] = {0};
    cr_assert_not(arena_copy(&arena, slice_of(large, sizeof(large)), &copy));
    cr_assert(copy.data && copy.len == 0);
    arena_done(&arena);
}

Test(arena, is_usable_after_done_and_init)
{
    struct arena arena;
    arena_init(&arena, 64, 64);
    cr_assert_not_null(arena_alloc(&arena, 64));
    arena_done(&arena);
    arena_init(&arena, 64, 64);
    cr_assert_not_null(arena_alloc(&arena, 64));
    arena_done(&arena);
}

Test(arena, reset_gives_the_ceiling_back)
{
    struct arena arena;
    arena_init(&arena, 32, 4096);
    arena_reset(&arena);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 16; i++)
            cr_assert_not_null(arena_alloc(&arena, 256));
        cr_assert_null(arena_alloc(&arena, 1));
        arena_reset(&arena);
    }
    arena_done(&arena);
}

#ifndef POSTERN_ARENA_SINGLY

/* How many chunks there are; the arena hides what is in them, but not that they begin with the
 * address of the next one. */
static size_t count_chunks(const struct arena *arena)
{
    size_t count = 0;
    const void *chunk = arena->first;
    for (; chunk; count++)
        memcpy(&chunk, chunk, sizeof(chunk));
    return count;
}

Test(arena, the_first_chunk_stays_over_a_reset)
{
    struct arena arena;
    arena_init(&arena, 1024, 65536);
    void *first = arena_alloc(&arena, 100);
    cr_assert_not_null(arena_alloc(&arena, 10000));
    arena_reset(&arena);
    cr_assert_eq(count_chunks(&arena), 1);
    cr_assert_eq(arena_alloc(&arena, 100), first);
    arena_done(&arena);
}

Test(arena, a_large_first_request_does_not_make_the_first_chunk_large)
{
    struct arena arena;
    arena_init(&arena, 64, 65536);
    cr_assert_not_null(arena_alloc(&arena, 60000));
    cr_assert_eq(count_chunks(&arena), 2);
    arena_reset(&arena);
    cr_assert_not_null(arena_alloc(&arena, 64));
    cr_assert_eq(count_chunks(&arena), 1);
    cr_assert_not_null(arena_alloc(&arena, 1));
    cr_assert_eq(count_chunks(&arena), 2);
    arena_done(&arena);
}

Test(arena, chunks_double)
{
    struct arena arena;
    arena_init(&arena, 1024, 1 << 20);
    while (arena_alloc(&arena, 64))
        continue;
    cr_assert_eq(arena.used_bytes, 1 << 20);
    cr_assert_leq(count_chunks(&arena), 11);
    arena_done(&arena);
}

#endif
