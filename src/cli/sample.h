/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to try a key on, as octets: as it would go over the wire, or put together from options.
 * gateway/explain.h reads it.
 */
#ifndef POSTERN_SRC_CLI_SAMPLE_H
#define POSTERN_SRC_CLI_SAMPLE_H

#include <postern/base/buf.h>
#include <stdio.h>

struct sample_parts {
    const char *target;         /* path and query */
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    struct slice body;
};

/* Appends all of `in`. NULL, or why not. */
const char *sample_read(struct buf *buf, FILE *in);

/* Appends a POST made of the parts. Its length is that of the body, whatever the headers say; Host
 * is "localhost" unless they say. NULL, or what is wrong. */
const char *sample_write(struct buf *wire, const struct sample_parts *parts);

#endif
