/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a route's key, one rule or an ordered list of them, and its scope.
 *
 *   key: payload
 *   key: {payload: {canonical: true, include: [a.b], exclude: ["items.*.etag"]}}
 *   key: {header: X-Event-Id}         {query: id}
 *   key: {header: [svix-id, webhook-id]}   one thing under several names
 *   key: {header: Idempotency-Key, structured: true}
 *   key: {json: [id, data.id]}        the first that is there
 *   key: {fields: [run_id, status]}   all of them
 *   key: [{header: X-Event-Id}, {json: id}, payload]
 *   scope: [method, path, {header: X-Tenant}]
 */
#include "readers.h"
#include "suggest.h"
#include "text.h"

#define MAX_NAME_BYTES 256u /* of a header or parameter */

struct rule_form {
    const char *word;
    enum key_kind kind;
    bool (*read)(struct build *build, struct node *node, struct key_rule *rule);
};

static void hint_forms(struct build *build)
{
    report_hint(build->report, "payload, {header: X-Event-Id}, {query: id}, {json: [id, data.id]}, "
                               "{fields: [id, status]}, or a list of these");
}

static bool is_text(struct build *build, struct node *node)
{
    if (node->kind == NODE_SCALAR && !node_is_empty(node) && node->text.len > 0)
        return true;
    build_refuse(build, node, "%.*s must be one name", SHOWN(node->key));
    return false;
}

/* RFC 9110 5.6.2: the characters of a field's name. */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_token(text.data[i]))
            return false;
    return text.len > 0 && text.len <= MAX_NAME_BYTES;
}

bool header_name_read(struct build *build, struct node *node, struct slice *ret_name)
{
    if (!is_text(build, node))
        return false;
    if (!is_token(node->text)) {
        build_refuse(build, node, "\"%.*s\" is not the name of a header", SHOWN(node->text));
        return false;
    }
    *ret_name = build_copy(build, node->text);
    return true;
}

SETTING_READER(read_header_name)
{
    if (build_is_value(build, setting, node))
        (void)header_name_read(build, node, target);
}

static bool has_name(const struct slice *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ieq(names[i], name))
            return true;
    return false;
}

/* The names of `list` to `names`. False: reported. */
static bool read_names(struct build *build, struct node *list, struct slice *names)
{
    size_t count = 0;
    for (struct node *item = list->first; item; item = item->next) {
        if (item->kind == NODE_BROKEN || !header_name_read(build, item, &names[count])) {
            list->refused |= item->refused;
            return false;
        }
        if (has_name(names, count, names[count])) {
            build_refuse(build, list, "header \"%.*s\" is given twice", SHOWN(names[count]));
            return false;
        }
        count++;
    }
    return true;
}

static bool read_header_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    if (node->kind != NODE_LIST)
        return header_name_read(build, node, &rule->name);
    if (node->count < 2 || node->count > KEY_MAX_NAMES) {
        build_refuse(build, node, "header must be one name, or a list of 2 to %u", KEY_MAX_NAMES);
        return false;
    }
    struct slice *names = build_alloc(build, node->count * sizeof(*names));
    if (!names || !read_names(build, node, names))
        return false;
    rule->name = names[0];
    rule->others = names + 1;
    rule->other_count = node->count - 1;
    return true;
}

static bool read_query_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    if (!is_text(build, node))
        return false;
    if (node->text.len > MAX_NAME_BYTES) {
        build_refuse(build, node, "longer than %u characters", MAX_NAME_BYTES);
        return false;
    }
    rule->name = build_copy(build, node->text);
    return true;
}

static bool read_path(struct build *build, struct node *node, struct json_path *path)
{
    struct slice text = build_copy(build, node->text);
    if (node->kind == NODE_SCALAR && !node_is_empty(node) &&
        json_path_parse(text, build->arena, path))
        return true;
    build_refuse(build, node, "\"%.*s\" is not a path into a JSON body", SHOWN(node->text));
    report_hint(build->report,
                "write names joined by dots, data.messageId; a number is an index, "
                "items.0.id; at most %u parts",
                JSON_MAX_PATH_PARTS);
    return false;
}

/* Room for `count` paths, or for as many as a rule may have; NULL after noting that there is no
 * memory. */
static struct json_path *alloc_paths(struct build *build, size_t count)
{
    size_t room = count < JSON_MAX_PATHS ? count : JSON_MAX_PATHS;
    return build_alloc(build, room * sizeof(struct json_path));
}

