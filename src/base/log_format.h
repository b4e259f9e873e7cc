/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log line as text, between log_write (which gives the values) and the ring (which takes the
 * bytes). Pure: no clock, no lock, no descriptor.
 */
#ifndef POSTERN_BASE_LOG_FORMAT_H
#define POSTERN_BASE_LOG_FORMAT_H

#include <postern/base/log.h>

/* What one line says. */
struct log_entry {
    uint64_t wall_ms;
    enum log_level level;
    const char *message;
    size_t count;
    const struct log_field *fields;
};

/* Writes `entry` with its newline to `ret_line` and returns the length, at most LOG_LINE_MAX. What
 * is too long is cut so that no text crowds another one out, and when not even the names fit,
 * fields at the end are left out. */
size_t log_format_entry(enum log_format format, const struct log_entry *entry,
                        char ret_line[static LOG_LINE_MAX]);

#endif
