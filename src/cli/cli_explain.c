/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An explanation as lines for people: route, handshake, signature, rules, values, key, and what the
 * running gateway says of it. As JSON it is gateway/explain.h's.
 */
#include "cli_explain.h"

#include "print.h"

#define SHOWN_BYTES 200u /* of one part; a payload can be large */

/* ---- the door ---- */

static void print_door(FILE *out, const struct explanation *told)
{
    const struct verify_opts *opts = &told->route->verify;
    if (told->handshake != HANDSHAKE_NONE)
        (void)fprintf(out, "shake   %s, answered here with %u\n", handshake_text(told->handshake),
                      told->handshake_status);
    if (!told->is_verified)
        return;
    (void)fprintf(out, "signed  %s: %s", verify_scheme_text(opts->scheme),
                  verify_result_text(told->verified));
    if (told->verified == VERIFY_OK)
        (void)fprintf(out, ", by secret %zu of %zu", told->secret + 1, opts->secret_count);
    (void)fputc('\n', out);
}

/* ---- the key ---- */

/* Up to the next quote or backslash. */
static size_t plain_length(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '"' && text.data[len] != '\\')
        len++;
    return len;
}

/* In quotes, its own escaped. */
static void print_value(FILE *out, struct slice value)
{
    struct slice shown = slice_of(value.data, value.len < SHOWN_BYTES ? value.len : SHOWN_BYTES);
    (void)fputc('"', out);
    while (shown.len > 0) {
        size_t plain = plain_length(shown);
        print_plain(out, slice_of(shown.data, plain));
        shown = slice_skip(shown, plain);
        if (shown.len > 0)
            (void)fprintf(out, "\\%c", shown.data[0]);
        shown = slice_skip(shown, 1);
    }
    (void)fprintf(out, value.len > SHOWN_BYTES ? "\"... (%zu bytes)\n" : "\"\n", value.len);
}

static void print_miss(FILE *out, enum key_miss miss, enum json_result json)
{
    (void)fputs(key_miss_text(miss), out);
    if (miss == KEY_MISS_NOT_JSON)
        (void)fprintf(out, " (%s)", json_result_text(json));
    (void)fputc('\n', out);
}

static void print_misses(FILE *out, const struct explanation *told)
{
    for (size_t i = 0; i < told->miss_count && told->route->key_count > 1; i++) {
        const struct key_rule *rule = &told->route->keys[i];
        (void)fprintf(out, "miss    %zu of %zu: %s%s%.*s", i + 1, told->route->key_count,
                      key_kind_text(rule->kind), rule->name.len > 0 ? " " : "", (int)rule->name.len,
                      rule->name.data);
        for (size_t k = 0; k < rule->other_count; k++)
            (void)fprintf(out, " or %.*s", (int)rule->others[k].len, rule->others[k].data);
        (void)fputs(": ", out);
        print_miss(out, told->misses[i].miss, told->misses[i].json);
    }
}

/* No rule of the list gave a key: what the route does then. */
static void print_missing(FILE *out, const struct explanation *told)
{
    static const char *const texts[] = {
        [MISSING_PASS] = "missing: pass (it would go through undeduplicated)",
        [MISSING_PAYLOAD] = "missing: payload (its body is the key)",
        [MISSING_REJECT] = "missing: reject (it would get 400)"};
    bool is_observed = told->route->mode == ROUTE_OBSERVE;
    (void)fprintf(out, "no key  ");
    print_miss(out, told->misses[0].miss, told->misses[0].json);
    (void)fprintf(out, "rule    %s\n",
                  is_observed ? "mode: observe (it would go through)"
                              : texts[told->route->missing]);
    if (told->rule || is_observed || told->route->missing != MISSING_PAYLOAD)
        return;
    (void)fprintf(out, "no key  ");
    print_miss(out, told->key.miss, told->key.json);
}

static void print_rules(FILE *out, const struct explanation *told)
{
    print_misses(out, told);
    if (told->rule && !told->by_missing)
        (void)fprintf(out, "rule    %zu of %zu: %s\n", told->miss_count + 1, told->route->key_count,
                      key_kind_text(told->rule->kind));
    else if (told->miss_count > 0)
        print_missing(out, told);
}

static void print_form(FILE *out, struct slice form)
{
    (void)fprintf(out, "form    ");
    if (form.len > 0)
        print_plain(out, form);
    else
        (void)fprintf(out, "(too long to be shown)");
    (void)fputc('\n', out);
}

