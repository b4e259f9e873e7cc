/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one map by its rows: unknown keys first (unknown.c), then row by row. Rows are read in
 * their own order, not the file's, so that a route can look back at the limits and upstreams
 * wherever they stand; the report puts its findings back into the file's order.
 */
#include "build.h"
#include "suggest.h"
#include "text.h"
#include "values.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void build_refuse(struct build *build, struct node *node, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    node->refused = true;
    report_error(build->report, node->at, "%s", message);
}

struct mark build_mark(const struct node *node, const struct node *map)
{
    return node ? node->at : map->at;
}

void *build_alloc(struct build *build, size_t size)
{
    void *bytes = arena_zalloc(build->arena, size);
    build->no_memory |= !bytes;
    return bytes;
}

struct slice build_copy(struct build *build, struct slice text)
{
    struct slice copy = {.data = "", .len = 0};
    build->no_memory |= !arena_copy(build->arena, text, &copy);
    return copy;
}

void build_suggest(struct build *build, const struct suggestion *suggestion)
{
    if (suggestion->best.len > 0)
        report_hint(build->report, "did you mean \"%.*s\"?", PRINT(suggestion->best));
}

bool build_is_value(struct build *build, const struct setting *setting, struct node *node)
{
    if (node->kind == NODE_SCALAR && !node_is_empty(node))
        return true;
    if (node->kind == NODE_SCALAR) {
        build_refuse(build, node, "%s has no value", setting->path);
        if (setting->standard)
            report_hint(build->report, "leave the line out for the default, %s", setting->standard);
    } else {
        build_refuse(build, node, "%s must be one value, not a %s", setting->path,
                     node->kind == NODE_MAP ? "map" : "list");
    }
    return false;
}

void build_read_items(struct build *build, const struct setting *setting, struct node *node,
                      size_t max,
                      void (*read_item)(struct build *build, struct node *item, void *target),
                      void *target)
{
    size_t count = node_item_count(node);
    if (count == 0 || count > max) {
        build_refuse(build, node, "%s must have 1 to %zu items, not %zu", setting->path, max,
                     count);
        return;
    }
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item)) {
        if (item->kind != NODE_BROKEN && build_is_value(build, setting, item))
            read_item(build, item, target);
        node->refused |= item->refused;
    }
}

struct node *build_sound(struct node *map, const char *path)
{
    struct node *node = node_find(map, path);
    return node && node->kind != NODE_BROKEN && !node->refused ? node : NULL;
}

struct node *build_own(struct node *map, const char *path)
{
    struct node *node = build_sound(map, path);
    return node && !node->preset ? node : NULL;
}

bool build_has_refused(const struct node *node)
{
    if (node->refused || node->kind == NODE_BROKEN)
        return true;
    for (const struct node *child = node->first; child; child = child->next)
        if (build_has_refused(child))
            return true;
    return false;
}

bool build_read_named(struct build *build, const struct setting *setting, struct node *node,
                      unsigned count, const char *(*text_of)(unsigned value), unsigned *ret_value)
{
    if (!build_is_value(build, setting, node))
        return false;
    struct suggestion suggestion = suggest_for(node->text);
    for (unsigned i = 0; i < count; i++) {
        if (slice_eq(node->text, slice_str(text_of(i)))) {
            *ret_value = i;
            return true;
        }
        suggest_offer(&suggestion, slice_str(text_of(i)));
    }
    build_refuse(build, node, "there is no %s \"%.*s\"", setting->path, SHOWN(node->text));
    build_suggest(build, &suggestion);
    return false;
}

/* ---- plain values ---- */

static void store_number(void *target, size_t width, uint64_t number)
{
    if (width == 0)
        return; /* a word list of which this version serves only one: nothing to keep */
    uint8_t byte = (uint8_t)number;
    uint16_t half = (uint16_t)number;
    uint32_t word = (uint32_t)number;
    assert(width == 1 || width == 2 || width == 4 || width == 8);
    assert(width == 8 || number >> (8 * width) == 0);
    const void *sources[] = {[1] = &byte, [2] = &half, [4] = &word, [8] = &number};
    memcpy(target, sources[width], width);
}

static bool is_duration(const struct setting *setting)
{
    return setting->kind == SETTING_MS || setting->kind == SETTING_SECONDS;
}

static void format_number(const struct setting *setting, uint64_t number,
                          char ret_text[static VALUE_TEXT_SIZE])
{
    if (is_duration(setting))
        value_format_duration(number, ret_text);
    else if (setting->kind == SETTING_SIZE)
        value_format_size(number, ret_text);
    else
        snprintf(ret_text, VALUE_TEXT_SIZE, "%llu", (unsigned long long)number);
}

static void refuse_range(struct build *build, const struct setting *setting, struct node *node)
{
    char min[VALUE_TEXT_SIZE], max[VALUE_TEXT_SIZE];
    format_number(setting, setting->min, min);
    format_number(setting, setting->max, max);
    build_refuse(build, node, "%s must be from %s to %s, not %.*s", setting->path, min, max,
                 SHOWN(node->text));
}

static void refuse_number(struct build *build, const struct setting *setting, struct node *node,
                          enum value_fault fault)
{
    const char *units = is_duration(setting) ? VALUE_DURATION_UNITS : VALUE_SIZE_UNITS;
    const char *example = is_duration(setting) ? "s" : "KiB";
    if (fault == VALUE_TOO_LARGE) {
        refuse_range(build, setting, node);
    } else if (setting->kind == SETTING_COUNT) {
        build_refuse(build, node, "%s must be a whole number, not \"%.*s\"", setting->path,
                     SHOWN(node->text));
    } else if (fault == VALUE_NO_UNIT) {
        build_refuse(build, node, "missing unit: %s is \"%.*s\"", setting->path, SHOWN(node->text));
        report_hint(build->report, "write it with one, as in \"%.*s%s\"; units are %s",
                    SHOWN(node->text), example, units);
    } else if (fault == VALUE_BAD_UNIT) {
        build_refuse(build, node, "unknown unit in %s: \"%.*s\"", setting->path, SHOWN(node->text));
        report_hint(build->report, "units are %s", units);
    } else {
        build_refuse(build, node, "%s must be a whole number with a unit, not \"%.*s\"",
                     setting->path, SHOWN(node->text));
        report_hint(build->report, "units are %s", units);
    }
}

