/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_keys: every form of a key, lists of them, limits, what is refused. */
#include "parsing.h"

static struct parsed parse_key(const char *key)
{
    char route[4096];
    int len = snprintf(route, sizeof(route), "    key: %s\n", key);
    cr_assert_lt(len, (int)sizeof(route));
    return parse_with("", "", route);
}

/* The one rule that `key` is read as. */
static struct key_rule only_rule(struct parsed *parsed, const char *key)
{
    *parsed = parse_key(key);
    assert_clean(*parsed);
    cr_assert_eq(parsed->config->routes[0].key_count, 1);
    return parsed->config->routes[0].keys[0];
}

static void expect_key_error(const char *key, const char *words)
{
    struct parsed parsed = parse_key(key);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

Test(read_keys, payload)
{
    const char *const forms[] = {"payload", "\"payload\"", "{payload: }", "{payload: {}}",
                                 "[payload]"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct parsed parsed;
        cr_assert_eq(only_rule(&parsed, forms[i]).kind, KEY_PAYLOAD);
        parsed_done(&parsed);
    }
}

Test(read_keys, header_and_query)
{
    struct parsed parsed;
    struct key_rule rule = only_rule(&parsed, "{header: X-Event-Id}");
    cr_assert(rule.kind == KEY_HEADER && slice_eq(rule.name, SLICE("X-Event-Id")));
    parsed_done(&parsed);
    rule = only_rule(&parsed, "{query: \"event id\"}");
    cr_assert(rule.kind == KEY_QUERY && slice_eq(rule.name, SLICE("event id")));
    parsed_done(&parsed);
}

Test(read_keys, json_and_fields)
{
    struct parsed parsed;
    struct key_rule rule = only_rule(&parsed, "{json: [id, data.id, items.0.id]}");
    cr_assert(rule.kind == KEY_JSON && rule.path_count == 3);
    cr_assert(rule.paths[1].count == 2 && slice_eq(rule.paths[1].parts[1], SLICE("id")));
    parsed_done(&parsed);
    rule = only_rule(&parsed, "{json: data.id}");
    cr_assert(rule.kind == KEY_JSON && rule.path_count == 1 && rule.paths[0].count == 2);
    parsed_done(&parsed);
    rule = only_rule(&parsed, "{fields: [run_id, status]}");
    cr_assert(rule.kind == KEY_FIELDS && rule.path_count == 2);
    parsed_done(&parsed);
}

Test(read_keys, a_list_keeps_its_order)
{
    struct parsed parsed = parse_key("[{header: A}, {json: b}, payload]");
    assert_clean(parsed);
    const struct route_opts *route = &parsed.config->routes[0];
    cr_assert_eq(route->key_count, 3);
    cr_assert(route->keys[0].kind == KEY_HEADER && route->keys[1].kind == KEY_JSON);
    cr_assert_eq(route->keys[2].kind, KEY_PAYLOAD);
    parsed_done(&parsed);
}

Test(read_keys, rules_at_and_above_their_most)
{
    struct parsed parsed = parse_key("[{query: a}, {query: b}, {query: c}, {query: d}, {query: e}, "
                                     "{query: f}, {query: g}, {query: h}]");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->routes[0].key_count, KEY_MAX_RULES);
    parsed_done(&parsed);
    expect_key_error("[{query: a}, {query: b}, {query: c}, {query: d}, {query: e}, {query: f}, "
                     "{query: g}, {query: h}, {query: i}]",
                     "key must be 1 to 8 rules, not 9");
    expect_key_error("[]", "key must be 1 to 8 rules, not 0");
}

static void with_paths(const char *kind, unsigned count, char *key, size_t size)
{
    size_t len = (size_t)snprintf(key, size, "{%s: [", kind);
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(key + len, size - len, "%sp%u", i ? "," : "", i);
    snprintf(key + len, size - len, "]}");
}

Test(read_keys, paths_at_and_above_their_most)
{
    char key[2048];
    struct parsed parsed;
    with_paths("fields", KEY_MAX_FIELDS, key, sizeof(key));
    cr_assert_eq(only_rule(&parsed, key).path_count, KEY_MAX_FIELDS);
    parsed_done(&parsed);
    with_paths("fields", KEY_MAX_FIELDS + 1, key, sizeof(key));
    expect_key_error(key, "fields must be 1 to 16 paths");
    with_paths("json", JSON_MAX_PATHS, key, sizeof(key));
    cr_assert_eq(only_rule(&parsed, key).path_count, JSON_MAX_PATHS);
    parsed_done(&parsed);
    with_paths("json", JSON_MAX_PATHS + 1, key, sizeof(key));
    expect_key_error(key, "json must be 1 to 64 paths");
}

Test(read_keys, names_at_and_above_their_longest)
{
    char key[400];
    for (int len = 256; len <= 257; len++)
        for (int kind = 0; kind < 2; kind++) {
            snprintf(key, sizeof(key), "{%s: %0*d}", kind ? "query" : "header", len, 0);
            struct parsed parsed = parse_key(key);
            cr_assert_eq(parsed.status, len == 256 ? STATUS_OK : STATUS_INVALID, "%s", key);
            parsed_done(&parsed);
        }
}

