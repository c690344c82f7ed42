#include "test.h"

#include "base/list.h"

struct item {
    int number;
    struct list node;
};

/* The numbers in the list's order, as digits of one number. */
static int digits_of(const struct list *list)
{
    int digits = 0;

    list_each(node, list) {
        digits = digits * 10 + list_item(node, struct item, node)->number;
    }
    return digits;
}

static void items_init(struct item items[3])
{
    for (int i = 0; i < 3; i++) {
        items[i].number = i + 1;
        list_init(&items[i].node);
    }
}

static void a_fresh_list_is_empty(void **state)
{
    struct list list;

    (void)state;
    list_init(&list);
    assert_true(list_empty(&list));
    assert_int_equal(digits_of(&list), 0);
}

static void the_tail_keeps_the_order(void **state)
{
    struct list list;
    struct item items[3];

    (void)state;
    list_init(&list);
    items_init(items);
    for (int i = 0; i < 3; i++)
        list_add_tail(&list, &items[i].node);
    assert_int_equal(digits_of(&list), 123);
}

static void the_head_turns_the_order_round(void **state)
{
    struct list list;
    struct item items[3];

    (void)state;
    list_init(&list);
    items_init(items);
    for (int i = 0; i < 3; i++)
        list_add_head(&list, &items[i].node);
    assert_int_equal(digits_of(&list), 321);
}

static void a_node_goes_before_the_one_that_is_named(void **state)
{
    struct list list;
    struct item items[3];

    (void)state;
    list_init(&list);
    items_init(items);
    list_add_tail(&list, &items[0].node);
    list_add_tail(&list, &items[1].node);
    list_add_before(&items[1].node, &items[2].node);
    assert_int_equal(digits_of(&list), 132);
}

static void what_is_removed_is_in_no_list(void **state)
{
    struct list list;
    struct item items[3];

    (void)state;
    list_init(&list);
    items_init(items);
    for (int i = 0; i < 3; i++)
        list_add_tail(&list, &items[i].node);
    list_remove(&items[1].node);
    assert_int_equal(digits_of(&list), 13);
    assert_true(list_empty(&items[1].node));
}

static void removing_twice_is_harmless(void **state)
{
    struct list list;
    struct item items[3];

    (void)state;
    list_init(&list);
    items_init(items);
    list_add_tail(&list, &items[0].node);
    list_remove(&items[0].node);
    list_remove(&items[0].node);
    assert_true(list_empty(&list));
}

static void a_removed_node_can_be_added_again(void **state)
{
    struct list list;
    struct item items[3];

    (void)state;
    list_init(&list);
    items_init(items);
    list_add_tail(&list, &items[0].node);
    list_add_tail(&list, &items[1].node);
    list_remove(&items[0].node);
    list_add_tail(&list, &items[0].node);
    assert_int_equal(digits_of(&list), 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_list_is_empty),
        cmocka_unit_test(the_tail_keeps_the_order),
        cmocka_unit_test(the_head_turns_the_order_round),
        cmocka_unit_test(a_node_goes_before_the_one_that_is_named),
        cmocka_unit_test(what_is_removed_is_in_no_list),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(a_removed_node_can_be_added_again),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
