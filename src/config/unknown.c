/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the file that no row has: reported, each with the name that was probably meant. Also
 * sections that are given as something else than a map. Where a section is about a secret, what
 * was misspelt may be the secret: it is not quoted.
 */
#include "build.h"
#include "suggest.h"
#include "text.h"

#define PATH_BYTES 96u /* longer than any row's path; a longer key is unknown anyway */

/* A dotted path that grows and shrinks with the walk. */
struct path {
    char text[PATH_BYTES];
    size_t len;
};

static bool push(struct path *path, struct slice key)
{
    size_t dot = path->len > 0;
    if (key.len + dot >= sizeof(path->text) - path->len)
        return false;
    if (dot)
        path->text[path->len++] = '.';
    memcpy(path->text + path->len, key.data, key.len);
    path->len += key.len;
    return true;
}

/* True when the section at `path` has a row of that name. */
static bool has_row(const struct scope *scope, struct path *path, const char *name)
{
    size_t len = path->len;
    bool found = push(path, slice_str(name)) && scope_find(scope, slice_of(path->text, path->len));
    path->len = len;
    return found;
}

/* The part of a row's path that stands directly below `prefix`, or the empty slice. */
static struct slice name_below(const char *row_path, struct slice prefix)
{
    struct slice rest = slice_str(row_path);
    if (prefix.len > 0) {
        if (rest.len <= prefix.len || !slice_starts(rest, prefix) || rest.data[prefix.len] != '.')
            return (struct slice){.len = 0};
        rest = slice_skip(rest, prefix.len + 1);
    }
    return slice_of(rest.data, strcspn(rest.data, "."));
}

/* "timeout" given a level too high or too low: tells where a key of that very name belongs. */
static bool hint_elsewhere(struct build *build, const struct scope *scope, struct slice key)
{
    for (size_t i = 0; i < scope->count; i++) {
        struct slice path = slice_str(scope->settings[i].path);
        for (size_t at = 0; at < path.len; at += strcspn(path.data + at, ".") + 1) {
            size_t len = strcspn(path.data + at, ".");
            if (slice_eq(slice_of(path.data + at, len), key)) {
                report_hint(build->report, "did you mean \"%.*s\"?", (int)(at + len), path.data);
                return true;
            }
        }
    }
    return false;
}

static void report_unknown(struct build *build, const struct scope *scope, struct node *child,
                           struct path *path)
{
    struct slice prefix = slice_of(path->text, path->len);
    struct suggestion suggestion = suggest_for(child->key);
    child->refused = true;
    if (has_row(scope, path, "secret")) {
        report_conceal(build->report, child->key_at.line, child->end_line);
        report_error(build->report, child->key_at, "unknown key in %.*s", PRINT(prefix));
    } else {
        report_error(build->report, child->key_at, "unknown key \"%.*s\"", SHOWN(child->key));
    }
    for (size_t i = 0; i < scope->count; i++)
        suggest_offer(&suggestion, name_below(scope->settings[i].path, prefix));
    if (suggestion.best.len > 0 || !hint_elsewhere(build, scope, child->key))
        build_suggest(build, &suggestion);
}

static void refuse_section(struct build *build, const struct scope *scope, struct node *child,
                           struct path *path)
{
    if (has_row(scope, path, "secret"))
        report_conceal(build->report, child->at.line, child->end_line);
    build_refuse(build, child, "%.*s must be a map of settings", (int)path->len, path->text);
    if (has_row(scope, path, "enabled"))
        report_hint(build->report, "{enabled: false} turns it off");
}

/* "redis.timeout: 1s" is one key with a dot in it: no way of writing a setting. */
static bool has_dot(struct slice key)
{
    return key.len > 0 && memchr(key.data, '.', key.len);
}

static void refuse_unknown(struct build *build, const struct scope *scope, struct node *map,
                           struct path *path);

static void refuse_unknown_child(struct build *build, const struct scope *scope, struct node *child,
                                 struct path *path)
{
    size_t len = path->len;
    bool fits = !has_dot(child->key) && push(path, child->key);
    struct slice full = slice_of(path->text, path->len);
    if (fits && scope_find(scope, full))
        return;
    if (!fits || !scope_is_section(scope, full)) {
        path->len = len;
        report_unknown(build, scope, child, path);
    } else if (child->kind == NODE_MAP) {
        refuse_unknown(build, scope, child, path);
    } else if (!node_is_empty(child)) {
        refuse_section(build, scope, child, path);
    }
}

static void refuse_unknown(struct build *build, const struct scope *scope, struct node *map,
                           struct path *path)
{
    size_t len = path->len;
    for (struct node *child = map->first; child; child = child->next) {
        if (child->kind != NODE_BROKEN)
            refuse_unknown_child(build, scope, child, path);
        path->len = len;
    }
}

void unknown_keys_refuse(struct build *build, const struct scope *scope, struct node *map)
{
    struct path path = {.len = 0};
    refuse_unknown(build, scope, map, &path);
}
