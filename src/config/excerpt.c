/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoting a line. Secrets are found by their looks, because a file that libyaml can't read has
 * no settings to go by: the user part of a URL, what follows a word such as "password", and what
 * begins as signing keys do.
 * Rather too much is hidden than too little.
 */
#include "excerpt.h"

#define HIDDEN "***"
#define CUT "..."

/* The bytes [from, to) of a line that are replaced by HIDDEN; empty when nothing is. */
struct span {
    size_t from, to;
};

bool excerpt_line(struct slice source, uint32_t number, struct slice *ret_line)
{
    for (uint32_t line = 1; line < number; line++) {
        const char *end = source.len ? memchr(source.data, '\n', source.len) : NULL;
        if (!end)
            return false;
        source = slice_skip(source, (size_t)(end - source.data) + 1);
    }
    const char *end = source.len ? memchr(source.data, '\n', source.len) : NULL;
    if (end)
        source.len = (size_t)(end - source.data);
    if (source.len > 0 && source.data[source.len - 1] == '\r')
        source.len--;
    *ret_line = source;
    return true;
}

/* The offset of `word` in any case in `line`, from `start` on, or line.len. */
static size_t find_word(struct slice line, size_t start, struct slice word)
{
    for (size_t i = start; i + word.len <= line.len; i++)
        if (slice_ieq(slice_of(line.data + i, word.len), word))
            return i;
    return line.len;
}

/* The smallest span that holds both. */
static struct span join(struct span a, struct span b)
{
    if (a.from == a.to)
        return b;
    if (b.from == b.to)
        return a;
    return (struct span){a.from < b.from ? a.from : b.from, a.to > b.to ? a.to : b.to};
}

/* From behind the first "://" to the last '@': whatever lies between may be a password. */
static struct span find_user_part(struct slice line)
{
    size_t from = find_word(line, 0, SLICE("://")) + 3;
    const char *at = line.len ? memrchr(line.data, '@', line.len) : NULL;
    if (!at || (size_t)(at - line.data) < from)
        return (struct span){0, 0};
    return (struct span){from, (size_t)(at - line.data)};
}

/* The first offset from `at` on whose character is none of `skipped`. */
static size_t skip(struct slice line, size_t at, struct slice skipped)
{
    while (at < line.len && memchr(skipped.data, line.data[at], skipped.len))
        at++;
    return at;
}

/* What follows "word:" or "word=" at `at` (the end of the word), unless it only says where the
 * secret is. */
static struct span value_after(struct slice line, size_t at)
{
    at = skip(line, at, SLICE("s\"' "));
    if (at >= line.len || (line.data[at] != ':' && line.data[at] != '='))
        return (struct span){0, 0};
    at = skip(line, at + 1, SLICE("[\"' "));
    struct slice value = slice_skip(line, at);
    if (slice_starts(value, SLICE("env:")) || slice_starts(value, SLICE("file:")))
        return (struct span){0, 0};
    return (struct span){at, line.len};
}

/* A signing key of Standard Webhooks, wherever it stands. */
static struct span find_signing_key(struct slice line)
{
    return (struct span){find_word(line, 0, SLICE("whsec_")), line.len};
}

static struct span find_secret(struct slice line)
{
    static const char *const words[] = {"password", "passwd", "secret", "token"};
    struct span secret = join(find_user_part(line), find_signing_key(line));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct slice word = slice_str(words[i]);
        for (size_t at = find_word(line, 0, word); at < line.len;
             at = find_word(line, at + word.len, word))
            secret = join(secret, value_after(line, at + word.len));
    }
    return secret;
}

/* How many bytes the character at the front of `s` has; a stray byte counts as one. */
static size_t char_bytes(struct slice s)
{
    size_t len = 1;
    while (len < s.len && len < 4 && (s.data[len] & 0xc0) == 0x80)
        len++;
    return (s.data[0] & 0x80) ? len : 1;
}

static void put(struct excerpt *excerpt, struct slice bytes)
{
    memcpy(excerpt->text + excerpt->len, bytes.data, bytes.len);
    excerpt->len += bytes.len;
}

static void put_char(struct excerpt *excerpt, struct slice bytes)
{
    unsigned char first = (unsigned char)bytes.data[0];
    if (first == '\t')
        bytes = SLICE(" "); /* so that the caret stands right at any tab width */
    else if (first < 0x20 || first == 0x7f)
        bytes = SLICE("?");
    put(excerpt, bytes);
}

/* The first column shown: a caret far to the right still has some text before it. */
static uint32_t first_column(uint32_t column)
{
    const uint32_t before_caret = 60;
    return column > EXCERPT_COLUMNS - 10 ? column - before_caret : 1;
}

/* Where an excerpt that is being made stands. */
struct walk {
    struct slice rest;
    uint32_t column; /* of the line's next character */
    size_t shown;    /* columns written */
};

/* Writes the next character, or HIDDEN for all of the secret. */
static void step(struct excerpt *excerpt, struct walk *walk, bool is_secret, uint32_t first)
{
    struct slice bytes = slice_of(walk->rest.data, char_bytes(walk->rest));
    bool shown = walk->column >= first;
    if (shown && !is_secret) {
        put_char(excerpt, bytes);
        walk->shown++;
    }
    walk->rest = slice_skip(walk->rest, bytes.len);
    walk->column++;
}

void excerpt_make(struct excerpt *excerpt, struct slice line, uint32_t column)
{
    struct span secret = find_secret(line);
    struct walk walk = {.rest = line, .column = 1};
    uint32_t first = first_column(column);
    bool caret_set = false, hidden_told = false;
    *excerpt = (struct excerpt){.len = 0};
    if (first > 1) {
        put(excerpt, SLICE(CUT));
        walk.shown = sizeof(CUT) - 1;
    }
    while (walk.rest.len > 0 && walk.shown < EXCERPT_COLUMNS) {
        size_t offset = line.len - walk.rest.len;
        bool is_secret = offset >= secret.from && offset < secret.to;
        if (walk.column == column) {
            excerpt->caret = walk.shown;
            caret_set = true;
        }
        if (is_secret && !hidden_told) {
            put(excerpt, SLICE(HIDDEN));
            walk.shown += sizeof(HIDDEN) - 1;
            hidden_told = true;
        }
        step(excerpt, &walk, is_secret, first);
    }
    if (!caret_set)
        excerpt->caret = walk.shown;
    if (walk.rest.len > 0)
        put(excerpt, SLICE(CUT));
}
