/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An explanation as JSON, for the API and `postern key --json`. docs/api.md lists the members.
 */
#include <postern/gateway/explain.h>

/* ---- words ---- */

const char *explain_end_text(enum explain_end end)
{
    switch (end) {
    case EXPLAIN_STORE:
        break;
    case EXPLAIN_ANSWER:
        return "answer";
    case EXPLAIN_WAIT:
        return "wait";
    case EXPLAIN_FORWARD:
        return "forward";
    case EXPLAIN_ENQUEUE:
        return "enqueue";
    }
    return NULL;
}

const char *explain_verdict_text(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_FIRST:
        return "first";
    case VERDICT_DUPLICATE:
        return "duplicate";
    case VERDICT_IN_FLIGHT:
        return "in_flight";
    case VERDICT_UNKNOWN:
    case VERDICT_FULL:
        break;
    }
    return "unknown";
}

const char *explain_missing_text(enum missing_rule missing)
{
    switch (missing) {
    case MISSING_PASS:
        break;
    case MISSING_PAYLOAD:
        return "payload";
    case MISSING_REJECT:
        return "reject";
    }
    return "pass";
}

/* ---- members ---- */

static void write_number_or_null(struct json_writer *writer, const char *name, uint64_t number,
                                 bool is_there)
{
    if (is_there)
        json_member_number(writer, name, number);
    else
        json_member_null(writer, name);
}

static void write_route(struct json_writer *writer, const struct explanation *told)
{
    json_member_optional(writer, "route", told->route ? told->route->name : SLICE(""));
    if (!told->is_assembled)
        json_member_optional(writer, "matched", told->matched ? told->matched->name : SLICE(""));
}

static void write_handshake(struct json_writer *writer, const struct explanation *told)
{
    if (told->handshake == HANDSHAKE_NONE) {
        json_member_null(writer, "handshake");
        return;
    }
    json_name(writer, "handshake");
    json_open(writer, '{');
    json_member_text(writer, "kind", slice_str(handshake_text(told->handshake)));
    json_member_number(writer, "status", told->handshake_status);
    json_close(writer, '}');
}

static void write_signature(struct json_writer *writer, const struct explanation *told)
{
    if (!told->is_verified) {
        json_member_null(writer, "signature");
        return;
    }
    const struct verify_opts *opts = &told->route->verify;
    json_name(writer, "signature");
    json_open(writer, '{');
    json_member_text(writer, "scheme", slice_str(verify_scheme_text(opts->scheme)));
    json_member_text(writer, "result", slice_str(verify_result_text(told->verified)));
    write_number_or_null(writer, "secret", told->secret, told->verified == VERIFY_OK);
    json_member_number(writer, "secrets", opts->secret_count);
    json_close(writer, '}');
}

/* ---- the key ---- */

/* What else the header may be called; nothing for a rule with one name. */
static void write_other_names(struct json_writer *writer, const struct key_rule *rule)
{
    if (rule->other_count == 0)
        return;
    json_name(writer, "other_names");
    json_open(writer, '[');
    for (size_t i = 0; i < rule->other_count; i++)
        json_text(writer, rule->others[i]);
    json_close(writer, ']');
}

static void write_rule(struct json_writer *writer, const struct key_rule *rule,
                       const struct explain_miss *miss)
{
    json_open(writer, '{');
    json_member_text(writer, "kind", slice_str(key_kind_text(rule->kind)));
    json_member_optional(writer, "name", rule->name);
    write_other_names(writer, rule);
    json_member_optional(writer, "miss", slice_str(miss ? key_miss_text(miss->miss) : NULL));
    if (miss && miss->miss == KEY_MISS_NOT_JSON)
        json_member_text(writer, "json", slice_str(json_result_text(miss->json)));
    json_close(writer, '}');
}

/* Those that were tried: all that missed, and the one that fits. */
static void write_rules(struct json_writer *writer, const struct explanation *told)
{
    bool is_found = told->rule && !told->by_missing;
    json_name(writer, "rules");
    json_open(writer, '[');
    for (size_t i = 0; i < told->miss_count; i++)
        write_rule(writer, &told->route->keys[i], &told->misses[i]);
    if (is_found)
        write_rule(writer, told->rule, NULL);
    json_close(writer, ']');
    write_number_or_null(writer, "rule", told->miss_count + 1, is_found);
    bool is_missing = told->route && told->miss_count > 0 && !is_found;
    json_member_optional(writer, "missing",
                         slice_str(is_missing ? explain_missing_text(told->route->missing) : NULL));
}

static void write_values(struct json_writer *writer, const struct explanation *told)
{
    json_name(writer, "values");
    json_open(writer, '[');
    for (size_t i = 0; told->rule && i < told->key.value_count; i++) {
        struct slice value = told->key.values[i];
        size_t shown = value.len < EXPLAIN_VALUE_BYTES ? value.len : EXPLAIN_VALUE_BYTES;
        json_open(writer, '{');
        json_member_text(writer, "text", slice_of(value.data, shown));
        json_member_number(writer, "bytes", value.len);
        json_close(writer, '}');
    }
    json_close(writer, ']');
    json_member_optional(writer, "canonical", buf_slice(&told->form));
}

static void write_key(struct json_writer *writer, const struct explanation *told)
{
    char hex[2 * FINGERPRINT_BYTES];
    hex_format(slice_of(told->fingerprint.bytes, FINGERPRINT_BYTES), hex);
    write_rules(writer, told);
    write_values(writer, told);
    json_member_optional(writer, "fingerprint",
                         slice_of(hex, told->fingerprint.there ? sizeof hex : 0));
    json_member_key(writer, "key", told->rule ? &told->key.key : NULL);
}

/* ---- the end ---- */

static void write_store(struct json_writer *writer, const struct explanation *told)
{
    bool is_done = told->verdict == VERDICT_DUPLICATE;
    bool has_first = is_done || told->verdict == VERDICT_IN_FLIGHT;
    if (!told->is_heard) {
        json_member_null(writer, "store");
        return;
    }
    json_name(writer, "store");
    json_open(writer, '{');
    json_member_text(writer, "verdict", slice_str(explain_verdict_text(told->verdict)));
    json_member_id(writer, "event_id", has_first ? &told->first.event_id : NULL);
    write_number_or_null(writer, "status", told->first.status, is_done);
    json_member_time(writer, "accepted_at", is_done ? told->first.accepted_at_ms : 0);
    write_number_or_null(writer, "age_ms", told->age_ms, has_first);
    json_member_bool(writer, "differs", told->differs);
    json_close(writer, '}');
}

static void write_end(struct json_writer *writer, const struct explanation *told)
{
    const char *outcome = outcome_row(told->outcome)->name;
    json_member_optional(writer, "would", slice_str(explain_end_text(told->end)));
    json_member_optional(writer, "outcome",
                         slice_str(told->outcome == OUTCOME_NONE ? NULL : outcome));
    write_number_or_null(writer, "status", told->status, told->status > 0);
}

void explain_write(const struct explanation *explanation, struct json_writer *writer)
{
    json_open(writer, '{');
    write_route(writer, explanation);
    write_handshake(writer, explanation);
    write_signature(writer, explanation);
    write_key(writer, explanation);
    write_store(writer, explanation);
    write_end(writer, explanation);
    json_close(writer, '}');
}
