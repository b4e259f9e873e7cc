/* SPDX-License-Identifier: Apache-2.0 */
/* For the config tests: a text in, a configuration or a report out. */
#ifndef POSTERN_TESTS_CONFIG_PARSING_H
#define POSTERN_TESTS_CONFIG_PARSING_H

#include <postern/config/config.h>

#include <criterion/criterion.h>
#include <stdio.h>

#define REPORT_BYTES (1u << 20)

struct parsed {
    enum status status;
    struct config *config;
    struct buf buf;
    const char *report; /* NUL-terminated */
};

/* Parses `text` as "f.yaml". */
static inline struct parsed parse(struct slice text)
{
    struct parsed parsed = {.config = NULL};
    buf_init(&parsed.buf, REPORT_BYTES);
    parsed.status = config_parse("f.yaml", text, &parsed.buf, &parsed.config);
    cr_assert_eq(buf_append_byte(&parsed.buf, '\0'), STATUS_OK);
    parsed.report = buf_slice(&parsed.buf).data;
    return parsed;
}

/* A good file with something more at its top level, in its upstream and in its route; the latter
 * two with their indentation of four. */
static inline struct parsed parse_with(const char *top, const char *upstream, const char *route)
{
    char text[8192];
    int len = snprintf(text, sizeof(text),
                       "listen: [{address: 127.0.0.1:8080}]\n"
                       "upstreams:\n"
                       "  app:\n"
                       "    endpoints: [\"http://127.0.0.1:9000\"]\n"
                       "%s"
                       "routes:\n"
                       "  - name: r\n"
                       "    match: {path: /r}\n"
                       "    upstream: app\n"
                       "%s%s",
                       upstream, route, top);
    cr_assert(len > 0 && (size_t)len < sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

static inline void parsed_done(struct parsed *parsed)
{
    config_free(parsed->config);
    buf_done(&parsed->buf);
}

/* How often `word` stands in the report. */
static inline size_t times(const struct parsed *parsed, const char *word)
{
    size_t count = 0;
    for (const char *at = strstr(parsed->report, word); at; at = strstr(at + 1, word))
        count++;
    return count;
}

/* Exactly one error, which holds `words`. */
#define assert_one_error(parsed, words)                                                            \
    do {                                                                                           \
        cr_assert_eq((parsed).status, STATUS_INVALID, "%s", (parsed).report);                      \
        cr_assert_eq(times(&(parsed), ": error: "), 1, "%s", (parsed).report);                     \
        cr_assert(strstr((parsed).report, words), "%s lacks: %s", (parsed).report, words);         \
    } while (0)

/* No error, one warning, which holds `words`. */
#define assert_one_warning(parsed, words)                                                          \
    do {                                                                                           \
        cr_assert_eq((parsed).status, STATUS_OK, "%s", (parsed).report);                           \
        cr_assert_eq(times(&(parsed), ": warning: "), 1, "%s", (parsed).report);                   \
        cr_assert(strstr((parsed).report, words), "%s lacks: %s", (parsed).report, words);         \
    } while (0)

/* Nothing to say. */
#define assert_clean(parsed)                                                                       \
    do {                                                                                           \
        cr_assert_eq((parsed).status, STATUS_OK, "%s", (parsed).report);                           \
        cr_assert_str_empty((parsed).report);                                                      \
    } while (0)

/* A route or file that gives exactly one error. */
static inline void expect_error(const char *top, const char *upstream, const char *route,
                                const char *words)
{
    struct parsed parsed = parse_with(top, upstream, route);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

/* A route or file that gives exactly one warning. */
static inline void expect_warning(const char *top, const char *upstream, const char *route,
                                  const char *words)
{
    struct parsed parsed = parse_with(top, upstream, route);
    assert_one_warning(parsed, words);
    parsed_done(&parsed);
}

/* One that gives nothing to say. */
static inline void expect_clean(const char *top, const char *upstream, const char *route)
{
    struct parsed parsed = parse_with(top, upstream, route);
    assert_clean(parsed);
    parsed_done(&parsed);
}

#endif
