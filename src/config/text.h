/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing longer text into a buffer (reports, the reference page, summaries) without asking after
 * each piece: the first failure sticks, what follows is dropped, and the writer looks once at the
 * end. Used inside config/ only.
 */
#ifndef POSTERN_SRC_CONFIG_TEXT_H
#define POSTERN_SRC_CONFIG_TEXT_H

#include <postern/base/buf.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>

struct text {
    struct buf *buf;
    enum status status; /* of the first piece that failed */
};

/* For "%.*s": a slice as printf wants it. */
#define PRINT(s) (int)(s).len, (s).len ? (s).data : ""

/* For "%.*s": a slice out of the file as messages show it, cut after SHOWN_BYTES. */
#define SHOWN_BYTES 60u
#define SHOWN(s) (int)((s).len < SHOWN_BYTES ? (s).len : SHOWN_BYTES), (s).len ? (s).data : ""

/* Appends printf-style text. */
void text_put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
