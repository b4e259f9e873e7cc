/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering findings and telling them. How a line is quoted stands in excerpt.c.
 */
#include "report.h"

#include "excerpt.h"
#include "text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_BYTES 512u /* longest message or hint; what is quoted in them is cut before */

/* A range of lines that is never quoted. */
struct concealed {
    struct concealed *next;
    uint32_t from, to;
};

void report_init(struct report *report, const char *name, struct slice source, struct arena *arena)
{
    *report = (struct report){.name = name, .source = source, .arena = arena};
}

static const char *format_message(struct report *report, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void add(struct report *report, enum severity severity, struct mark at, const char *format,
                va_list args) __attribute__((format(printf, 4, 0)));

static const char *format_message(struct report *report, const char *format, va_list args)
{
    char message[MESSAGE_BYTES];
    int len = vsnprintf(message, sizeof(message), format, args);
    assert(len >= 0);
    size_t size = (size_t)len < sizeof(message) ? (size_t)len + 1 : sizeof(message);
    char *copy = arena_alloc(report->arena, size);
    if (!copy) {
        report->no_memory = true;
        return "out of memory";
    }
    memcpy(copy, message, size);
    return copy;
}

static void add(struct report *report, enum severity severity, struct mark at, const char *format,
                va_list args)
{
    if (severity == SEVERITY_ERROR)
        report->errors++;
    else
        report->warnings++;
    report->hint_goes_nowhere = report->count == REPORT_MAX_FINDINGS;
    if (report->hint_goes_nowhere)
        return;
    report->findings[report->count++] = (struct finding){
        .at = at, .severity = severity, .message = format_message(report, format, args)};
}

void report_error(struct report *report, struct mark at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(report, SEVERITY_ERROR, at, format, args);
    va_end(args);
}

void report_finding(struct report *report, enum severity severity, struct mark at,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(report, severity, at, format, args);
    va_end(args);
}

void report_hint(struct report *report, const char *format, ...)
{
    assert(report->count > 0);
    if (report->hint_goes_nowhere)
        return;
    va_list args;
    va_start(args, format);
    report->findings[report->count - 1].hint = format_message(report, format, args);
    va_end(args);
}

void report_conceal(struct report *report, uint32_t from, uint32_t to)
{
    struct concealed *concealed = arena_alloc(report->arena, sizeof(*concealed));
    if (!concealed) {
        report->no_memory = true;
        return;
    }
    *concealed = (struct concealed){.next = report->concealed, .from = from, .to = to};
    report->concealed = concealed;
}

static bool is_concealed(const struct report *report, uint32_t line)
{
    for (const struct concealed *c = report->concealed; c; c = c->next)
        if (line >= c->from && line <= c->to)
            return true;
    return false;
}

/* By position, then by message, so that the order never depends on qsort. */
static int compare(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->at.line != y->at.line)
        return x->at.line < y->at.line ? -1 : 1;
    if (x->at.column != y->at.column)
        return x->at.column < y->at.column ? -1 : 1;
    return strcmp(x->message, y->message);
}

static void render_excerpt(const struct report *report, struct mark at, struct text *text)
{
    if (is_concealed(report, at.line)) {
        text_put(text, "%6u | (not shown: it holds a secret)\n", at.line);
        return;
    }
    struct slice line;
    if (!excerpt_line(report->source, at.line, &line))
        return;
    struct excerpt excerpt;
    excerpt_make(&excerpt, line, at.column);
    text_put(text, "%6u | %.*s\n", at.line, (int)excerpt.len, excerpt.text);
    text_put(text, "       | %*s^\n", (int)excerpt.caret, "");
}

static void render_finding(const struct report *report, const struct finding *finding,
                           struct text *text)
{
    const char *severity = finding->severity == SEVERITY_ERROR ? "error" : "warning";
    text_put(text, "%s:", report->name);
    if (finding->at.line > 0)
        text_put(text, "%u:%u:", finding->at.line, finding->at.column);
    text_put(text, " %s: %s\n", severity, finding->message);
    if (finding->at.line > 0)
        render_excerpt(report, finding->at, text);
    if (finding->hint)
        text_put(text, "hint: %s\n", finding->hint);
}

enum status report_render(struct report *report, struct buf *buf)
{
    struct text text = {.buf = buf};
    qsort(report->findings, report->count, sizeof(report->findings[0]), compare);
    for (size_t i = 0; i < report->count; i++)
        render_finding(report, &report->findings[i], &text);
    size_t untold = report->errors + report->warnings - report->count;
    if (untold > 0)
        text_put(&text, "%s: and %zu more, not shown\n", report->name, untold);
    return text.status;
}
