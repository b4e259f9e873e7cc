/* SPDX-License-Identifier: Apache-2.0 */
/* For the config tests that look at one scope alone: a text is read by its rows into a struct. */
#ifndef POSTERN_TESTS_CONFIG_BUILDING_H
#define POSTERN_TESTS_CONFIG_BUILDING_H

#include "build.h"

#include <criterion/criterion.h>

struct built {
    struct arena arena;
    struct report report;
    struct config config;
    struct build build;
};

/* Reads `text`, a map, into `target` by the rows of `scope`. Settings that are missing are
 * reported, too: look at the node of the setting in question. */
static inline void build_scope(struct built *built, const struct scope *scope, struct slice text,
                               void *target)
{
    *built = (struct built){.report = {.name = "f"}};
    arena_init(&built->arena, 4096, 1u << 24);
    report_init(&built->report, "f.yaml", text, &built->arena);
    built->build = (struct build){.config = &built->config,
                                  .arena = &built->arena,
                                  .scratch = &built->arena,
                                  .report = &built->report};
    cr_assert_eq(node_read_yaml(text, &built->arena, &built->report, &built->build.root),
                 STATUS_OK);
    settings_read(&built->build, scope, built->build.root, target);
    cr_assert_not(built->build.no_memory);
}

/* The first message that holds `words`, or NULL. */
static inline const struct finding *find_message(const struct built *built, const char *words)
{
    for (size_t i = 0; i < built->report.count; i++)
        if (strstr(built->report.findings[i].message, words))
            return &built->report.findings[i];
    return NULL;
}

#endif