static void print_key(FILE *out, const struct explanation *told)
{
    const struct config *config = told->config;
    char hex[EVENT_KEY_HEX + 1] = "", mark[2 * FINGERPRINT_BYTES + 1] = "";
    hex_format(slice_of(told->key.key.digest, EVENT_KEY_BYTES), hex);
    hex_format(slice_of(told->fingerprint.bytes, FINGERPRINT_BYTES), mark);
    for (size_t i = 0; i < told->key.value_count; i++) {
        (void)fprintf(out, "value   ");
        print_value(out, told->key.values[i]);
    }
    if (told->rule->canonical)
        print_form(out, buf_slice(&told->form));
    if (told->fingerprint.there)
        (void)fprintf(out, "body    %s\n", mark);
    (void)fprintf(out, "key     %s\n", hex);
    if (config->dedup == DEDUP_REDIS)
        (void)fprintf(out, "redis   %.*s:{%.*s}:%s\n", (int)config->redis.prefix.len,
                      config->redis.prefix.data, (int)told->route->name.len, told->route->name.data,
                      hex);
}

void print_explanation(FILE *out, const struct explanation *told)
{
    (void)fprintf(out, "route   %.*s\n", (int)told->route->name.len, told->route->name.data);
    print_door(out, told);
    print_rules(out, told);
    if (told->rule)
        print_key(out, told);
}

/* ---- the end ---- */

/* Empty: not known. */
static void print_end_words(FILE *out, struct slice would, struct slice outcome,
                            struct slice status)
{
    if (would.len == 0)
        return;
    (void)fprintf(out, "would   ");
    print_plain(out, would);
    if (status.len > 0) {
        (void)fprintf(out, slice_eq(would, SLICE("answer")) ? " " : ", then answer ");
        print_plain(out, status);
    }
    if (outcome.len > 0) {
        (void)fprintf(out, " (");
        print_plain(out, outcome);
        (void)fputc(')', out);
    }
    (void)fputc('\n', out);
}

void print_end(FILE *out, const struct explanation *told)
{
    char status[8] = "";
    const char *outcome = told->outcome == OUTCOME_NONE ? NULL : outcome_row(told->outcome)->name;
    if (told->status > 0)
        (void)snprintf(status, sizeof status, "%u", told->status);
    print_end_words(out, slice_str(explain_end_text(told->end)), slice_str(outcome),
                    slice_str(status));
}

/* ---- the running gateway ---- */

enum {
    VERDICT,
    EVENT_ID,
    STATUS,
    ACCEPTED_AT,
    AGE_MS,
    DIFFERS,
    KEY,
    WOULD,
    OUTCOME,
    ENDS,
    MEMBERS
};

static void print_store(FILE *out, const struct slice *members)
{
    struct slice verdict = members[VERDICT];
    if (verdict.len == 0)
        return;
    (void)fprintf(out, "store   ");
    print_plain(out, verdict);
    if (members[EVENT_ID].len > 0) {
        (void)fprintf(out, ": ");
        print_plain(out, members[EVENT_ID]);
    }
    if (members[STATUS].len > 0) {
        (void)fprintf(out, ", answered ");
        print_plain(out, members[STATUS]);
        (void)fprintf(out, ", accepted ");
        print_plain(out, members[ACCEPTED_AT]);
    }
    if (members[AGE_MS].len > 0) {
        (void)fprintf(out, ", ");
        print_plain(out, members[AGE_MS]);
        (void)fprintf(out, " ms ago");
    }
    (void)fprintf(out, slice_eq(members[DIFFERS], SLICE("true")) ? ", with another body\n" : "\n");
}

bool print_verdict(FILE *out, struct slice answer, struct arena *arena, struct slice *ret_key)
{
    static const char *const paths[MEMBERS] = {
        "store.verdict", "store.event_id", "store.status", "store.accepted_at",
        "store.age_ms",  "store.differs",  "key",          "would",
        "outcome",       "status"};
    struct slice members[MEMBERS];
    if (!read_members(answer, paths, MEMBERS, arena, members))
        return false;
    print_store(out, members);
    print_end_words(out, members[WOULD], members[OUTCOME], members[ENDS]);
    *ret_key = members[KEY];
    return true;
}
