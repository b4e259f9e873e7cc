/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formatting of log lines, JSON and text, into a fixed array. A line is written once without a
 * limit on its values, which is enough for all but a few. Only when it overflows it is written
 * again, with all values cut to nothing, to learn how much room they have, and then with that room
 * shared among them. So the usual line pays nothing for the guarantee that a long one stays whole.
 */
#include "log_format.h"

#include "escape.h"

#include <postern/base/clock.h>

#define CUT_MARK SLICE("...")

struct line {
    char *bytes; /* LOG_LINE_MAX of them */
    size_t len;
    size_t spare;      /* for texts, without their quotes and the marks of cuts */
    size_t texts_left; /* that share it: the message and the text fields not yet written */
    bool overflow;     /* something did not fit; what follows is not written either */
};

static void put(struct line *line, struct slice bytes)
{
    if (line->overflow || bytes.len > LOG_LINE_MAX - line->len) {
        line->overflow = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes.data, bytes.len);
    line->len += bytes.len;
}

/* The next bytes of output for `text`, at most `max`, and how many of its bytes they stand for;
 * empty when not even one character fits. Escaped bytes lie in `scratch`. */
static struct slice next_piece(struct slice text, size_t max, struct escaped *scratch,
                               size_t *ret_taken)
{
    size_t run = escape_plain_run(text);
    if (run > 0) {
        *ret_taken = run < max ? run : max;
        return slice_of(text.data, *ret_taken);
    }
    *scratch = escape_next(text);
    *ret_taken = scratch->taken;
    return slice_of(scratch->bytes, scratch->len <= max ? scratch->len : 0);
}

/* Writes `text` escaped, as much as its share of the spare room allows, and the mark when that is
 * not all. What it does not use is left to the texts after it. */
static void put_text(struct line *line, struct slice text)
{
    size_t left = line->spare / line->texts_left;
    line->spare -= left;
    line->texts_left--;
    while (text.len > 0 && !line->overflow) {
        struct escaped scratch;
        size_t taken;
        struct slice piece = next_piece(text, left, &scratch, &taken);
        if (piece.len == 0) {
            put(line, CUT_MARK);
            break;
        }
        put(line, piece);
        left -= piece.len;
        text = slice_skip(text, taken);
    }
    line->spare += left;
}

static void put_quoted(struct line *line, struct slice text)
{
    put(line, SLICE("\""));
    put_text(line, text);
    put(line, SLICE("\""));
}

static void put_int(struct line *line, int64_t number)
{
    char digits[20]; /* of INT64_MIN, with its sign */
    char *first = digits + sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--first = '-';
    put(line, slice_of(first, (size_t)(digits + sizeof(digits) - first)));
}

static struct slice level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return SLICE("debug");
    case LOG_INFO:
        return SLICE("info");
    case LOG_WARN:
        return SLICE("warn");
    case LOG_ERROR:
        return SLICE("error");
    }
    return SLICE("unknown");
}

static void put_time(struct line *line, uint64_t wall_ms)
{
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_ms, time);
    put(line, slice_of(time, CLOCK_RFC3339_SIZE - 1));
}

static void put_json_field(struct line *line, const struct log_field *field)
{
    put(line, SLICE(",\""));
    put(line, slice_str(field->name));
    put(line, SLICE("\":"));
    if (field->kind == LOG_FIELD_INT)
        put_int(line, field->number);
    else
        put_quoted(line, field->text);
}

static void put_json(struct line *line, const struct log_entry *entry)
{
    put(line, SLICE("{\"time\":\""));
    put_time(line, entry->wall_ms);
    put(line, SLICE("\",\"level\":\""));
    put(line, level_name(entry->level));
    put(line, SLICE("\",\"msg\":"));
    put_quoted(line, slice_str(entry->message));
    for (size_t i = 0; i < entry->count; i++)
        put_json_field(line, &entry->fields[i]);
    put(line, SLICE("}\n"));
}

/* True when a value needs quotes to be told from what stands around it. */
static bool needs_quotes(struct slice text)
{
    return text.len == 0 || escape_plain_run(text) < text.len || memchr(text.data, ' ', text.len) ||
           memchr(text.data, '=', text.len);
}

static void put_text_field(struct line *line, const struct log_field *field)
{
    put(line, SLICE(" "));
    put(line, slice_str(field->name));
    put(line, SLICE("="));
    if (field->kind == LOG_FIELD_INT)
        put_int(line, field->number);
    else if (needs_quotes(field->text))
        put_quoted(line, field->text);
    else
        put_text(line, field->text);
}

static void put_plain(struct line *line, const struct log_entry *entry)
{
    put_time(line, entry->wall_ms);
    put(line, SLICE(" "));
    put(line, level_name(entry->level));
    put(line, SLICE(" "));
    put_text(line, slice_str(entry->message));
    for (size_t i = 0; i < entry->count; i++)
        put_text_field(line, &entry->fields[i]);
    put(line, SLICE("\n"));
}

/* The number of texts that share what room there is: the message and the text fields. */
static size_t count_texts(const struct log_entry *entry)
{
    size_t texts = 1;
    for (size_t i = 0; i < entry->count; i++)
        if (entry->fields[i].kind == LOG_FIELD_TEXT)
            texts++;
    return texts;
}

/* Writes the whole line anew; false when it does not fit. */
static bool try_line(struct line *line, enum log_format format, const struct log_entry *entry,
                     size_t spare)
{
    line->len = 0;
    line->spare = spare;
    line->texts_left = count_texts(entry);
    line->overflow = false;
    if (format == LOG_FORMAT_JSON)
        put_json(line, entry);
    else
        put_plain(line, entry);
    return !line->overflow;
}

size_t log_format_entry(enum log_format format, const struct log_entry *entry,
                        char ret_line[static LOG_LINE_MAX])
{
    struct line line = {.bytes = ret_line};
    if (try_line(&line, format, entry, SIZE_MAX))
        return line.len;
    struct log_entry shorter = *entry;
    while (!try_line(&line, format, &shorter, 0) && shorter.count > 0)
        shorter.count--;
    /* Fits: with every text cut to its mark the line had line.len bytes. */
    (void)try_line(&line, format, &shorter, LOG_LINE_MAX - line.len);
    return line.len;
}
