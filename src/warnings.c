/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the report for people to lines of the log. A finding is "FILE:LINE:COLUMN: warning: WHAT",
 * an excerpt, and perhaps "hint: …".
 */
#include "warnings.h"

#include <string.h>

static const struct slice MARK = {": warning: ", 11};
static const struct slice HINT = {"hint: ", 6};

/* Cuts the next line off `rest`. */
static struct slice take_line(struct slice *rest)
{
    const char *end = memchr(rest->data, '\n', rest->len);
    struct slice line = slice_of(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = slice_skip(*rest, end ? line.len + 1 : line.len);
    return line;
}

static void log_finding(struct log *log, struct slice heading, struct slice hint)
{
    const char *mark = memmem(heading.data, heading.len, MARK.data, MARK.len);
    if (!mark)
        return;
    struct slice where = slice_of(heading.data, (size_t)(mark - heading.data));
    struct slice what = slice_skip(heading, where.len + MARK.len);
    log_line(log, LOG_WARN, "configuration", LOG_TEXT("detail", what), LOG_TEXT("hint", hint),
             LOG_TEXT("where", where));
}

static bool is_heading(struct slice line)
{
    bool is_excerpt = line.len == 0 || line.data[0] == ' ' || line.data[0] == '(';
    return !is_excerpt && memmem(line.data, line.len, MARK.data, MARK.len);
}

void warnings_log(struct log *log, struct slice report)
{
    struct slice heading = SLICE(""), hint = SLICE("");
    while (report.len > 0) {
        struct slice line = take_line(&report);
        if (is_heading(line)) {
            log_finding(log, heading, hint);
            heading = line;
            hint = SLICE("");
        } else if (slice_starts(line, HINT)) {
            hint = slice_skip(line, HINT.len);
        }
    }
    log_finding(log, heading, hint);
}
