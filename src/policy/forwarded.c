/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 7239, section 4: entries are pairs "token=value" between semicolons, a value is a token or a
 * quoted string. Two things are taken more loosely than written, since proxies write them so: white
 * space around semicolons, and ':', '[' and ']' in a value without quotes.
 */
#include "forwarded.h"

#define VALUE_MAX 64u /* the longest node is below 60 bytes; a longer value tells us nothing */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* ---- entries from the right ---- */

/* Splits the list before the byte at `comma`, or takes all of it when `found` is false. */
static void split(struct slice *list, bool found, size_t comma, struct slice *ret_entry)
{
    *ret_entry = slice_trim(slice_skip(*list, found ? comma + 1 : 0));
    list->len = found ? comma : 0;
}

bool list_take_last(struct slice *list, struct slice *ret_entry)
{
    size_t at = list->len;
    if (at == 0)
        return false;
    while (at > 0 && list->data[at - 1] != ',')
        at--;
    split(list, at > 0, at - 1, ret_entry);
    return true;
}

/* An odd number of backslashes before it: this quote is part of the string. */
static bool is_escaped(const char *text, size_t at)
{
    size_t slashes = 0;
    while (slashes < at && text[at - slashes - 1] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

bool forwarded_take_last(struct slice *list, struct slice *ret_entry)
{
    bool quoted = false;
    size_t at = list->len;
    if (at == 0)
        return false;
    for (; at > 0; at--) {
        char c = list->data[at - 1];
        if (c == ',' && !quoted)
            break;
        if (c == '"')
            quoted = !quoted || is_escaped(list->data, at - 1);
    }
    split(list, at > 0, at - 1, ret_entry);
    return true;
}

/* ---- nodes ---- */

static bool is_name_byte(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

/* 1*5DIGIT, or "_" and a name. */
static bool is_port(struct slice text)
{
    bool obfuscated = text.len > 1 && text.data[0] == '_';
    if (text.len == 0 || (!obfuscated && text.len > 5))
        return false;
    for (size_t i = obfuscated; i < text.len; i++)
        if (!(obfuscated ? is_name_byte(text.data[i]) : is_digit(text.data[i])))
            return false;
    return true;
}

static enum status parse_bracketed(struct slice text, struct ip *ret_ip)
{
    const char *close = memchr(text.data, ']', text.len);
    if (!close)
        return STATUS_INVALID;
    size_t len = (size_t)(close - text.data);
    struct slice inside = slice_of(text.data + 1, len - 1);
    struct slice rest = slice_skip(text, len + 1);
    bool is_v6 = len > 1 && memchr(inside.data, ':', inside.len);
    if (!is_v6 || (rest.len > 0 && (rest.data[0] != ':' || !is_port(slice_skip(rest, 1)))))
        return STATUS_INVALID;
    return ip_parse(inside, ret_ip);
}

enum status node_parse(struct slice text, struct ip *ret_ip)
{
    if (text.len > 0 && text.data[0] == '[')
        return parse_bracketed(text, ret_ip);
    const char *colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
    size_t len = colon ? (size_t)(colon - text.data) : text.len;
    struct slice port = slice_skip(text, len + 1);
    if (!colon || memchr(port.data, ':', port.len))
        return ip_parse(text, ret_ip); /* no port, or IPv6 without brackets, which has none */
    return is_port(port) ? ip_parse(slice_of(text.data, len), ret_ip) : STATUS_INVALID;
}

enum told_scheme scheme_of(struct slice text)
{
    if (slice_ieq(text, SLICE("https")))
        return SCHEME_HTTPS;
    return slice_ieq(text, SLICE("http")) ? SCHEME_HTTP : SCHEME_UNTOLD;
}

/* ---- one entry of Forwarded ---- */

struct value {
    char text[VALUE_MAX];
    size_t len;
    bool too_long; /* cut: no address, no scheme */
};

static void put(struct value *value, char c)
{
    if (value->len < sizeof value->text)
        value->text[value->len++] = c;
    else
        value->too_long = true;
}

static bool is_value_byte(char c)
{
    return ascii_is_token(c) || c == ':' || c == '[' || c == ']';
}

/* Takes the rest of a quoted string, whose first quote is gone. */
static bool take_quoted(struct slice *text, struct value *value)
{
    while (text->len > 0) {
        char c = text->data[0];
        *text = slice_skip(*text, 1);
        if (c == '"')
            return true;
        if (c == '\\') {
            if (text->len == 0)
                return false;
            c = text->data[0];
            *text = slice_skip(*text, 1);
        }
        put(value, c);
    }
    return false;
}

static bool take_value(struct slice *text, struct value *value)
{
    value->len = 0;
    value->too_long = false;
    if (text->len > 0 && text->data[0] == '"') {
        *text = slice_skip(*text, 1);
        return take_quoted(text, value);
    }
    for (; text->len > 0 && is_value_byte(text->data[0]); *text = slice_skip(*text, 1))
        put(value, text->data[0]);
    return value->len > 0;
}

static bool take_name(struct slice *text, struct slice *ret_name)
{
    size_t len = 0;
    while (len < text->len && ascii_is_token(text->data[len]))
        len++;
    *ret_name = slice_of(text->data, len);
    if (len == 0 || len == text->len || text->data[len] != '=')
        return false;
    *text = slice_skip(*text, len + 1);
    return true;
}

/* What the pair says, if it is one of those we ask for. False: a for= that can't be used. */
static bool take_meaning(struct slice name, const struct value *value, bool *for_seen,
                         struct forwarded_entry *entry)
{
    struct slice text = slice_of(value->text, value->too_long ? 0 : value->len);
    if (slice_ieq(name, SLICE("proto")))
        entry->scheme = scheme_of(text);
    if (!slice_ieq(name, SLICE("for")))
        return true;
    bool again = *for_seen;
    *for_seen = true;
    return !again && node_parse(text, &entry->ip) == STATUS_OK;
}

enum status forwarded_parse(struct slice text, struct forwarded_entry *ret_entry)
{
    struct forwarded_entry entry = {0};
    bool for_seen = false;
    while (text.len > 0) {
        struct slice name;
        struct value value;
        if (text.data[0] != ';') {
            if (!take_name(&text, &name) || !take_value(&text, &value) ||
                !take_meaning(name, &value, &for_seen, &entry))
                return STATUS_INVALID;
            text = slice_trim(text);
        }
        if (text.len > 0 && text.data[0] != ';')
            return STATUS_INVALID;
        text = slice_trim(slice_skip(text, 1));
    }
    if (!for_seen)
        return STATUS_INVALID;
    *ret_entry = entry;
    return STATUS_OK;
}
