/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to try a key on: as it would go over the wire, or put together from options. Only what
 * a key can see.
 */
#ifndef POSTERN_SRC_CLI_SAMPLE_H
#define POSTERN_SRC_CLI_SAMPLE_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/net/http1.h>
#include <stdbool.h>
#include <stdio.h>

struct sample_field {
    struct slice name, value;
};

struct sample {
    struct slice method, host, path, query;
    struct sample_field *fields;
    size_t field_count;
    struct buf body;   /* the caller's, initialised with the route's ceiling */
    bool has_wire;     /* method, host and path are known */
    bool guessed_body; /* no Content-Length: what follows the head was taken for the body */
};

/* Reads a request from `in` as the gateway would, with its limits; lines may end in a bare LF, as
 * files typed by hand do. Slices lie in `arena`. NULL, or why it is no request. */
const char *sample_read_wire(struct sample *sample, FILE *in, const struct http_limits *limits,
                             struct arena *arena);

/* Takes "Name: value" lines, and a path with an optional query (NULL: none). Slices are borrowed.
 * NULL, or what is wrong. */
const char *sample_set_fields(struct sample *sample, const char *const *lines, size_t count,
                              struct arena *arena);
void sample_set_target(struct sample *sample, const char *target);

/* Appends all of `in` to the body. NULL, or why not. */
const char *sample_read_body(struct sample *sample, FILE *in);

/* For struct key_input: the value of a header. `headers` is the sample. */
size_t sample_header(const void *headers, struct slice name, struct slice *ret_value);

#endif