Test(read_keys, kinds_that_are_none)
{
    expect_key_error("paylod", "\"paylod\" is not a kind of key");
    expect_key_error("paylod", "did you mean \"payload\"?");
    expect_key_error("X-Event-Id", "hint: payload, {header: X-Event-Id}");
    expect_key_error("{heder: X}", "f.yaml:9:11: error: \"heder\" is not a kind of key");
    expect_key_error("{heder: X}", "did you mean \"header\"?");
    expect_key_error("{header: X, query: y}", "a rule of a key has one kind, not 2");
    expect_key_error("{}", "a rule of a key has one kind, not 0");
    expect_key_error("", "this is not a rule of a key");
    expect_key_error("[[payload]]", "this is not a rule of a key");
}

Test(read_keys, values_that_are_none)
{
    expect_key_error("{header: }", "header must be one name");
    expect_key_error("{header: [a]}", "header must be one name");
    expect_key_error("{header: 'a b'}", "\"a b\" is not the name of a header");
    expect_key_error("{header: 'a:'}", "is not the name of a header");
    expect_key_error("{query: ''}", "query must be one name");
    expect_key_error("{json: []}", "json must be 1 to 64 paths");
    expect_key_error("{json: {a: b}}", "json must be 1 to 64 paths");
    expect_key_error("{json: a..b}", "\"a..b\" is not a path into a JSON body");
    expect_key_error("{json: [a, [b]]}", "is not a path into a JSON body");
    expect_key_error("{json: [a, ~]}", "is not a path into a JSON body");
    expect_key_error("{fields: }", "is not a path into a JSON body");
}

Test(read_keys, canonical_payload)
{
    struct parsed parsed;
    struct key_rule rule = only_rule(&parsed, "{payload: {canonical: true}}");
    cr_assert(rule.kind == KEY_PAYLOAD && rule.canonical && rule.path_count == 0);
    parsed_done(&parsed);
    cr_assert_not(only_rule(&parsed, "{payload: {canonical: false}}").canonical);
    parsed_done(&parsed);
}

Test(read_keys, selections_of_a_payload)
{
    struct parsed parsed;
    struct key_rule rule =
        only_rule(&parsed, "{payload: {canonical: true, exclude: [meta.sent_at, \"items.*.etag\"], "
                           "include: [a.b]}}");
    cr_assert(rule.canonical && rule.include_count == 1 && rule.path_count == 3);
    cr_assert(slice_eq(rule.paths[0].parts[1], SLICE("b")));
    cr_assert(slice_eq(rule.paths[1].parts[1], SLICE("sent_at")));
    cr_assert(rule.paths[2].count == 3 && slice_eq(rule.paths[2].parts[1], SLICE("*")));
    parsed_done(&parsed);
    rule = only_rule(&parsed, "{payload: {include: a}}");
    cr_assert(rule.canonical && rule.include_count == 1 && rule.path_count == 1);
    parsed_done(&parsed);
    rule = only_rule(&parsed, "{payload: {exclude: a}}");
    cr_assert(rule.canonical && rule.include_count == 0 && rule.path_count == 1);
    parsed_done(&parsed);
}

Test(read_keys, payload_options_that_are_refused)
{
    expect_key_error("{payload: {canonicl: true}}", "payload takes no options but canonical");
    expect_key_error("{payload: yes}", "payload takes no options but canonical");
    expect_key_error("{payload: {canonical: yes}}",
                     "f.yaml:9:32: error: canonical must be true or false");
    expect_key_error("{payload: {canonical: [true]}}", "canonical must be true or false");
    expect_key_error("{payload: {canonical: false, include: [a]}}",
                     "include and exclude need the canonical form");
    expect_key_error("{payload: {include: []}}", "include must be 1 to 32 paths");
    expect_key_error("{payload: {exclude: {a: b}}}", "exclude must be 1 to 32 paths");
    expect_key_error("{payload: {exclude: [a..b]}}", "\"a..b\" is not a path into a JSON body");
}

/* A list of so many paths. */
static void put_many_paths(char *text, size_t size, const char *option, size_t count)
{
    size_t len = (size_t)snprintf(text, size, "{payload: {%s: [", option);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, size - len, "%sp%zu", i ? ", " : "", i);
    (void)snprintf(text + len, size - len, "]}}");
}

Test(read_keys, selections_have_their_limit)
{
    char text[1024];
    struct parsed parsed;
    put_many_paths(text, sizeof text, "exclude", KEY_MAX_SELECT);
    cr_assert_eq(only_rule(&parsed, text).path_count, KEY_MAX_SELECT);
    parsed_done(&parsed);
    put_many_paths(text, sizeof text, "exclude", KEY_MAX_SELECT + 1);
    expect_key_error(text, "exclude must be 1 to 32 paths");
    put_many_paths(text, sizeof text, "include", 70);
    expect_key_error(text, "include must be 1 to 32 paths");
}

