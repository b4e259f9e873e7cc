/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs bytes through an http1_reader and writes down everything it told, so that two runs over the
 * same bytes, cut differently, can be compared. Used by fuzz_http_request.c and
 * fuzz_http_response.c.
 */
#ifndef POSTERN_TESTS_FUZZ_HTTP_TRANSCRIPT_H
#define POSTERN_TESTS_FUZZ_HTTP_TRANSCRIPT_H

#include "fuzz.h"

#include <postern/net/http1.h>

struct transcript_opts {
    struct http_limits limits;
    bool is_response, is_head_request;
    struct fuzz_cutting cutting;
    /* Asked about every whole message; may be NULL. */
    void (*message)(const struct http_head *head, struct slice body);
};

/* Appends what the reader told of `bytes`, after which the peer closes. */
void transcript_write(const struct transcript_opts *opts, struct slice bytes, struct buf *told);

/* Checks that `bytes` tell the same whole, byte by byte, and in pieces chosen by `seed`. */
void transcript_compare(const struct transcript_opts *opts, struct slice bytes, uint32_t seed);

/* The limits of a run: the defaults, or small ones that an input of a few hundred bytes reaches. */
struct http_limits transcript_limits(bool small);

#endif
