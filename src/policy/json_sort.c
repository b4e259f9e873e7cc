/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge sort on the list itself. UTF-8 sorts by code point, UTF-16 doesn't: what lies beyond U+FFFF
 * is written with surrogates there, which come before U+E000. The first byte that differs decides
 * in both, so only the lead bytes concerned change places.
 */
#include "json_sort.h"

#include <stdint.h>

/* Leads of four bytes (0xf0 to 0xf4) come between those of U+D000 (0xed) and U+E000 (0xee). */
static int weight(char c)
{
    unsigned char byte = (unsigned char)c;
    if (byte < 0xee)
        return byte;
    return byte >= 0xf0 ? byte - 2 : byte + 0x10;
}

int json_compare_names(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < len; i++)
        if (a.data[i] != b.data[i])
            return weight(a.data[i]) - weight(b.data[i]);
    return (a.len > b.len) - (a.len < b.len);
}

/* Cuts `count` members off the front of `list`; returns the rest. */
static struct json_node *cut(struct json_node *list, size_t count)
{
    while (list && --count > 0)
        list = list->next;
    if (!list)
        return NULL;
    struct json_node *rest = list->next;
    list->next = NULL;
    return rest;
}

/* Merges two sorted lists to the end of a third; returns the new end. */
static struct json_node **merge(struct json_node *a, struct json_node *b, struct json_node **tail)
{
    while (a && b) {
        struct json_node **least = json_compare_names(a->name, b->name) <= 0 ? &a : &b;
        *tail = *least;
        tail = &(*least)->next;
        *least = *tail;
    }
    *tail = a ? a : b;
    while (*tail)
        tail = &(*tail)->next;
    return tail;
}

struct json_node *json_sort_members(struct json_node *first)
{
    for (size_t width = 1;; width *= 2) {
        struct json_node *rest = first;
        struct json_node **tail = &first;
        size_t merges = 0;
        while (rest) {
            struct json_node *a = rest;
            struct json_node *b = cut(a, width);
            rest = cut(b, width);
            tail = merge(a, b, tail);
            merges++;
        }
        if (merges <= 1)
            return first;
    }
}
