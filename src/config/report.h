/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a configuration file, gathered until everything was looked at, then told in
 * the order of the file: position, message, the line with a caret, a hint. It knows no setting; it
 * keeps secrets out of the lines it quotes.
 *
 *   postern.yaml:12:5: error: unknown key "widnow"
 *      12 |     widnow: 24h
 *         |     ^
 *   hint: did you mean "window"?
 */
#ifndef POSTERN_SRC_CONFIG_REPORT_H
#define POSTERN_SRC_CONFIG_REPORT_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPORT_MAX_FINDINGS                                                                        \
    100u /* told in full; the rest is counted: nobody reads more at once                           \
          */

/* A place in the file, both counted from 1, the column in characters; line 0: the whole file. */
struct mark {
    uint32_t line, column;
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct finding {
    struct mark at;
    enum severity severity;
    const char *message;
    const char *hint; /* NULL: none */
};

struct concealed;

struct report {
    const char *name;    /* the file, as its user called it */
    struct slice source; /* its text; borrowed */
    struct arena *arena;
    struct finding findings[REPORT_MAX_FINDINGS];
    size_t count;            /* kept in `findings` */
    size_t errors, warnings; /* all, kept or not */
    bool hint_goes_nowhere;  /* the last finding was not kept */
    bool no_memory;
    struct concealed *concealed;
};

/* Makes an empty report; everything is borrowed, `arena` has to outlive it. */
void report_init(struct report *report, const char *name, struct slice source, struct arena *arena);

/* Adds an error at `at`. Never put a secret into the message. */
void report_error(struct report *report, struct mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds a finding of either severity. */
void report_finding(struct report *report, enum severity severity, struct mark at,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Gives the finding added last a hint: what to write instead. */
void report_hint(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Never quotes the lines `from` … `to`: a secret stands there. */
void report_conceal(struct report *report, uint32_t from, uint32_t to);

/* Sorts and appends everything. STATUS_FULL: `buf` holds as much as its ceiling lets it. */
NODISCARD enum status report_render(struct report *report, struct buf *buf);

#endif
