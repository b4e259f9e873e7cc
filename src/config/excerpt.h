/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the file as a message quotes it: short enough for a terminal, without control
 * characters, without what looks like a secret, and where the caret goes below it.
 */
#ifndef POSTERN_SRC_CONFIG_EXCERPT_H
#define POSTERN_SRC_CONFIG_EXCERPT_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXCERPT_COLUMNS 100u /* characters of a line that are shown */

struct excerpt {
    char text[4 * EXCERPT_COLUMNS + 16]; /* UTF-8, and the dots of what was cut; no NUL */
    size_t len;
    size_t caret; /* columns before the caret */
};

/* Finds line `number` (from 1) of `source`, without its line end. False when there is no such
 * line. */
bool excerpt_line(struct slice source, uint32_t number, struct slice *ret_line);

/* Fills `excerpt` with the part of `line` around `column` (from 1, in characters). */
void excerpt_make(struct excerpt *excerpt, struct slice line, uint32_t column);

#endif
