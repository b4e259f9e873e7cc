/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each kind of rule looks, and what counts as a value there. Nothing is hashed here but the
 * canonical form of a payload, which is never held as a whole.
 */
#include "key_find.h"

#include "form.h"
#include "key_structured.h"

#include <assert.h>
#include <postern/policy/canonical.h>

/* Where the paths of one rule led, in a JSON body or a form. */
struct located {
    bool is_form;
    union {
        struct json_value json[JSON_MAX_PATHS];
        struct form_field form[JSON_MAX_PATHS];
    };
};

static void set_only(struct finding *finding, struct part part)
{
    finding->parts[0] = part;
    finding->count = 1;
}

/* ---- the payload ---- */

static enum key_miss find_payload(const struct key_input *input, struct finding *finding)
{
    set_only(finding, (struct part){.text = input->body});
    return input->body.len > 0 ? KEY_MISS_NONE : KEY_MISS_EMPTY;
}

struct digest_sink {
    struct canonical_sink sink;
    struct digester *digester;
};

static bool add_to_digest(struct canonical_sink *sink, struct slice piece)
{
    struct digest_sink *to = container_of(sink, struct digest_sink, sink);
    return digest_add(to->digester, piece) == STATUS_OK;
}

static enum key_miss miss_of(enum json_result result)
{
    switch (result) {
    case JSON_OK:
        return KEY_MISS_NONE;
    case JSON_NO_MEMORY:
        return KEY_MISS_NO_MEMORY;
    case JSON_TOO_LARGE:
        return KEY_MISS_TOO_LONG;
    case JSON_INVALID:
    case JSON_DUPLICATE_KEY:
    case JSON_TOO_DEEP:
        break;
    }
    return KEY_MISS_NOT_JSON;
}

/* The part is the digest of the form: its length is only known at its end. */
static enum key_miss find_canonical(const struct key_rule *rule, struct slice text,
                                    struct digester *digester, struct finding *finding)
{
    const struct json_selection selection = key_selection(rule);
    struct digest_sink to = {.sink = {add_to_digest}, .digester = digester};
    size_t weight;
    if (digest_begin(digester) != STATUS_OK)
        return KEY_MISS_NO_MEMORY;
    finding->json = canonical_write(text, &selection, &to.sink, &weight);
    if (finding->json != JSON_OK)
        return miss_of(finding->json);
    if (weight == 0 && selection.path_count > 0)
        return KEY_MISS_ABSENT; /* all events of the route would be one */
    if (digest_end(digester, finding->canonical) != STATUS_OK)
        return KEY_MISS_NO_MEMORY;
    set_only(finding, (struct part){.text = slice_of(finding->canonical, SHA256_BYTES)});
    return KEY_MISS_NONE;
}

/* ---- values from outside the body ---- */

static enum key_miss read_header(const struct key_rule *rule, struct slice raw, struct arena *arena,
                                 struct slice *ret_value)
{
    if (rule->structured)
        return key_structured_read(raw, arena, ret_value);
    if (raw.len == 0)
        return KEY_MISS_EMPTY;
    *ret_value = raw;
    return raw.len > KEY_MAX_VALUE_BYTES ? KEY_MISS_TOO_LONG : KEY_MISS_NONE;
}

static enum key_miss find_named(const struct key_rule *rule, struct slice name,
                                const struct key_input *input, struct arena *arena,
                                struct finding *finding)
{
    struct slice raw = {0}, value = {0};
    size_t count = input->header(input->headers, name, &raw);
    if (count != 1)
        return count == 0 ? KEY_MISS_ABSENT : KEY_MISS_REPEATED;
    enum key_miss miss = read_header(rule, raw, arena, &value);
    set_only(finding, (struct part){.text = value});
    return miss;
}

/* Under its names in turn, until one of them is there; a value that can't be used ends the rule. */
static enum key_miss find_header(const struct key_rule *rule, const struct key_input *input,
                                 struct arena *arena, struct finding *finding)
{
    enum key_miss reason = find_named(rule, rule->name, input, arena, finding);
    for (size_t i = 0; i < rule->other_count; i++) {
        if (reason != KEY_MISS_ABSENT && reason != KEY_MISS_EMPTY)
            return reason;
        enum key_miss miss = find_named(rule, rule->others[i], input, arena, finding);
        if (reason == KEY_MISS_ABSENT || miss != KEY_MISS_ABSENT)
            reason = miss;
    }
    return reason;
}

static enum key_miss find_query(const struct key_rule *rule, const struct key_input *input,
                                struct arena *arena, struct finding *finding)
{
    struct slice value = {0};
    enum key_miss miss = query_find(input->query, rule->name, QUERY_PLUS_STAYS, arena, &value);
    set_only(finding, (struct part){.text = value});
    return miss;
}

/* ---- values from the body ---- */