Test(read_keys, a_header_with_several_names)
{
    struct parsed parsed;
    struct key_rule rule = only_rule(&parsed, "{header: [svix-id, webhook-id]}");
    cr_assert_eq(rule.kind, KEY_HEADER);
    cr_assert_eq(rule.other_count, 1);
    cr_assert(slice_eq(rule.name, SLICE("svix-id")));
    cr_assert(slice_eq(rule.others[0], SLICE("webhook-id")));
    parsed_done(&parsed);
    rule = only_rule(&parsed, "{header: [a, b, c, d], structured: true}");
    cr_assert(rule.structured && rule.other_count == KEY_MAX_NAMES - 1);
    cr_assert(slice_eq(rule.others[2], SLICE("d")));
    parsed_done(&parsed);
    expect_key_error("{header: []}", "header must be one name, or a list of 2 to 4");
    expect_key_error("{header: [a, b, c, d, e]}", "header must be one name, or a list of 2 to 4");
    expect_key_error("{header: [a, A]}", "header \"A\" is given twice");
    expect_key_error("{header: [a, 'b c']}", "\"b c\" is not the name of a header");
    expect_key_error("{header: [a, [b]]}", "must be one name");
    expect_key_error("{query: [a, b]}", "query must be one name");
}

Test(read_keys, structured_headers)
{
    struct parsed parsed;
    struct key_rule rule = only_rule(&parsed, "{header: Idempotency-Key, structured: true}");
    cr_assert(rule.kind == KEY_HEADER && rule.structured);
    cr_assert(slice_eq(rule.name, SLICE("Idempotency-Key")));
    parsed_done(&parsed);
    cr_assert(only_rule(&parsed, "{structured: true, header: X}").structured);
    parsed_done(&parsed);
    cr_assert_not(only_rule(&parsed, "{header: X, structured: false}").structured);
    parsed_done(&parsed);
    cr_assert_not(only_rule(&parsed, "{header: X}").structured);
    parsed_done(&parsed);
    expect_key_error("{header: X, structured: yes}", "structured must be true or false");
    expect_key_error("{header: X, structured: [true]}", "structured must be true or false");
    expect_key_error("{query: x, structured: true}", "structured is an option of header");
    expect_key_error("{payload: , structured: true}", "structured is an option of header");
    expect_key_error("{structured: true}", "a rule of a key has one kind, not 0");
    expect_key_error("{header: X, query: y, structured: true}", "has one kind, not 2");
    expect_key_error("{header: X, structured: *a}", "aliases are not allowed");
}

/* ---- scope ---- */

static struct parsed parse_scope(const char *scope)
{
    char route[1024];
    cr_assert_lt(snprintf(route, sizeof(route), "    scope: %s\n", scope), (int)sizeof(route));
    return parse_with("", "", route);
}

static void expect_scope_error(const char *scope, const char *words)
{
    struct parsed parsed = parse_scope(scope);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

Test(read_keys, scope)
{
    struct parsed parsed = parse_scope("[method, path, {header: X-Tenant}]");
    assert_clean(parsed);
    const struct route_opts *route = &parsed.config->routes[0];
    cr_assert_eq(route->scope_count, 3);
    cr_assert_eq(route->scope[0].kind, KEY_SCOPE_METHOD);
    cr_assert_eq(route->scope[1].kind, KEY_SCOPE_PATH);
    cr_assert_eq(route->scope[2].kind, KEY_SCOPE_HEADER);
    cr_assert(slice_eq(route->scope[2].name, SLICE("X-Tenant")));
    parsed_done(&parsed);
    parsed = parse_scope("{header: A}");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->routes[0].scope_count, 1);
    parsed_done(&parsed);
    parsed = parse_with("", "", "");
    cr_assert_eq(parsed.config->routes[0].scope_count, 0);
    parsed_done(&parsed);
}

Test(read_keys, scopes_that_are_refused)
{
    expect_scope_error("[]", "scope must have 1 to 8 parts, not 0");
    expect_scope_error("[a, b, c, d, e, f, g, h, i]", "scope must have 1 to 8 parts, not 9");
    expect_scope_error("host", "this is not a part of a scope");
    expect_scope_error("", "this is not a part of a scope");
    expect_scope_error("[[method]]", "this is not a part of a scope");
    expect_scope_error("[{query: a}]", "this is not a part of a scope");
    expect_scope_error("[{header: 'a b'}]", "\"a b\" is not the name of a header");
    expect_scope_error("[method, method]", "this part of the scope is given twice");
    expect_scope_error("[{header: A}, {header: a}]", "this part of the scope is given twice");
}

Test(read_keys, all_errors_of_a_list_are_told)
{
    struct parsed parsed = parse_key("[{header: 'a b'}, paylod, {json: a..b}]");
    cr_assert_eq(times(&parsed, "error:"), 3, "%s", parsed.report);
    parsed_done(&parsed);
}

Test(read_keys, aliases_are_told_once)
{
    struct parsed parsed = parse_key("[*a, {header: *b}, {json: [*c]}]");
    cr_assert_eq(times(&parsed, "error:"), 3, "%s", parsed.report);
    cr_assert_eq(times(&parsed, "aliases are not allowed"), 3, "%s", parsed.report);
    parsed_done(&parsed);
}
