/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a route's key: one rule or an ordered list of them.
 *
 *   key: payload
 *   key: {header: X-Event-Id}         {query: id}
 *   key: {json: [id, data.id]}        the first that is there
 *   key: {fields: [run_id, status]}   all of them
 *   key: [{header: X-Event-Id}, {json: id}, payload]
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
    for (size_t i = 0; i < text.len; i++) {
        char c = ascii_lower(text.data[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return text.len > 0 && text.len <= MAX_NAME_BYTES;
}

static bool read_header_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    if (!is_text(build, node))
        return false;
    if (!is_token(node->text)) {
        build_refuse(build, node, "\"%.*s\" is not the name of a header", SHOWN(node->text));
        return false;
    }
    rule->name = build_copy(build, node->text);
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

static bool read_paths_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    size_t count = node_item_count(node);
    unsigned max = rule->kind == KEY_FIELDS ? KEY_MAX_FIELDS : JSON_MAX_PATHS;
    if (node->kind == NODE_MAP || count == 0 || count > max) {
        build_refuse(build, node, "%.*s must be 1 to %u paths", SHOWN(node->key), max);
        return false;
    }
    struct json_path *paths = build_alloc(build, count * sizeof(*paths));
    if (!paths)
        return false;
    rule->paths = paths;
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item))
        if (item->kind != NODE_BROKEN && read_path(build, item, &paths[rule->path_count]))
            rule->path_count++;
    return rule->path_count == count;
}

/* `payload: {canonical: …}`: known options, served by a later version. */
static bool read_payload_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    static const char *const later[] = {"canonical", "include", "exclude"};
    (void)rule;
    if (node_is_empty(node) || (node->kind == NODE_MAP && node->count == 0))
        return true;
    bool known = node->kind == NODE_MAP;
    for (const struct node *option = node->first; option && known; option = option->next) {
        known = false;
        for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
            known |= slice_eq(option->key, slice_str(later[i]));
        if (known)
            report_error(build->report, option->key_at,
                         "\"payload.%.*s\" is not supported by this version yet",
                         PRINT(option->key));
    }
    node->refused = true;
    if (!known)
        build_refuse(build, node, "payload takes no options but canonical, include and exclude");
    return false;
}

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

static bool read_map_rule(struct build *build, struct node *node, struct key_rule *rule)
{
    if (node->count != 1) {
        build_refuse(build, node, "a rule of a key has one kind, not %zu", node->count);
        report_hint(build->report, "rules tried in order are a list: [{header: A}, {json: b}]; "
                                   "values that count together are {fields: [a, b]}");
        return false;
    }
    struct node *child = node->first;
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++)
        if (slice_eq(child->key, slice_str(FORMS[i].word))) {
            rule->kind = FORMS[i].kind;
            return child->kind != NODE_BROKEN && FORMS[i].read(build, child, rule);
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
