/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A route's preset: its settings are laid under the route's own before any of them is read, so that
 * rows and checks see one map. What came from the preset is marked with the place where the route
 * names it, since its own text is in no file.
 *
 *   route    {preset: github, signature: {secret: env:S}, window: 1d}
 *   preset   {signature: {scheme: github}, window: 7d, in_flight: wait}
 *   gives    {preset: github, signature: {secret: env:S, scheme: github}, window: 1d, in_flight: …}
 */
#include "readers.h"
#include "text.h"

#include <postern/config/presets.h>

#include <assert.h>

/* Gives a preset's tree the place of `name`, the node that names it. */
static void place(struct node *node, const struct node *name)
{
    node->preset = true;
    node->at = name->at;
    node->key_at = name->at;
    node->end_line = name->end_line;
    for (struct node *child = node->first; child; child = child->next)
        place(child, name);
}

/* A section that was given without anything in it becomes the preset's. */
static void fill(struct node *empty, const struct node *section)
{
    empty->kind = NODE_MAP;
    empty->first = section->first;
    empty->last = section->last;
    empty->count = section->count;
}

/* Sections are joined, other settings are the one's or the other's as a whole. */
static void lay_under(struct node *map, struct node *under)
{
    struct node *next;
    for (struct node *child = under->first; child; child = next) {
        next = child->next;
        struct node *own = node_child(map, child->key);
        bool is_section = scope_is_section(&SCOPE_ROUTE, child->key);
        if (!own)
            node_append(map, child);
        else if (is_section && node_is_empty(own))
            fill(own, child);
        else if (is_section && own->kind == NODE_MAP)
            lay_under(own, child);
        else
            own->under = child;
    }
}

/* The preset that `name` says, or NULL. */
static const struct preset *find(const struct node *name)
{
    return name && name->kind == NODE_SCALAR ? preset_find(name->text) : NULL;
}

void preset_lay_under(struct build *build, struct node *route)
{
    const struct node *name = node_child(route, SLICE("preset"));
    const struct preset *preset = find(name);
    struct node *settings = NULL;
    if (!preset)
        return;
    size_t errors = build->report->errors;
    enum status status =
        node_read_yaml(slice_str(preset->settings), build->scratch, build->report, &settings);
    build->no_memory |= status == STATUS_NO_MEMORY;
    if (build->no_memory)
        return;
    assert(!status && build->report->errors == errors && settings && settings->kind == NODE_MAP);
    (void)errors;
    place(settings, name);
    lay_under(route, settings);
}

SETTING_READER(read_preset)
{
    struct slice *name = target;
    if (!build_is_value(build, setting, node))
        return;
    const struct preset *preset = find(node);
    if (preset) {
        *name = slice_str(preset->name);
        return;
    }
    struct suggestion suggestion = suggest_for(node->text);
    for (size_t i = 0; i < PRESET_COUNT; i++)
        suggest_offer(&suggestion, slice_str(PRESETS[i].name));
    build_refuse(build, node, "there is no preset \"%.*s\"", SHOWN(node->text));
    if (suggestion.best.len > 0)
        build_suggest(build, &suggestion);
    else
        report_hint(build->report, "`postern presets` lists them");
}