/* Reads the 1 to `max` paths of `node` to `paths`. False: reported. */
static bool read_paths(struct build *build, struct node *node, size_t max, struct json_path *paths,
                       size_t *ret_count)
{
    size_t count = node_item_count(node);
    if (node->kind == NODE_MAP || count == 0 || count > max) {
        build_refuse(build, node, "%.*s must be 1 to %zu paths", SHOWN(node->key), max);
        return false;
    }
    *ret_count = 0;
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item))
        if (item->kind != NODE_BROKEN && read_path(build, item, &paths[*ret_count]))
            ++*ret_count;
    return *ret_count == count;
}

static bool read_paths_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    size_t max = rule->kind == KEY_FIELDS ? KEY_MAX_FIELDS : JSON_MAX_PATHS;
    struct json_path *paths = alloc_paths(build, node_item_count(node));
    rule->paths = paths;
    return paths && read_paths(build, node, max, paths, &rule->path_count);
}

/* Reads an option that is true or false. False: reported. */
static bool read_option(struct build *build, struct node *node, bool *ret_is_true)
{
    bool is_true = node->kind == NODE_SCALAR && slice_eq(node->text, SLICE("true"));
    bool is_false = node->kind == NODE_SCALAR && slice_eq(node->text, SLICE("false"));
    if (is_true || is_false)
        *ret_is_true = is_true;
    else if (node->kind != NODE_BROKEN)
        build_refuse(build, node, "%.*s must be true or false", SHOWN(node->key));
    return is_true || is_false;
}

/* ---- options of payload ---- */

/* What was given of them. */
struct payload_options {
    struct node *canonical, *include, *exclude;
};

static bool sort_options(struct build *build, struct node *node, struct payload_options *options)
{
    for (struct node *option = node->first; option; option = option->next) {
        if (slice_eq(option->key, SLICE("canonical"))) {
            options->canonical = option;
        } else if (slice_eq(option->key, SLICE("include"))) {
            options->include = option;
        } else if (slice_eq(option->key, SLICE("exclude"))) {
            options->exclude = option;
        } else {
            build_refuse(build, node,
                         "payload takes no options but canonical, include and exclude");
            return false;
        }
    }
    return true;
}

static bool read_canonical(struct build *build, struct node *node, bool selects,
                           bool *ret_canonical)
{
    bool canonical = selects;
    if (node && !read_option(build, node, &canonical))
        return false;
    if (selects && !canonical) {
        build_refuse(build, node, "include and exclude need the canonical form");
        return false;
    }
    *ret_canonical = canonical;
    return true;
}

/* The included paths first, the excluded ones behind them. */
static bool read_selection(struct build *build, const struct payload_options *options,
                           struct key_rule *rule)
{
    struct node *include = options->include, *exclude = options->exclude;
    size_t count = (include ? node_item_count(include) : 0) +
                   (exclude ? node_item_count(exclude) : 0);
    size_t excluded = 0;
    struct json_path *paths = alloc_paths(build, count);
    if (!paths ||
        (include && !read_paths(build, include, KEY_MAX_SELECT, paths, &rule->include_count)))
        return false;
    if (exclude &&
        !read_paths(build, exclude, KEY_MAX_SELECT, paths + rule->include_count, &excluded))
        return false;
    rule->paths = paths;
    rule->path_count = rule->include_count + excluded;
    return true;
}

static bool read_payload_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    struct payload_options options = {.canonical = NULL};
    if (node_is_empty(node))
        return true;
    if (node->kind != NODE_MAP) {
        build_refuse(build, node, "payload takes no options but canonical, include and exclude");
        return false;
    }
    if (!sort_options(build, node, &options))
        return false;
    bool selects = options.include || options.exclude;
    if (!read_canonical(build, options.canonical, selects, &rule->canonical))
        return false;
    return !selects || read_selection(build, &options, rule);
}

/* ---- rules ---- */

static const struct rule_form FORMS[] = {
    {"payload", KEY_PAYLOAD, read_payload_rule}, {"header", KEY_HEADER, read_header_rule},
    {"query", KEY_QUERY, read_query_rule},       {"json", KEY_JSON, read_paths_rule},
    {"fields", KEY_FIELDS, read_paths_rule},
};

static void refuse_form(struct build *build, struct node *node, struct mark at, struct slice word)
{
    struct suggestion suggestion = suggest_for(word);
    node->refused = true;
    report_error(build->report, at, "\"%.*s\" is not a kind of key", SHOWN(word));
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++)
        suggest_offer(&suggestion, slice_str(FORMS[i].word));
    if (suggestion.best.len > 0)
        build_suggest(build, &suggestion);
    else
        hint_forms(build);
}

