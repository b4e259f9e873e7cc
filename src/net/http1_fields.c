/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a head: which of them we know, which stay on this hop, and how to find one. Says
 * nothing of whether their values are acceptable; http1_rules.c does.
 */
#include "http1_internal.h"

/* Connection options looked at in one head. Real heads have one to three; the ceiling keeps
 * "every option against every field" from becoming work for an attacker. */
#define CONNECTION_OPTIONS_MAX 32

#define ID_BIT(id) (UINT32_C(1) << (id))

/* RFC 9110 7.6.1, and what older agents put there. */
static const uint32_t hop_by_hop_ids =
    ID_BIT(FIELD_CONNECTION) | ID_BIT(FIELD_KEEP_ALIVE) | ID_BIT(FIELD_PROXY_AUTHENTICATE) |
    ID_BIT(FIELD_PROXY_AUTHORIZATION) | ID_BIT(FIELD_PROXY_CONNECTION) | ID_BIT(FIELD_TE) |
    ID_BIT(FIELD_TRAILER) | ID_BIT(FIELD_TRANSFER_ENCODING) | ID_BIT(FIELD_UPGRADE);

/* The one field of this length and first letter (and another, where several share both) that it
 * could be. */
static enum http_field_id candidate(struct slice name)
{
    char first = ascii_lower(name.data[0]);
    switch (name.len) {
    case 2:
        return FIELD_TE;
    case 4:
        return first == 'h' ? FIELD_HOST : FIELD_DATE;
    case 6:
        return FIELD_EXPECT;
    case 7:
        return first == 'u' ? FIELD_UPGRADE : FIELD_TRAILER;
    case 9:
        return first == 'x' ? FIELD_X_REAL_IP : FIELD_FORWARDED;
    case 10:
        return first == 'c' ? FIELD_CONNECTION : FIELD_KEEP_ALIVE;
    case 11:
        return first == 't' ? FIELD_TRACEPARENT : FIELD_RETRY_AFTER;
    case 12:
        return FIELD_CONTENT_TYPE;
    case 14:
        return FIELD_CONTENT_LENGTH;
    case 15:
        return FIELD_X_FORWARDED_FOR;
    case 16:
        if (first == 'x') /* x-forwarded-… */
            return ascii_lower(name.data[12]) == 'p' ? FIELD_X_FORWARDED_PORT
                                                     : FIELD_X_FORWARDED_HOST;
        return first == 'c' ? FIELD_CONTENT_ENCODING : FIELD_PROXY_CONNECTION;
    case 17:
        return first == 'x' ? FIELD_X_FORWARDED_PROTO : FIELD_TRANSFER_ENCODING;
    case 18:
        return FIELD_PROXY_AUTHENTICATE;
    case 19:
        return FIELD_PROXY_AUTHORIZATION;
    default:
        return FIELD_OTHER;
    }
}

#define NAME(text)                                                                                 \
    {                                                                                              \
        .data = (text), .len = sizeof(text) - 1                                                    \
    }

static const struct slice names[FIELD_IDS] = {
    [FIELD_OTHER] = {.data = NULL, .len = 0},
    [FIELD_CONNECTION] = NAME("connection"),
    [FIELD_CONTENT_ENCODING] = NAME("content-encoding"),
    [FIELD_CONTENT_LENGTH] = NAME("content-length"),
    [FIELD_CONTENT_TYPE] = NAME("content-type"),
    [FIELD_DATE] = NAME("date"),
    [FIELD_EXPECT] = NAME("expect"),
    [FIELD_FORWARDED] = NAME("forwarded"),
    [FIELD_HOST] = NAME("host"),
    [FIELD_KEEP_ALIVE] = NAME("keep-alive"),
    [FIELD_PROXY_AUTHENTICATE] = NAME("proxy-authenticate"),
    [FIELD_PROXY_AUTHORIZATION] = NAME("proxy-authorization"),
    [FIELD_PROXY_CONNECTION] = NAME("proxy-connection"),
    [FIELD_RETRY_AFTER] = NAME("retry-after"),
    [FIELD_TE] = NAME("te"),
    [FIELD_TRACEPARENT] = NAME("traceparent"),
    [FIELD_TRAILER] = NAME("trailer"),
    [FIELD_TRANSFER_ENCODING] = NAME("transfer-encoding"),
    [FIELD_UPGRADE] = NAME("upgrade"),
    [FIELD_X_FORWARDED_FOR] = NAME("x-forwarded-for"),
    [FIELD_X_FORWARDED_HOST] = NAME("x-forwarded-host"),
    [FIELD_X_FORWARDED_PORT] = NAME("x-forwarded-port"),
    [FIELD_X_FORWARDED_PROTO] = NAME("x-forwarded-proto"),
    [FIELD_X_REAL_IP] = NAME("x-real-ip"),
    [FIELD_POSTERN] = NAME("postern-"), /* the beginning of a name, tested apart */
};

enum http_field_id http1_field_id(struct slice name)
{
    if (name.len == 0)
        return FIELD_OTHER;
    size_t own_len = names[FIELD_POSTERN].len;
    if (ascii_lower(name.data[0]) == 'p' && name.len > own_len &&
        slice_ieq(slice_of(name.data, own_len), names[FIELD_POSTERN]))
        return FIELD_POSTERN;
    enum http_field_id id = candidate(name);
    return slice_ieq(name, names[id]) ? id : FIELD_OTHER;
}

/* Takes the next element off a comma-separated list; false when there is none. */
static bool next_option(struct slice *list, struct slice *ret_option)
{
    if (list->len == 0)
        return false;
    const char *comma = memchr(list->data, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->data) : list->len;
    *ret_option = slice_trim(slice_of(list->data, len));
    *list = slice_skip(*list, len + 1);
    return true;
}

/* Marks the fields named by one connection option. Host and Content-Length describe the message
 * itself; the writer of the forwarded head makes them anew, and a sender can't talk it out of
 * them. */
static void mark_named(struct http_head *head, struct slice option)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->id != FIELD_HOST && field->id != FIELD_CONTENT_LENGTH &&
            slice_ieq(field->name, option))
            field->hop_by_hop = true;
    }
}

enum http_fault http1_mark_hop_by_hop(struct http_head *head, bool *ret_close, bool *ret_keep_alive)
{
    bool close = false;
    bool keep_alive = false;
    unsigned options = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (hop_by_hop_ids & ID_BIT(field->id))
            field->hop_by_hop = true;
        struct slice list = field->id == FIELD_CONNECTION ? field->value : (struct slice){0};
        struct slice option;
        while (next_option(&list, &option)) {
            if (++options > CONNECTION_OPTIONS_MAX)
                return HTTP_FAULT_SYNTAX;
            close |= slice_ieq(option, SLICE("close"));
            keep_alive |= slice_ieq(option, SLICE("keep-alive"));
            mark_named(head, option);
        }
    }
    *ret_close = close;
    *ret_keep_alive = keep_alive;
    return HTTP_FAULT_NONE;
}

const struct http_field *http_field_by_id(const struct http_head *head, enum http_field_id id)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (head->fields[i].id == id)
            return &head->fields[i];
    return NULL;
}

const struct http_field *http_field_by_name(const struct http_head *head, struct slice name,
                                            bool *ret_repeated)
{
    const struct http_field *found = NULL;
    bool repeated = false;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!slice_ieq(head->fields[i].name, name))
            continue;
        if (found)
            repeated = true;
        else
            found = &head->fields[i];
    }
    if (ret_repeated)
        *ret_repeated = repeated;
    return found;
}
