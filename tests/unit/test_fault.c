/* fault: the place in the user's file, and the line that says most, as compilers and interpreters
 * tell them. */

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "dev/fault.h"
#include "folder.h"

struct fixture {
    struct folder folder;
    struct fault fault;
};

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));
    auto_free char *modules = xasprintf("%s/node_modules", f->folder.in);

    assert_int_equal(mkdir(modules, 0755), 0);
    folder_write(modules, "left.js", "x\n", 0644);
    folder_write(f->folder.in, "app.x",
                 "one\ntwo\nthree \"3\"\nfour\nfive\nsix\nseven\n"
                 "eight\n",
                 0644);
    folder_write(f->folder.in, "other.x", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", 0644);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    fault_done(&f->fault);
    return folder_tear_down(state);
}

static void find(struct fixture *f, const char *text, const char *only, bool last_counts)
{
    struct fault_place where = {f->folder.in, only, last_counts};

    fault_find(&f->fault, text, strlen(text), &where);
    assert_string_equal(f->fault.text, text);
}

static void the_place_and_the_message_are_found(void **state)
{
    static const struct {
        const char *text;
        const char *only;
        bool last_counts;
        const char *file;
        unsigned line;
        const char *message;
    } cases[] = {
        /* Python: the last of several places, and its last line */
        {"Traceback (most recent call last):\n  File \"app.x\", line 3, in main\n    f()\n"
         "  File \"other.x\", line 2, in f\n    x\nNameError: name 'x' is not defined\n",
         NULL, true, "other.x", 2, "NameError: name 'x' is not defined"},
        {"  File \"/usr/lib/python3/x.py\", line 3\nSyntaxError: invalid syntax\n", NULL, true,
         NULL, 0, "SyntaxError: invalid syntax"},
        /* Node: the first; modules are not the user's */
        {"node_modules/left.js:1\n\nTypeError: x is not a function\n    at app.x:3:7\n", NULL,
         false, "app.x", 3, "TypeError: x is not a function"},
        {"./app.x:4\nlet let\n    ^\nSyntaxError: let\n", NULL, false, "app.x", 4,
         "SyntaxError: let"},
        /* C, Go, Java: the rest of the line */
        {"app.x:5:9: error: expected ';' before 'x'\n", NULL, false, "app.x", 5,
         "error: expected ';' before 'x'"},
        {"# a/b\nother.x:9:2: undefined: y\napp.x:1:1: z\n", NULL, false, "other.x", 9,
         "undefined: y"},
        /* C#, PHP, Perl, a shell */
        {"app.x(6,10): error CS1002: ; expected\n", NULL, false, "app.x", 6,
         "error CS1002: ; expected"},
        {"PHP Parse error:  unexpected '}' in app.x on line 7\n", NULL, false, "app.x", 7,
         "PHP Parse error:  unexpected '}' in app.x on line 7"},
        {"syntax error at app.x line 2, near \"x\"\n", NULL, false, "app.x", 2,
         "syntax error at app.x line 2, near \"x\""},
        {"Missing right curly at app.x line 8, at end of line\nsyntax error at app.x line 8, at EOF\n",
         NULL, false, "app.x", 8, "Missing right curly at app.x line 8, at end of line"},
        {"app.x: line 8: nothing: command not found\n", NULL, false, "app.x", 8,
         "nothing: command not found"},
        /* one file is the action, whatever its name looks like */
        {"in a file.x:2: error: y\n", "a file.x", false, "a file.x", 2, "error: y"},
        {"app.x:2: error: y\n", "other.x", false, NULL, 0, "app.x:2: error: y"},
        /* no place, no message */
        {"missing.x:2: error: y\n", NULL, false, NULL, 0, "missing.x:2: error: y"},
        {"app.x:0: what\n\n", NULL, false, NULL, 0, "app.x:0: what"},
        {"Picked up JAVA_TOOL_OPTIONS: -Xmx9m\nNOTE: Picked up JDK_JAVA_OPTIONS: -ea\n"
         "Exception in thread \"main\" x.Y: z\n",
         NULL, false, NULL, 0, "Exception in thread \"main\" x.Y: z"},
        {"Picked up JAVA_TOOL_OPTIONS: -agentlib:jdwp\nERROR: transport error 202\n", NULL, false,
         NULL, 0, "ERROR: transport error 202"},
        {"\n \n", NULL, false, NULL, 0, "the action does not load"},
        {"", NULL, true, NULL, 0, "the action does not load"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        find(f, cases[i].text, cases[i].only, cases[i].last_counts);
        if (cases[i].file != NULL)
            assert_string_equal(f->fault.file, cases[i].file);
        else
            assert_null(f->fault.file);
        assert_int_equal(f->fault.line, cases[i].line);
        assert_string_equal(f->fault.message, cases[i].message);
    }
}

static void a_name_below_the_folder_is_the_users_own(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xasprintf("%s/app.x:3: error: z\n", f->folder.in);

    find(f, text, NULL, false);
    assert_string_equal(f->fault.file, "app.x");
}

/* All of it as JSON; the caller frees it. */
static char *written(const struct fault *fault)
{
    struct buf out = {0};
    char *text;

    fault_write(fault, &out);
    assert_true(json_check(buf_at(&out), buf_len(&out), NULL) != JSON_BAD);
    text = xstrndup(buf_at(&out), buf_len(&out));
    buf_done(&out);
    return text;
}

static void the_lines_around_it_are_shown(void **state)
{
    struct fixture *f = *state;
    auto_free char *none = NULL;
    auto_free char *placed = NULL;
    auto_free char *unplaced = NULL;

    none = written(&f->fault);
    assert_string_equal(none, "null");
    find(f, "app.x:3: error: z\n", NULL, false);
    placed = written(&f->fault);
    assert_non_null(
        strstr(placed, "\"file\":\"app.x\",\"line\":3,\"source\":[{\"line\":1,\"text\":\"one\"}"));
    assert_non_null(strstr(placed, "{\"line\":3,\"text\":\"three \\\"3\\\"\"}"));
    assert_non_null(strstr(placed, "{\"line\":8,\"text\":\"eight\"}]"));
    find(f, "z\n", NULL, false);
    unplaced = written(&f->fault);
    assert_string_equal(
        unplaced,
        "{\"text\":\"z\\n\",\"message\":\"z\",\"file\":null,\"line\":null,\"source\":[]}");
}

static void of_a_long_text_the_end_counts(void **state)
{
    struct fixture *f = *state;
    struct fault_place where = {f->folder.in, NULL, true};
    size_t n = 20000;
    auto_free char *text = xmalloc(n + 64);

    memset(text, '.', n);
    (void)snprintf(text + n, 64, "\napp.x:3\nValueError: the end\n");
    fault_find(&f->fault, text, strlen(text), &where);
    assert_true(strlen(f->fault.text) < n);
    assert_string_equal(f->fault.message, "ValueError: the end");
    assert_int_equal(f->fault.line, 3);
}

static void a_source_that_cannot_be_read_is_not_shown(void **state)
{
    struct fixture *f = *state;

    find(f, "gone.x:3: error: z\n", "gone.x", false);
    assert_string_equal(f->fault.file, "gone.x");
    assert_int_equal(buf_len(&f->fault.source), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_place_and_the_message_are_found),
        TEST(a_name_below_the_folder_is_the_users_own),
        TEST(the_lines_around_it_are_shown),
        TEST(of_a_long_text_the_end_counts),
        TEST(a_source_that_cannot_be_read_is_not_shown),
    };

    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
