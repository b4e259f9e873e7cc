/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share: a check that ends the program, bytes taken off the front of an
 * input, a sequence of pieces that the input itself decides. Header only. An input is looked at
 * as: a few bytes that choose how (below '0' is 0, so that corpora can be written as text), then
 * what a peer would send.
 */
#ifndef POSTERN_TESTS_FUZZ_H
#define POSTERN_TESTS_FUZZ_H

#include <postern/base/slice.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's entry point. Always 0; findings end the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asserts may be off in a build; this never is. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A number for the choice of something: the next byte, counted from '0'; 0 at the end. */
static inline unsigned fuzz_choice(struct slice *input)
{
    if (input->len == 0)
        return 0;
    unsigned byte = (unsigned char)input->data[0];
    *input = slice_skip(*input, 1);
    return byte >= '0' ? byte - '0' : 0;
}

/* The bytes up to the next line feed, which is dropped; without one, all that is left. */
static inline struct slice fuzz_line(struct slice *input)
{
    const char *end = input->len > 0 ? memchr(input->data, '\n', input->len) : NULL;
    struct slice line = slice_of(input->data, end ? (size_t)(end - input->data) : input->len);
    *input = slice_skip(*input, line.len + (end ? 1 : 0));
    return line;
}

/* How an input is cut: pieces of 1 … `most` bytes; 0: one piece. */
struct fuzz_cutting {
    size_t most;
    uint32_t seed;
};

/* Length of the next piece when `left` bytes are to come; a fixed sequence per seed. */
static inline size_t fuzz_piece_len(struct fuzz_cutting *cutting, size_t left)
{
    cutting->seed = cutting->seed * 1664525u + 1013904223u;
    size_t len = cutting->most == 0 ? left : 1 + (cutting->seed >> 8) % cutting->most;
    return len < left ? len : left;
}

/* A copy in a block of exactly its size, so that a read behind it is seen; to be freed. */
static inline char *fuzz_block(struct slice bytes)
{
    char *block = malloc(bytes.len > 0 ? bytes.len : 1);
    FUZZ_CHECK(block);
    if (bytes.len > 0)
        memcpy(block, bytes.data, bytes.len);
    return block;
}

#endif
