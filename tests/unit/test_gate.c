#include "test.h"

#include "base/util.h"
#include "http/gate.h"

struct request {
    char name;
};

struct fixture {
    struct gate gate;
    char seen[8]; /* names of the requests that handlers got, in order */
    size_t n_seen;
    struct request a, b, c;
};

static void first_handler(void *owner, struct request *request)
{
    struct fixture *f = owner;

    f->seen[f->n_seen++] = request->name;
}

static void second_handler(void *owner, struct request *request)
{
    struct fixture *f = owner;

    f->seen[f->n_seen++] = (char)(request->name - 'a' + 'A');
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.a = {'a'}, .b = {'b'}, .c = {'c'}};
    gate_init(&f.gate, 2);
    *state = &f;
    return 0;
}

static void an_open_gate_holds_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gate_pass(&f->gate, &f->a, first_handler, f), GATE_OPEN);
    assert_int_equal(f->gate.n_held, 0);
}

static void what_is_held_goes_to_its_own_handler_in_order(void **state)
{
    struct fixture *f = *state;

    gate_close(&f->gate);
    assert_int_equal(gate_pass(&f->gate, &f->b, second_handler, f), GATE_HELD);
    assert_int_equal(gate_pass(&f->gate, &f->a, first_handler, f), GATE_HELD);
    assert_int_equal(gate_n_held(&f->gate, first_handler), 1);
    assert_int_equal(f->n_seen, 0);
    gate_open(&f->gate);
    assert_string_equal(f->seen, "Ba");
    assert_int_equal(gate_pass(&f->gate, &f->c, first_handler, f), GATE_OPEN);
}

static void a_closed_gate_holds_as_many_as_it_may(void **state)
{
    struct fixture *f = *state;

    gate_close(&f->gate);
    assert_int_equal(gate_pass(&f->gate, &f->a, first_handler, f), GATE_HELD);
    assert_int_equal(gate_pass(&f->gate, &f->b, first_handler, f), GATE_HELD);
    assert_int_equal(gate_pass(&f->gate, &f->c, first_handler, f), GATE_FULL);
    gate_open(&f->gate);
    assert_string_equal(f->seen, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_open_gate_holds_nothing, set_up),
        cmocka_unit_test_setup(what_is_held_goes_to_its_own_handler_in_order, set_up),
        cmocka_unit_test_setup(a_closed_gate_holds_as_many_as_it_may, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
