/* terminal: what a developer reads of versions and activations, and as JSON. */

#include "test.h"

#include <string.h>

#include "base/json.h"
#include "dev/activations.h"
#include "dev/fault.h"
#include "dev/terminal.h"
#include "loop_fixture.h"

struct fixture {
    struct loop *loop;
    struct terminal terminal;
    struct output_tap tap; /* stands for the stream */
    struct buf said;
    struct activation activation;
};

static void on_bytes(struct output_tap *tap, const void *owner, const char *bytes, size_t n)
{
    (void)owner;
    buf_add(&container_of(tap, struct fixture, tap)->said, bytes, n);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    terminal_init(&f->terminal, f->loop, false);
    f->terminal.colors = false;
    f->tap.on_bytes = on_bytes;
    f->terminal.output.instead = &f->tap;
    f->activation.id[0] = 'a';
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    buf_done(&f->said);
    buf_done(&f->activation.answer);
    buf_done(&f->activation.lines);
    terminal_done(&f->terminal, 0);
    loop_free(&f->loop);
    free(f);
    return 0;
}

/* What was said since the last call. */
static const char *said(struct fixture *f)
{
    static char text[65536];

    buf_add(&f->said, "", 1);
    assert_true(buf_len(&f->said) <= sizeof(text));
    memcpy(text, buf_at(&f->said), buf_len(&f->said));
    buf_done(&f->said);
    return text;
}

static void assert_says(struct fixture *f, const char *text)
{
    const char *all = said(f);

    if (strstr(all, text) == NULL)
        print_error("\"%s\" does not hold \"%s\"\n", all, text);
    assert_non_null(strstr(all, text));
}

static void assert_is_json(struct fixture *f, const char *event, const char *members)
{
    const char *line = said(f);
    size_t n = strlen(line);
    auto_free char *wanted = xasprintf("\"event\":\"%s\"%s", event, members);

    assert_true(n > 0 && line[n - 1] == '\n');
    assert_int_equal(json_check(line, n - 1, NULL), JSON_OBJECT);
    assert_non_null(strstr(line, wanted));
}

static void end_after(struct fixture *f, uint64_t us, const char *wanted)
{
    f->activation.duration_us = us;
    terminal_end(&f->terminal, &f->activation);
    assert_says(f, wanted);
}

static void the_line_of_an_activation_tells_its_time_and_why_it_failed(void **state)
{
    struct fixture *f = *state;

    f->activation.status = ACTIVATION_OK;
    end_after(f, 9900, "a  ok  9.9 ms\n");
    end_after(f, 10000, "a  ok  10 ms\n");
    f->activation.n_parts = 2;
    f->activation.first_part_us = 1000;
    end_after(f, 10000000, "a  ok  10.0 s (2 parts, the first after 1.0 ms)\n");
    f->activation.n_parts = 0;
    f->activation.status = ACTIVATION_DIED;
    end_after(f, 0, "a  died  0.0 ms\n");
    buf_add_text(&f->activation.answer, "[1]");
    end_after(f, 0, "a  died  0.0 ms\n");
    buf_done(&f->activation.answer);
    buf_add_text(&f->activation.answer, "{\"error\":\"why\"}");
    end_after(f, 0, "a  died  0.0 ms  \"why\"\n");
}

static void a_log_stands_beneath_its_activation(void **state)
{
    struct fixture *f = *state;

    f->activation.status = ACTIVATION_OK;
    terminal_log(&f->terminal, &f->activation, "stdout", "one", 3);
    terminal_log(&f->terminal, &f->activation, "stderr", "two", 3);
    assert_string_equal(said(f), "");
    end_after(f, 0, "a  ok  0.0 ms\n  out | one\n  err | two\n");
    terminal_said(&f->terminal, "x\ny", 3);
    assert_string_equal(said(f), "  load | x\n  load | y\n");
}

static void a_log_of_many_bytes_does_not_wait_for_the_end(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xmalloc(TERMINAL_HOLD_BYTES);

    memset(text, 'x', TERMINAL_HOLD_BYTES);
    terminal_log(&f->terminal, &f->activation, "stdout", text, TERMINAL_HOLD_BYTES - 100);
    terminal_log(&f->terminal, &f->activation, "stdout", text, 200);
    assert_string_equal(said(f), "");
    terminal_log(&f->terminal, &f->activation, "stdout", "one", 3);
    assert_true(buf_len(&f->said) > TERMINAL_HOLD_BYTES);
    assert_true(f->activation.is_shown);
}

