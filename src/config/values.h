/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with and without units, from the text of the file and back. A unit is never guessed.
 */
#ifndef POSTERN_SRC_CONFIG_VALUES_H
#define POSTERN_SRC_CONFIG_VALUES_H

#include <postern/base/slice.h>
#include <stdint.h>

#define VALUE_DURATION_UNITS "ms, s, m, h, d"
#define VALUE_SIZE_UNITS "B, kB, KiB, MB, MiB, GB, GiB"
#define VALUE_RATE_UNITS "/s, /m, /h"

enum value_fault {
    VALUE_OK,
    VALUE_NOT_A_NUMBER, /* no digits at its front, or a leading zero */
    VALUE_NO_UNIT,      /* a bare number where a unit is needed */
    VALUE_BAD_UNIT,     /* what follows the number is no unit */
    VALUE_TOO_LARGE,    /* beyond 64 bits */
};

/* "250ms", "30s", "5m", "24h", "7d": *ret_ms in milliseconds. */
enum value_fault value_duration(struct slice text, uint64_t *ret_ms);

/* "64B", "32KiB", "1MiB", "4GiB", and 1000-based "1kB", "1MB", "1GB": *ret_bytes. */
enum value_fault value_size(struct slice text, uint64_t *ret_bytes);

/* "20000", digits only. */
enum value_fault value_count(struct slice text, uint64_t *ret_count);

/* "100/s", "30/m", "5/h": so many in *ret_period_us. */
enum value_fault value_rate(struct slice text, uint64_t *ret_count, uint64_t *ret_period_us);

#define VALUE_TEXT_SIZE 32 /* room for any text the two below write, with its NUL */

/* Writes the text with the largest unit that leaves a whole number: "90s", "24h", "0s". */
void value_format_duration(uint64_t ms, char ret_text[static VALUE_TEXT_SIZE]);

/* The same for bytes: "1MiB", "1500B". Only 1024-based units. */
void value_format_size(uint64_t bytes, char ret_text[static VALUE_TEXT_SIZE]);

#endif
