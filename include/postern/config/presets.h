/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of webhook senders, one row each: settings of a route, as the file would write
 * them, that `preset: NAME` puts under those the route gives itself. docs/presets.md is made from
 * the table, and a test compares.
 *
 * What all rows keep: a window of 72 hours or more, and of the sender's longest schedule of retries
 * with a fifth on top, as far as 30 days go; nothing that has to stay secret; no mode.
 */
#ifndef POSTERN_CONFIG_PRESETS_H
#define POSTERN_CONFIG_PRESETS_H

#include <postern/base/buf.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stddef.h>

struct preset {
    const char *name;     /* "github" */
    const char *title;    /* "GitHub" */
    const char *settings; /* YAML, a map of route settings; secrets are never in it */
    const char *needs;    /* what the route has to give beside it, "signature.secret"; several are
                             separated by ", "; "": nothing */
    const char *retries; /* what the sender does, for people: one paragraph of Markdown, as below */
    const char *why;     /* why these settings, for people */
    const char *source;  /* where that was read, and what could not be confirmed */
    const char *date;    /* when, "2026-11" */
};

/* The table, by name. */
extern const struct preset PRESETS[];
extern const size_t PRESET_COUNT;

/* The row of that name, or NULL. */
const struct preset *preset_find(struct slice name);

/* The row whose name is near enough to `name` to be meant, or NULL. */
const struct preset *preset_nearest(struct slice name);

/* Appends docs/presets.md. */
NODISCARD enum status presets_reference(struct buf *buf);

#endif