/* The letter of a scalar; 0: not one. */
static char part_kind(enum json_kind kind)
{
    switch (kind) {
    case JSON_STRING:
        return PART_STRING;
    case JSON_NUMBER:
        return PART_NUMBER;
    case JSON_TRUE:
        return PART_TRUE;
    case JSON_FALSE:
        return PART_FALSE;
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return 0;
}

/* The value as a part; an empty string is one here. */
static enum key_miss read_scalar(struct json_value *value, struct arena *arena,
                                 struct part *ret_part)
{
    if (value->kind == JSON_ABSENT || value->kind == JSON_NULL)
        return KEY_MISS_ABSENT;
    if (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY)
        return KEY_MISS_NOT_SCALAR;
    enum key_miss miss = miss_of(json_read_short_text(value, KEY_MAX_VALUE_BYTES, arena));
    *ret_part = (struct part){.kind = part_kind(value->kind), .text = value->text};
    return miss;
}

static enum key_miss read_field(const struct form_field *field, struct arena *arena,
                                struct part *ret_part)
{
    struct slice text = {0};
    enum key_miss miss = form_read(field, arena, &text);
    *ret_part = (struct part){.kind = PART_STRING, .text = text};
    return miss == KEY_MISS_EMPTY ? KEY_MISS_NONE : miss;
}

/* Where path `i` led. */
static enum key_miss read_located(struct located *located, size_t i, struct arena *arena,
                                  struct part *ret_part)
{
    return located->is_form ? read_field(&located->form[i], arena, ret_part)
                            : read_scalar(&located->json[i], arena, ret_part);
}

/* A value that is there but can't be used ends the rule; what counts as absent leads on to the next
 * path, and its reason is remembered if it says more than "absent". */
static enum key_miss find_first(struct located *located, size_t count, struct arena *arena,
                                struct finding *finding)
{
    enum key_miss reason = KEY_MISS_ABSENT;
    for (size_t i = 0; i < count; i++) {
        struct part part;
        enum key_miss miss = read_located(located, i, arena, &part);
        if (miss == KEY_MISS_NONE && part.text.len == 0)
            miss = KEY_MISS_EMPTY;
        if (miss == KEY_MISS_NONE)
            set_only(finding, part);
        if (miss != KEY_MISS_ABSENT && miss != KEY_MISS_EMPTY && miss != KEY_MISS_NOT_SCALAR)
            return miss;
        if (reason == KEY_MISS_ABSENT)
            reason = miss;
    }
    return reason;
}

static enum key_miss find_all(struct located *located, size_t count, struct arena *arena,
                              struct finding *finding)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        enum key_miss miss = read_located(located, i, arena, &finding->parts[i]);
        if (miss != KEY_MISS_NONE)
            return miss;
        bytes += finding->parts[i].text.len;
    }
    finding->count = count;
    return bytes > 0 ? KEY_MISS_NONE : KEY_MISS_EMPTY;
}

static enum key_miss find_in_body(const struct key_rule *rule, const struct key_body *body,
                                  struct arena *arena, struct finding *finding)
{
    assert(rule->path_count > 0);
    assert(rule->path_count <= (rule->kind == KEY_FIELDS ? KEY_MAX_FIELDS : JSON_MAX_PATHS));
    struct located located;
    located.is_form = body->is_form;
    if (body->is_form)
        form_locate(body->text, rule->paths, rule->path_count, located.form);
    else
        finding->json = json_locate(body->text, rule->paths, rule->path_count, located.json);
    if (finding->json != JSON_OK)
        return miss_of(finding->json);
    return rule->kind == KEY_FIELDS ? find_all(&located, rule->path_count, arena, finding)
                                    : find_first(&located, rule->path_count, arena, finding);
}

/* ---- all kinds ---- */

static bool reads_body(const struct key_rule *rule)
{
    return rule->kind == KEY_JSON || rule->kind == KEY_FIELDS ||
           (rule->kind == KEY_PAYLOAD && rule->canonical);
}

enum key_miss key_find(const struct key_rule *rule, const struct key_input *input,
                       struct key_body *body, struct digester *digester, struct arena *arena,
                       struct finding *finding)
{
    finding->count = 0;
    finding->json = JSON_OK;
    enum key_miss miss = reads_body(rule) ? key_body_read(body, input) : KEY_MISS_NONE;
    if (miss != KEY_MISS_NONE)
        return miss;
    switch (rule->kind) {
    case KEY_PAYLOAD:
        return rule->canonical ? find_canonical(rule, body->text, digester, finding)
                               : find_payload(input, finding);
    case KEY_HEADER:
        return find_header(rule, input, arena, finding);
    case KEY_QUERY:
        return find_query(rule, input, arena, finding);
    case KEY_JSON:
    case KEY_FIELDS:
        break;
    }
    return find_in_body(rule, body, arena, finding);
}
