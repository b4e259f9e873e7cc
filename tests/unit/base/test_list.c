/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/list.h. */
#include <postern/base/list.h>
#include <postern/base/status.h>

#include <criterion/criterion.h>

struct member {
    int number;
    struct list link;
};

/* Takes the first member out and returns its number, or -1. */
static int pop(struct list *head)
{
    struct list *link = list_pop_front(head);
    return link ? container_of(link, struct member, link)->number : -1;
}

Test(list, order_of_both_ends)
{
    struct list head;
    struct member a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    list_init(&head);
    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_push_front(&head, &a.link);
    cr_assert_eq(pop(&head), 1);
    cr_assert_eq(pop(&head), 2);
    cr_assert_eq(pop(&head), 3);
    cr_assert_eq(pop(&head), -1);
}

Test(list, remove_is_harmless_outside_of_a_list)
{
    struct member zeroed = {0};
    list_remove(&zeroed.link);
    list_remove(&zeroed.link);
    cr_assert(list_is_empty(&zeroed.link));
}

Test(list, remove_from_the_middle)
{
    struct list head;
    struct member a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    list_init(&head);
    list_push_back(&head, &a.link);
    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_remove(&b.link);
    cr_assert_eq(pop(&head), 1);
    cr_assert_eq(pop(&head), 3);
}

Test(list, zeroed_memory_is_an_empty_list)
{
    struct list zeroed = {0};
    cr_assert(list_is_empty(&zeroed));
    cr_assert_null(list_pop_front(&zeroed));
}

Test(list, move_all)
{
    struct list to, from;
    struct member a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    list_init(&to);
    list_init(&from);
    list_move_all(&to, &from);
    cr_assert(list_is_empty(&to));
    list_push_back(&to, &a.link);
    list_push_back(&from, &b.link);
    list_push_back(&from, &c.link);
    list_move_all(&to, &from);
    cr_assert(list_is_empty(&from));
    cr_assert_eq(pop(&to), 1);
    cr_assert_eq(pop(&to), 2);
    cr_assert_eq(pop(&to), 3);
}
