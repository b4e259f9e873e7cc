/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/settings. The rows themselves are walked: each number at, below and above
 * its bounds, each word, each default; then the wording of what is refused. */
#include "building.h"
#include "parsing.h"

#include "values.h"

#include <inttypes.h>

static const struct scope *const SCOPES[] = {&SCOPE_ROOT, &SCOPE_LISTENER, &SCOPE_CERTIFICATE,
                                             &SCOPE_UPSTREAM, &SCOPE_ROUTE};

/* Room for any scope's struct. */
union target {
    struct config config;
    struct listener_settings listener;
    struct tls_certificate certificate;
    struct upstream_settings upstream;
    struct route_opts route;
    unsigned char bytes[1];
};

/* Writes "a.b.c" with its value as "a: {b: {c: value}}". */
static void nest(const char *path, const char *value, char *text, size_t size)
{
    size_t len = 0, depth = 0;
    for (const char *at = path; *at; at++) {
        bool is_dot = *at == '.';
        len += (size_t)snprintf(text + len, size - len, is_dot ? ": {" : "%c", *at);
        depth += is_dot;
    }
    len += (size_t)snprintf(text + len, size - len, ": %s", value);
    while (depth-- > 0)
        len += (size_t)snprintf(text + len, size - len, "}");
    cr_assert_lt(len, size);
}

/* Reads one setting alone. Returns if it was taken. */
static bool reads(const struct scope *scope, const struct setting *setting, const char *value,
                  union target *target)
{
    char text[256];
    struct built built;
    memset(target, 0, sizeof(*target));
    nest(setting->path, value, text, sizeof(text));
    build_scope(&built, scope, slice_str(text), target);
    bool taken = !node_find(built.build.root, setting->path)->refused;
    arena_done(&built.arena);
    return taken;
}

static bool is_number(const struct setting *setting)
{
    return setting->kind == SETTING_COUNT || setting->kind == SETTING_MS ||
           setting->kind == SETTING_SECONDS || setting->kind == SETTING_SIZE;
}

static void write_number(const struct setting *setting, uint64_t number, char text[static 40])
{
    const char *unit = setting->kind == SETTING_COUNT  ? ""
                       : setting->kind == SETTING_SIZE ? "B"
                                                       : "ms";
    snprintf(text, 40, "%" PRIu64 "%s", number, unit);
}

static uint64_t stored(const struct setting *setting, const union target *target)
{
    uint64_t number = 0;
    memcpy(&number, target->bytes + setting->offset, setting->width); /* little-endian machines */
    return number;
}

static void check_bounds(const struct scope *scope, const struct setting *setting)
{
    char text[40];
    union target target;
    uint64_t scale = setting->kind == SETTING_SECONDS ? 1000 : 1;
    cr_assert_leq(setting->min, setting->max);
    cr_assert(setting->width == 8 || setting->max / scale < UINT64_C(1) << (8 * setting->width),
              "%s: its bound does not fit its target", setting->path);
    write_number(setting, setting->min, text);
    cr_assert(reads(scope, setting, text, &target), "%s %s", setting->path, text);
    cr_assert_eq(stored(setting, &target), setting->min / scale, "%s", setting->path);
    write_number(setting, setting->max, text);
    cr_assert(reads(scope, setting, text, &target), "%s %s", setting->path, text);
    cr_assert_eq(stored(setting, &target), setting->max / scale, "%s", setting->path);
    write_number(setting, setting->max + 1, text);
    cr_assert_not(reads(scope, setting, text, &target), "%s %s", setting->path, text);
    if (setting->min > 0) {
        write_number(setting, setting->min - 1, text);
        cr_assert_not(reads(scope, setting, text, &target), "%s %s", setting->path, text);
    }
}

Test(settings, numbers_at_below_and_above_their_bounds)
{
    size_t seen = 0;
    for (size_t s = 0; s < sizeof(SCOPES) / sizeof(SCOPES[0]); s++)
        for (size_t i = 0; i < SCOPES[s]->count; i++)
            if (is_number(&SCOPES[s]->settings[i])) {
                check_bounds(SCOPES[s], &SCOPES[s]->settings[i]);
                seen++;
            }
    cr_assert_gt(seen, 30);
}

Test(settings, every_word_is_read_and_later_ones_are_refused)
{
    for (size_t s = 0; s < sizeof(SCOPES) / sizeof(SCOPES[0]); s++)
        for (size_t i = 0; i < SCOPES[s]->count; i++) {
            const struct setting *setting = &SCOPES[s]->settings[i];
            for (const struct word *word = setting->words; word && word->text; word++) {
                union target target;
                bool taken = reads(SCOPES[s], setting, word->text, &target);
                cr_assert_eq(taken, !word->later, "%s: %s", setting->path, word->text);
                if (taken && setting->width > 0)
                    cr_assert_eq(stored(setting, &target), word->value);
            }
        }
}