static void read_number(struct build *build, const struct setting *setting, struct node *node,
                        void *target)
{
    uint64_t number;
    enum value_fault fault = is_duration(setting)            ? value_duration(node->text, &number)
                             : setting->kind == SETTING_SIZE ? value_size(node->text, &number)
                                                             : value_count(node->text, &number);
    if (fault)
        refuse_number(build, setting, node, fault);
    else if (number < setting->min || number > setting->max)
        refuse_range(build, setting, node);
    else if (setting->kind == SETTING_SECONDS && number % 1000 != 0)
        build_refuse(build, node, "%s must be whole seconds", setting->path);
    else
        store_number(target, setting->width,
                     setting->kind == SETTING_SECONDS ? number / 1000 : number);
}

static void read_flag(struct build *build, const struct setting *setting, struct node *node,
                      void *target)
{
    bool is_true = slice_eq(node->text, SLICE("true"));
    if (is_true || slice_eq(node->text, SLICE("false")))
        store_number(target, setting->width, is_true);
    else
        build_refuse(build, node, "%s must be true or false, not \"%.*s\"", setting->path,
                     SHOWN(node->text));
}

static void refuse_word(struct build *build, const struct setting *setting, struct node *node)
{
    struct suggestion suggestion = suggest_for(node->text);
    char words[160] = "";
    size_t len = 0;
    for (const struct word *word = setting->words; word->text; word++) {
        if (word->later)
            continue;
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%s", len ? " | " : "",
                                word->text);
        assert(len < sizeof(words));
        suggest_offer(&suggestion, slice_str(word->text));
    }
    build_refuse(build, node, "%s must be %s, not \"%.*s\"", setting->path, words,
                 SHOWN(node->text));
    build_suggest(build, &suggestion);
}

static void read_word(struct build *build, const struct setting *setting, struct node *node,
                      void *target)
{
    const struct word *word = setting->words;
    while (word->text && !slice_eq(node->text, slice_str(word->text)))
        word++;
    if (!word->text)
        refuse_word(build, setting, node);
    else if (word->later)
        build_refuse(build, node, "\"%s: %s\" is not supported by this version yet", setting->path,
                     word->text);
    else
        store_number(target, setting->width, word->value);
}

static void read_text(struct build *build, const struct setting *setting, struct node *node,
                      void *target)
{
    const char *needed = setting->check ? setting->check(node->text) : NULL;
    if (needed) {
        build_refuse(build, node, "%s must be %s", setting->path, needed);
        return;
    }
    struct slice copy = build_copy(build, node->text);
    memcpy(target, &copy, sizeof(copy));
}

/* ---- rows ---- */

static void read_setting(struct build *build, const struct setting *setting, struct node *node,
                         void *target)
{
    if (setting->kind == SETTING_CUSTOM) {
        setting->read(build, setting, node, target);
    } else if (!build_is_value(build, setting, node)) {
        return;
    } else if (setting->kind == SETTING_FLAG) {
        read_flag(build, setting, node, target);
    } else if (setting->kind == SETTING_WORD) {
        read_word(build, setting, node, target);
    } else if (setting->kind == SETTING_TEXT) {
        read_text(build, setting, node, target);
    } else {
        read_number(build, setting, node, target);
    }
}

/* A default is read as if the file had it. */
static void apply_default(struct build *build, const struct setting *setting, void *target)
{
    struct node value = {.kind = NODE_SCALAR, .plain = true, .text = slice_str(setting->standard)};
    struct node *node = &value;
    if (setting->standard[0] == '[' &&
        node_read_yaml(value.text, build->scratch, build->report, &node)) {
        build->no_memory = true; /* nothing else can be wrong with a row's own text */
        return;
    }
    read_setting(build, setting, node, target);
    assert(!node->refused);
}

/* True when a section on the way to the row was given in a wrong shape, which was reported. */
static bool is_hidden(struct node *map, const char *path)
{
    struct node *node = map;
    while (node && node->kind == NODE_MAP) {
        size_t len = strcspn(path, ".");
        node = node_child(node, slice_of(path, len));
        path += len + (path[len] == '.');
    }
    return node && (node->refused || node->kind == NODE_BROKEN);
}

static void report_missing(struct build *build, const struct setting *setting, struct node *map)
{
    if (is_hidden(map, setting->path))
        return;
    map->refused = true;
    report_error(build->report, map->at, "%s is missing", setting->path);
    if (setting->form)
        report_hint(build->report, "give it as %s", setting->form);
}

static void read_row(struct build *build, const struct setting *setting, struct node *map,
                     char *target)
{
    struct node *node = node_find(map, setting->path);
    if (setting->standard)
        apply_default(build, setting, target + setting->offset);
    if (!node && setting->required)
        report_missing(build, setting, map);
    else if (node && node->kind != NODE_BROKEN)
        read_setting(build, setting, node, target + setting->offset);
}

void settings_read(struct build *build, const struct scope *scope, struct node *map, void *target)
{
    unknown_keys_refuse(build, scope, map);
    for (size_t i = 0; i < scope->count && !build->no_memory; i++)
        read_row(build, &scope->settings[i], map, target);
}
