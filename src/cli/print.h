/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of the admin API for people: its members, and text on a terminal.
 */
#ifndef POSTERN_SRC_CLI_PRINT_H
#define POSTERN_SRC_CLI_PRINT_H

#include <postern/base/arena.h>
#include <postern/policy/json.h>
#include <stdio.h>

/* Prints text that a sender may have written: control characters as \xNN, so that none of them
 * reaches the terminal. */
void print_plain(FILE *out, struct slice text);

/* As print_plain, with spaces up to `width` columns (of ASCII), and two more. */
void print_column(FILE *out, struct slice text, size_t width);

/* Reads members of a JSON object (paths as in policy/json.h) of strings; null is empty, like what
 * isn't there. False: it isn't such JSON, or memory is short. */
bool read_members(struct slice object, const char *const *paths, size_t count, struct arena *arena,
                  struct slice *ret_texts);

/* The next element of a valid array; *rest is the array's raw text at first. False: there is none
 * any more. */
bool next_element(struct slice *rest, struct slice *ret_element);

#endif
