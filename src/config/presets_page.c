/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding presets by their names, and docs/presets.md out of their rows.
 */
#include <postern/config/presets.h>

#include "suggest.h"
#include "text.h"

const struct preset *preset_find(struct slice name)
{
    for (size_t i = 0; i < PRESET_COUNT; i++)
        if (slice_eq(slice_str(PRESETS[i].name), name))
            return &PRESETS[i];
    return NULL;
}

const struct preset *preset_nearest(struct slice name)
{
    struct suggestion suggestion = suggest_for(name);
    for (size_t i = 0; i < PRESET_COUNT; i++)
        suggest_offer(&suggestion, slice_str(PRESETS[i].name));
    return preset_find(suggestion.best);
}

static const char INTRO[] =
    "# Presets\n"
    "\n"
    "What is known of webhook senders, as settings of a route. `preset: NAME` puts them under "
    "those "
    "the route gives itself:\n"
    "each setting is the route's, else the preset's, else the default of "
    "[the configuration](configuration.md).\n"
    "\n"
    "```yaml\n"
    "routes:\n"
    "  - name: github\n"
    "    match: {path: /github}\n"
    "    upstream: ci\n"
    "    preset: github\n"
    "    signature: {secret: env:GITHUB_WEBHOOK_SECRET}   # what the preset can't know\n"
    "    in_flight_wait: 4s                               # instead of the preset's\n"
    "```\n"
    "\n"
    "`postern presets` lists them, `postern presets NAME` shows one. This page is made from the "
    "same "
    "table.\n"
    "\n"
    "What all keep: a window of at least 72 hours, and of the sender's longest known schedule of "
    "retries with a fifth on top (up to\n"
    "the 30 days a route may have); copies of an event at work wait no longer than the sender "
    "does; "
    "for a webhook a redirect is no\n"
    "success. What could not be confirmed at its source is said. Senders change: read the source "
    "before you rely on a figure.\n";

static void put_list(struct text *text)
{
    text_put(text, "\n| preset | for | the route gives |\n|---|---|---|\n");
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        const struct preset *preset = &PRESETS[i];
        text_put(text, "| [`%s`](#%s) | %s | %s |\n", preset->name, preset->name, preset->title,
                 *preset->needs ? preset->needs : "nothing more");
    }
}

static void put_preset(const struct preset *preset, struct text *text)
{
    text_put(text, "\n## %s\n\n%s\n\n```yaml\n%s```\n", preset->name, preset->title,
             preset->settings);
    if (*preset->needs)
        text_put(text, "\n**The route gives:** %s.\n", preset->needs);
    text_put(text, "\n**The sender's retries:** %s\n", preset->retries);
    text_put(text, "\n**Why:** %s\n", preset->why);
    text_put(text, "\n**Source** (%s): %s.\n", preset->date, preset->source);
}

enum status presets_reference(struct buf *buf)
{
    struct text text = {.buf = buf};
    text_put(&text, "%s", INTRO);
    put_list(&text);
    for (size_t i = 0; i < PRESET_COUNT; i++)
        put_preset(&PRESETS[i], &text);
    return text.status;
}
