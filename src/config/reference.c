/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference tables of docs/configuration.md, out of the rows: a table per scope, then what the
 * file may already say but this version refuses.
 */
#include <postern/config/config.h>

#include "schema.h"
#include "text.h"
#include "values.h"

#include <inttypes.h>

static const struct scope *const SCOPES[] = {&SCOPE_ROOT, &SCOPE_LISTENER, &SCOPE_CERTIFICATE,
                                             &SCOPE_UPSTREAM, &SCOPE_ROUTE};
#define SCOPE_COUNT (sizeof(SCOPES) / sizeof(SCOPES[0]))

static void put_words(const struct word *words, bool later, struct text *text)
{
    const char *separator = "";
    for (const struct word *word = words; word->text; word++)
        if (word->later == later) {
            text_put(text, "%s`%s`", separator, word->text);
            separator = ", ";
        }
}

static void put_range(const struct setting *setting, struct text *text)
{
    char min[VALUE_TEXT_SIZE], max[VALUE_TEXT_SIZE];
    if (setting->kind == SETTING_COUNT) {
        text_put(text, "%" PRIu64 " … %" PRIu64, setting->min, setting->max);
        return;
    }
    if (setting->kind == SETTING_SIZE) {
        value_format_size(setting->min, min);
        value_format_size(setting->max, max);
    } else {
        value_format_duration(setting->min, min);
        value_format_duration(setting->max, max);
    }
    text_put(text, "%s … %s", min, max);
}

static void put_allowed(const struct setting *setting, struct text *text)
{
    if (setting->form)
        text_put(text, "%s", setting->form);
    else if (setting->words)
        put_words(setting->words, false, text);
    else if (setting->kind == SETTING_FLAG)
        text_put(text, "`true`, `false`");
    else
        put_range(setting, text);
}

static void put_default(const struct setting *setting, struct text *text)
{
    if (setting->standard)
        text_put(text, "`%s`%s", setting->standard, setting->otherwise ? ", " : "");
    if (setting->otherwise)
        text_put(text, "%s", setting->otherwise);
    else if (!setting->standard)
        text_put(text, "%s", setting->required ? "**required**" : "none");
}

static void put_row(const struct setting *setting, struct text *text)
{
    text_put(text, "| `%s` | ", setting->path);
    put_default(setting, text);
    text_put(text, " | ");
    put_allowed(setting, text);
    text_put(text, " | %s |\n", setting->help);
}

static void put_scope(const struct scope *scope, struct text *text)
{
    text_put(text, "### %s\n\n", scope->title);
    text_put(text, "| setting | default | may be | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < scope->count; i++)
        put_row(&scope->settings[i], text);
    text_put(text, "\n");
}

static bool has_later_word(const struct setting *setting)
{
    for (const struct word *word = setting->words; word && word->text; word++)
        if (word->later)
            return true;
    return false;
}

static void put_later(const struct scope *scope, struct text *text)
{
    for (size_t i = 0; i < scope->count; i++) {
        const struct setting *setting = &scope->settings[i];
        if (!has_later_word(setting))
            continue;
        text_put(text, "- `%s%s`: ", scope->prefix, setting->path);
        put_words(setting->words, true, text);
        text_put(text, "\n");
    }
}

enum status config_reference(struct buf *buf)
{
    struct text text = {.buf = buf};
    for (size_t i = 0; i < SCOPE_COUNT; i++)
        put_scope(SCOPES[i], &text);
    text_put(&text, "### Known, and refused by this version\n\n");
    for (size_t i = 0; i < SCOPE_COUNT; i++)
        put_later(SCOPES[i], &text);
    text_put(&text, "\n");
    return text.status;
}
