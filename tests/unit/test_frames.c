/* Stack traces: the user's frames stay, those of launchers and interpreters go. */

#include "test.h"

#include <string.h>

#include "action/frames.h"
#include "base/buf.h"

#define LAUNCHERS "/usr/share/whiskloop/runtime/x"

static void check(const char *text, const char *want)
{
    struct buf out = {0};

    frames_put_users(text, strlen(text), LAUNCHERS, &out);
    buf_add(&out, "", 1);
    assert_string_equal(buf_at(&out), want);
    buf_done(&out);
}

static void test_python_frames_go_with_the_code_below_them(void **state)
{
    (void)state;
    check("Traceback (most recent call last):\n"
          "  File \"" LAUNCHERS "/launcher.py\", line 341, in main\n"
          "    function = load(*arguments[:2])\n"
          "               ^^^^^^^^^^^^^^^^^^^^\n"
          "  File \"/tmp/1/bin/exec__.py\", line 1\n"
          "    def main(a)\n"
          "SyntaxError: expected ':'\n",
          "Traceback (most recent call last):\n"
          "  File \"/tmp/1/bin/exec__.py\", line 1\n"
          "    def main(a)\n"
          "SyntaxError: expected ':'\n");
}

static void test_frames_of_other_languages_are_lines(void **state)
{
    (void)state;
    check("Error: no\n    at a.js:4:7\n    at load (" LAUNCHERS "/launcher.js:3:4)\n"
          "    at Module._compile (node:internal/modules/cjs/loader:1:2)\n\nNode.js v18.0.0",
          "Error: no\n    at a.js:4:7\n");
    check(
        "E\n\tat java.base/java.lang.Class.forName(Class.java:469)\n"
        "\tat whiskloop.Launcher.main(Launcher.java:74)\nCaused by: X: no\n\tat Main.f(a.java:4)\n",
        "E\nCaused by: X: no\n\tat Main.f(a.java:4)\n");
    check(
        "a.lua:1: no\nstack traceback:\n\t[C]: in function 'error'\n\ta.lua:1: in main chunk\n\t" LAUNCHERS
        "/launcher.lua:296: in main chunk\n",
        "a.lua:1: no\nstack traceback:\n\ta.lua:1: in main chunk\n");
}

static void test_other_text_stays_byte_for_byte(void **state)
{
    (void)state;
    check("", "");
    check("\n", "\n");
    check("no newline", "no newline");
    check("\n\n  File \"a.py\", line 1\n    x\n", "\n\n  File \"a.py\", line 1\n    x\n");
}

static void test_a_text_of_frames_alone_stays(void **state)
{
    (void)state;
    check("    at load (" LAUNCHERS "/launcher.js:3:4)",
          "    at load (" LAUNCHERS "/launcher.js:3:4)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python_frames_go_with_the_code_below_them),
        cmocka_unit_test(test_frames_of_other_languages_are_lines),
        cmocka_unit_test(test_other_text_stays_byte_for_byte),
        cmocka_unit_test(test_a_text_of_frames_alone_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
