/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines for people and machines: one JSON object (or one text line) each, RFC 3339 UTC time
 * with milliseconds. Any thread may write; a line is formatted on the caller's stack and handed to
 * one writer thread through a bounded ring, so that a blocked stdout never blocks an event loop.
 * Lines that find the ring full are counted and the number is told in the next line that fits.
 * Never pass a body or a secret.
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* Bytes of one line with its newline; longer values are cut and marked with "...". Not above
 * PIPE_BUF, so that lines of several processes on one pipe don't mix. */
#define LOG_LINE_MAX 4096u
#define LOG_RING_BYTES (1u << 20) /* lines waiting for the writer */

struct log;

struct log_field {
    const char *name; /* static storage, snake_case */
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT } kind;
    struct slice text;
    int64_t number;
};

#define LOG_TEXT(field, value)                                                                     \
    ((struct log_field){.name = (field), .kind = LOG_FIELD_TEXT, .text = (value)})
#define LOG_STR(field, value) LOG_TEXT(field, slice_str(value))
#define LOG_INT(field, value)                                                                      \
    ((struct log_field){.name = (field), .kind = LOG_FIELD_INT, .number = (int64_t)(value)})

/* Starts the writer thread on file descriptor `fd` (borrowed, its flags are left alone). NO_MEMORY,
 * or IO when the thread can't be started. */
NODISCARD enum status log_open(int fd, enum log_format format, enum log_level level,
                               struct log **ret_log);

/* Writes what the ring holds (giving a blocked descriptor at most 2 s; the rest is lost), stops the
 * thread, frees; NULL is fine. A thread stuck inside write (a stopped terminal) is left behind and
 * frees the log when write returns. No other thread may use the log any more. */
void log_close(struct log *log);

/* True when lines of `level` are written; ask before gathering costly fields. NULL log: false. */
bool log_wants(const struct log *log, enum log_level level);

/* Changes the level from the next line on (reload); any thread. */
void log_set_level(struct log *log, enum log_level level);

/* Writes one line; `message` and the field names have static storage. A NULL log swallows it (for
 * tests). */
void log_write(struct log *log, enum log_level level, const char *message, size_t count,
               const struct log_field *fields);

/* Lines lost so far because the ring was full or the descriptor failed; any thread. */
uint64_t log_dropped(const struct log *log);

/* log_line(log, LOG_WARN, "redis link lost", LOG_STR("reason", why), LOG_INT("retry_in_ms", ms));
 * at least one field */
#define log_line(log, level, message, ...)                                                         \
    log_write((log), (level), (message),                                                           \
              sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field),                \
              (struct log_field[]){__VA_ARGS__})

#endif
