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

struct fixture {
    struct list list;     /* empty */
    struct item items[3]; /* 1, 2 and 3; in no list */
};

static int set_up(void **state)
{
    static struct fixture f;

    list_init(&f.list);
    for (int i = 0; i < 3; i++) {
        f.items[i].number = i + 1;
        list_init(&f.items[i].node);
    }
    *state = &f;
    return 0;
}

static void a_fresh_list_is_empty(void **state)
{
    struct fixture *f = *state;

    assert_true(list_empty(&f->list));
    assert_int_equal(digits_of(&f->list), 0);
}

static void the_tail_keeps_the_order(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        list_add_tail(&f->list, &f->items[i].node);
    assert_int_equal(digits_of(&f->list), 123);
}

static void the_head_turns_the_order_round(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        list_add_head(&f->list, &f->items[i].node);
    assert_int_equal(digits_of(&f->list), 321);
}

static void a_node_goes_before_the_one_that_is_named(void **state)
{
    struct fixture *f = *state;

    list_add_tail(&f->list, &f->items[0].node);
    list_add_tail(&f->list, &f->items[1].node);
    list_add_before(&f->items[1].node, &f->items[2].node);
    assert_int_equal(digits_of(&f->list), 132);
}

static void what_is_removed_is_in_no_list(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        list_add_tail(&f->list, &f->items[i].node);
    list_remove(&f->items[1].node);
    assert_int_equal(digits_of(&f->list), 13);
    assert_true(list_empty(&f->items[1].node));
}

static void removing_twice_is_harmless(void **state)
{
    struct fixture *f = *state;

    list_add_tail(&f->list, &f->items[0].node);
    list_remove(&f->items[0].node);
    list_remove(&f->items[0].node);
    assert_true(list_empty(&f->list));
}

static void a_removed_node_can_be_added_again(void **state)
{
    struct fixture *f = *state;

    list_add_tail(&f->list, &f->items[0].node);
    list_add_tail(&f->list, &f->items[1].node);
    list_remove(&f->items[0].node);
    list_add_tail(&f->list, &f->items[0].node);
    assert_int_equal(digits_of(&f->list), 21);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_list_is_empty),
        TEST(the_tail_keeps_the_order),
        TEST(the_head_turns_the_order_round),
        TEST(a_node_goes_before_the_one_that_is_named),
        TEST(what_is_removed_is_in_no_list),
        TEST(removing_twice_is_harmless),
        TEST(a_removed_node_can_be_added_again),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