static bool read_structured(struct build *build, struct node *node, struct key_rule *rule)
{
    if (rule->kind == KEY_HEADER)
        return read_option(build, node, &rule->structured);
    build_refuse(build, node, "structured is an option of header");
    return false;
}

static bool read_map_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    struct node *structured = node_child(node, SLICE("structured"));
    if (node->count != (structured ? 2 : 1)) {
        build_refuse(build, node, "a rule of a key has one kind, not %zu",
                     structured ? node->count - 1 : node->count);
        report_hint(build->report, "rules tried in order are a list: [{header: A}, {json: b}]; "
                                   "values that count together are {fields: [a, b]}");
        return false;
    }
    struct node *child = structured == node->first ? structured->next : node->first;
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++)
        if (slice_eq(child->key, slice_str(FORMS[i].word))) {
            rule->kind = FORMS[i].kind;
            return child->kind != NODE_BROKEN && FORMS[i].read(build, child, rule) &&
                   (!structured || read_structured(build, structured, rule));
        }
    refuse_form(build, node, child->key_at, child->key);
    return false;
}

static bool read_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    if (node->kind == NODE_MAP)
        return read_map_rule(build, node, rule);
    if (node->kind == NODE_SCALAR && slice_eq(node->text, SLICE("payload"))) {
        rule->kind = KEY_PAYLOAD;
        return true;
    }
    if (node->kind == NODE_SCALAR && !node_is_empty(node)) {
        refuse_form(build, node, node->at, node->text);
    } else if (node->kind != NODE_BROKEN) {
        build_refuse(build, node, "this is not a rule of a key");
        hint_forms(build);
    }
    return false;
}

SETTING_READER(read_keys)
{
    struct route_opts *route = target;
    size_t count = node_item_count(node);
    route->key_count = 0;
    if (count == 0 || count > KEY_MAX_RULES) {
        build_refuse(build, node, "%s must be 1 to %u rules, not %zu", setting->path, KEY_MAX_RULES,
                     count);
        return;
    }
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item)) {
        struct key_rule rule = {.path_count = 0};
        if (read_rule(build, item, &rule))
            route->keys[route->key_count++] = rule;
        node->refused |= item->refused;
    }
}

/* ---- scope ---- */

static bool read_scope_header(struct build *build, struct node *item, struct key_scope *scope)
{
    struct slice name;
    if (item->kind != NODE_MAP || item->count != 1 ||
        !slice_eq(item->first->key, SLICE("header"))) {
        build_refuse(build, item, "this is not a part of a scope");
        report_hint(build->report, "method, path, {header: X-Tenant}, or a list of these");
        return false;
    }
    if (item->first->kind == NODE_BROKEN || !header_name_read(build, item->first, &name))
        return false;
    *scope = (struct key_scope){.kind = KEY_SCOPE_HEADER, .name = name};
    return true;
}

static bool read_scope_part(struct build *build, struct node *item, struct key_scope *scope)
{
    bool is_word = item->kind == NODE_SCALAR;
    if (is_word && slice_eq(item->text, SLICE("method")))
        *scope = (struct key_scope){.kind = KEY_SCOPE_METHOD};
    else if (is_word && slice_eq(item->text, SLICE("path")))
        *scope = (struct key_scope){.kind = KEY_SCOPE_PATH};
    else
        return item->kind != NODE_BROKEN && read_scope_header(build, item, scope);
    return true;
}

static bool has_scope(const struct route_opts *route, const struct key_scope *scope)
{
    for (size_t i = 0; i < route->scope_count; i++)
        if (route->scope[i].kind == scope->kind && slice_ieq(route->scope[i].name, scope->name))
            return true;
    return false;
}

SETTING_READER(read_scope)
{
    struct route_opts *route = target;
    size_t count = node_item_count(node);
    if (count == 0 || count > KEY_MAX_SCOPE) {
        build_refuse(build, node, "%s must have 1 to %u parts, not %zu", setting->path,
                     KEY_MAX_SCOPE, count);
        return;
    }
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item)) {
        struct key_scope scope;
        if (read_scope_part(build, item, &scope)) {
            if (has_scope(route, &scope))
                build_refuse(build, item, "this part of the scope is given twice");
            else
                route->scope[route->scope_count++] = scope;
        }
        node->refused |= item->refused;
    }
}
