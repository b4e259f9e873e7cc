/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view of bytes that somebody else owns: a pointer and a length, never NUL-terminated by
 * contract. The common currency between layers. Header only; no allocation happens here.
 */
#ifndef POSTERN_BASE_SLICE_H
#define POSTERN_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data; /* may be NULL when len is 0 */
    size_t len;       /* bytes */
};

/* A slice over a string literal (not over a char pointer). */
#define SLICE(literal) ((struct slice){.data = ("" literal ""), .len = sizeof(literal) - 1})

/* The view of `len` bytes at `data`; borrows them. */
static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){.data = data, .len = len};
}

/* The view of a NUL-terminated string; NULL gives the empty slice. */
static inline struct slice slice_str(const char *text)
{
    return (struct slice){.data = text, .len = text ? strlen(text) : 0};
}

/* True when both hold the same bytes. */
static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Lower-cases one ASCII letter, leaves every other byte alone; independent of the locale. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* True for what names of header fields and other tokens are made of (tchar, RFC 9110 5.6.2). */
static inline bool ascii_is_token(char c)
{
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* True when both hold the same bytes but for the case of ASCII letters. */
static inline bool slice_ieq(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

/* True when `s` begins with `prefix`. */
static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* `s` without its first `n` bytes; `n` beyond the end gives the empty slice. */
static inline struct slice slice_skip(struct slice s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return (struct slice){.data = s.data ? s.data + n : NULL, .len = s.len - n};
}

/* `s` without the spaces and tabs at both ends (OWS of RFC 9110 5.6.3). */
static inline struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_skip(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

#endif
