/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly-linked list with a sentinel head. Links are embedded in their owners; nothing
 * allocates. Header only.
 */
#ifndef POSTERN_BASE_LIST_H
#define POSTERN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* Makes `head` an empty list, or `link` a link that is in none. */
static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

/* True for a list without members, and for zeroed memory. */
static inline bool list_is_empty(const struct list *head)
{
    return head->next == head || head->next == NULL;
}

/* Inserts `link` at the end. `link` must be in no list. */
static inline void list_push_back(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Inserts `link` at the front. `link` must be in no list. */
static inline void list_push_front(struct list *head, struct list *link)
{
    link->next = head->next;
    link->prev = head;
    head->next->prev = link;
    head->next = link;
}

/* Takes `link` out of its list; harmless when it is in none. */
static inline void list_remove(struct list *link)
{
    if (link->next) {
        link->next->prev = link->prev;
        link->prev->next = link->next;
    }
    list_init(link);
}

/* Takes the first link out and returns it, or NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list *first = head->next;
    list_remove(first);
    return first;
}

/* Moves every member of `from` to the end of `to`; `from` is then empty. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