Test(settings, rows_are_complete)
{
    for (size_t s = 0; s < sizeof(SCOPES) / sizeof(SCOPES[0]); s++)
        for (size_t i = 0; i < SCOPES[s]->count; i++) {
            const struct setting *row = &SCOPES[s]->settings[i];
            cr_assert_eq(scope_find(SCOPES[s], slice_str(row->path)), row, "%s twice", row->path);
            cr_assert_not(scope_is_section(SCOPES[s], slice_str(row->path)), "%s", row->path);
            cr_assert_not_null(row->help, "%s", row->path);
            cr_assert(row->kind != SETTING_WORD || row->words, "%s", row->path);
            cr_assert(row->kind != SETTING_CUSTOM || (row->read && row->form), "%s", row->path);
            cr_assert(!row->required || (!row->standard && row->form), "%s", row->path);
        }
}

Test(settings, later_words_are_refused)
{
    expect_error("", "", "    verify: always\n",
                 "f.yaml:9:13: error: \"verify: always\" is not supp");
    expect_error("", "", "    on_store_error: fallback\n",
                 "\"on_store_error: fallback\" is not supported by this version yet");
}

Test(settings, a_missing_unit)
{
    expect_error("", "", "    window: 30\n",
                 "f.yaml:9:13: error: missing unit: window is \"30\"\n"
                 "     9 |     window: 30\n"
                 "       |             ^\n"
                 "hint: write it with one, as in \"30s\"; units are ms, s, m, h, d\n");
    expect_error("limits: {body: 4}\n", "", "", "as in \"4KiB\"; units are B, kB, KiB");
}

Test(settings, numbers_that_are_none)
{
    expect_error("", "", "    window: soon\n", "window must be a whole number with a unit");
    expect_error("", "", "    window: 30sec\n", "unknown unit in window: \"30sec\"");
    expect_error("limits: {connections: 20k}\n", "", "", "must be a whole number, not \"20k\"");
    expect_error("limits: {connections: -1}\n", "", "", "must be a whole number, not \"-1\"");
    expect_error("", "", "    window: 99999999999999999999999d\n", "window must be from 1s to 30d");
    expect_error("", "", "    window: 31d\n", "window must be from 1s to 30d, not 31d");
    expect_error("journal: {retention: 61001ms}\n", "", "", "must be whole seconds");
}

Test(settings, quoted_numbers_are_numbers)
{
    struct parsed parsed = parse_with("limits: {connections: '7'}\n", "", "    window: \"48h\"\n");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->connections, 7);
    cr_assert_eq(parsed.config->routes[0].window_ms, UINT64_C(172800000));
    parsed_done(&parsed);
}

Test(settings, flags)
{
    expect_clean("strict: true\n", "", "");
    expect_error("strict: yes\n", "", "", "strict must be true or false, not \"yes\"");
    expect_error("strict: True\n", "", "", "strict must be true or false");
    expect_error("strict: 1\n", "", "", "strict must be true or false");
}

Test(settings, words)
{
    expect_error("", "", "    in_flight: wiat\n",
                 "in_flight must be wait | conflict, not \"wiat\"");
    expect_error("", "", "    in_flight: wiat\n", "hint: did you mean \"wait\"?");
    expect_error("", "", "    mode: xyz\n", "mode must be proxy | queue | observe, not \"xyz\"");
}

Test(settings, wrong_shapes)
{
    expect_error("", "", "    window: [1s]\n", "window must be one value, not a list");
    expect_error("", "", "    window: {a: 1s}\n", "window must be one value, not a map");
    expect_error("", "", "    window:\n", "window has no value");
    expect_error("", "", "    window:\n", "hint: leave the line out for the default, 24h");
    expect_error("", "", "    missing: ~\n", "missing has no value");
    expect_error("log: json\n", "", "", "log must be a map of settings");
    expect_error("dedup: {redis: [a]}\n", "", "", "dedup.redis must be a map of settings");
}

Test(settings, an_empty_section_is_its_defaults)
{
    expect_clean("log:\nlimits: {}\ndedup: {redis: }\n", "", "");
}

Test(settings, what_is_required)
{
    struct parsed parsed = parse(SLICE("workers: 1\n"));
    cr_assert_eq(times(&parsed, "listen is missing"), 1);
    cr_assert_eq(times(&parsed, "upstreams is missing"), 1);
    cr_assert_eq(times(&parsed, "routes is missing"), 1);
    cr_assert_eq(times(&parsed, "error:"), 3, "%s", parsed.report);
    parsed_done(&parsed);
}

Test(settings, a_section_of_a_wrong_shape_hides_no_required_row)
{
    struct parsed parsed = parse(SLICE("listen: [{address: 127.0.0.1:1}]\n"
                                       "upstreams: {a: {endpoints: http://h}}\n"
                                       "routes: [{name: r, upstream: a, match: /r}]\n"));
    assert_one_error(parsed, "match must be a map of settings");
    parsed_done(&parsed);
}

Test(settings, a_refused_value_leaves_the_default)
{
    union target target;
    const struct setting *lease = scope_find(&SCOPE_ROUTE, SLICE("lease"));
    cr_assert_not(reads(&SCOPE_ROUTE, lease, "1ms", &target));
    cr_assert_eq(target.route.lease_ms, 30000);
}