static void a_slow_terminal_is_told_how_much_it_missed(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xcalloc(1, TERMINAL_PENDING_BYTES + 1);

    buf_add(&f->terminal.output.pending, text, TERMINAL_PENDING_BYTES + 1);
    terminal_log(&f->terminal, NULL, "stdout", "lost", 4);
    terminal_log(&f->terminal, NULL, "stdout", "lost", 4);
    assert_string_equal(said(f), "");
    buf_done(&f->terminal.output.pending);
    terminal_log(&f->terminal, NULL, "stdout", "seen", 4);
    assert_says(f,
                "  ... 2 log lines or activations not shown: the terminal is slow\n  out | seen\n");
}

static void a_slow_reader_of_json_is_told_how_much_it_missed(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xcalloc(1, TERMINAL_PENDING_BYTES + 1);

    f->terminal.is_json = true;
    buf_add(&f->terminal.output.pending, text, TERMINAL_PENDING_BYTES + 1);
    terminal_log(&f->terminal, NULL, "stdout", "lost", 4);
    terminal_end(&f->terminal, &f->activation);
    assert_string_equal(said(f), "");
    buf_done(&f->terminal.output.pending);
    terminal_log(&f->terminal, NULL, "stdout", "seen", 4);
    assert_says(f, ",\"event\":\"dropped\",\"count\":2}\n{");
    terminal_log(&f->terminal, NULL, "stdout", "seen", 4);
    assert_is_json(f, "log", ",\"activation\":null,\"stream\":\"stdout\",\"text\":\"seen\"}");
}

static void a_version_that_does_not_load_is_told_with_its_place_and_words(void **state)
{
    struct fixture *f = *state;
    char text[] = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n\n";
    char file[] = "app.x";
    char message[] = "14";
    struct fault fault = {.text = text, .file = file, .line = 7, .message = message};

    terminal_say_broken(&f->terminal, &fault, 3);
    assert_says(f, "does not load: app.x:7: 14 (version 3 goes on)\n  load | 3\n  load | 4\n");
    fault = (struct fault){.text = message, .message = message};
    terminal_say_broken(&f->terminal, &fault, 0);
    assert_says(f, "  does not load: 14\n");
}

static void an_answer_is_cut_at_its_bound(void **state)
{
    struct fixture *f = *state;
    char text[2049];

    memset(text, 'x', sizeof(text));
    terminal_answer(&f->terminal, text, 2048);
    assert_says(f, "xx\n");
    terminal_answer(&f->terminal, text, 2049);
    assert_says(f, "xx ...\n");
}

static void colors_end_where_the_log_line_ends(void **state)
{
    struct fixture *f = *state;

    f->terminal.colors = true;
    terminal_log(&f->terminal, NULL, "stdout", "\033[31mred", 8);
    assert_says(f, "\033[2mout |\033[0m \033[31mred\033[0m\n");
    terminal_log(&f->terminal, NULL, "stderr", "plain", 5);
    assert_says(f, "\033[33merr |\033[0m plain\n");
}

static void each_event_is_a_line_of_json(void **state)
{
    struct fixture *f = *state;
    char text[] = "a \"text\"";
    struct fault fault = {.text = text, .message = text};

    f->terminal.is_json = true;
    terminal_say(&f->terminal, "start", text);
    assert_is_json(f, "start", ",\"text\":\"a \\\"text\\\"\"}");
    terminal_say_broken(&f->terminal, &fault, 1);
    assert_is_json(f, "broken", ",\"text\":\"a \\\"text\\\"\",\"message\":");
    terminal_log(&f->terminal, &f->activation, "stderr", "x", 1);
    assert_is_json(f, "log", ",\"activation\":\"a\",\"stream\":\"stderr\",\"text\":\"x\"}");
    terminal_log(&f->terminal, NULL, "load", "x", 1);
    assert_is_json(f, "log", ",\"activation\":null,\"stream\":\"load\",\"text\":\"x\"}");
    terminal_answer(&f->terminal, "{}", 2);
    assert_is_json(f, "answer", ",\"answer\":{}}");
    terminal_end(&f->terminal, &f->activation);
    assert_is_json(f, "activation", ",\"id\":\"a\"");
    terminal_show(&f->terminal, &f->activation);
    assert_string_equal(said(f), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_line_of_an_activation_tells_its_time_and_why_it_failed),
        TEST(a_log_stands_beneath_its_activation),
        TEST(a_log_of_many_bytes_does_not_wait_for_the_end),
        TEST(a_slow_terminal_is_told_how_much_it_missed),
        TEST(a_slow_reader_of_json_is_told_how_much_it_missed),
        TEST(a_version_that_does_not_load_is_told_with_its_place_and_words),
        TEST(an_answer_is_cut_at_its_bound),
        TEST(colors_end_where_the_log_line_ends),
        TEST(each_event_is_a_line_of_json),
    };

    return cmocka_run_group_tests_name("dev_terminal", tests, NULL, NULL);
}
