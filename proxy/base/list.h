#pragma once

/*
 * list - doubly linked lists of structs that have a struct list as a member, their node. The head
 * of a list is a struct list, too. A node that is in no list points to itself.
 */

#include <assert.h>
#include <stdbool.h>

#include "base/util.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

/* Put node before `where`. If `where` is the head of a list, node becomes the last in that list. */
static inline void list_add_before(struct list *where, struct list *node)
{
    assert(node->next == node || node->next == NULL);
    node->next = where;
    node->prev = where->prev;
    where->prev->next = node;
    where->prev = node;
}

static inline void list_add_head(struct list *list, struct list *node)
{
    list_add_before(list->next, node);
}

static inline void list_add_tail(struct list *list, struct list *node)
{
    list_add_before(list, node);
}

/* Take node out of the list it is in; does nothing if it is in none. */
static inline void list_remove(struct list *node)
{
    assert(node->prev->next == node);
    assert(node->next->prev == node);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Take the first node out of the list and return it; NULL: the list is empty. */
static inline struct list *list_take_first(struct list *list)
{
    struct list *first = list->next;

    if (first == list)
        return NULL;
    assert(first->prev == list);
    /* Not by list_remove(): analyzers would not see that `list` changes. */
    list->next = first->next;
    list->next->prev = list;
    list_init(first);
    return first;
}

#define list_item(node, type, member) container_of(node, type, member)

/* NOLINT: clang-tidy wants parentheses around `node`, even where it is declared. */
#define list_each(node, head)                                                                      \
    for (struct list *node = (head)->next; (node) != (head); (node) = (node)->next) /* NOLINT */
