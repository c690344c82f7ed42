#include "test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define PREFIX         "whiskloop: "
#define LINE_MAX_BYTES 1024 /* newline included; see LOG_LINE_MAX_BYTES in base/log.c */
#define ROOM_BYTES     (LINE_MAX_BYTES - sizeof(PREFIX) - 1)

/* Our stderr goes to memory while a test logs. */
struct fixture {
    int fd;
    int real_stderr;
    char text[4096];
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->fd = memfd_create("log", MFD_CLOEXEC);
    f->real_stderr = dup(STDERR_FILENO);
    *state = f;
    return dup2(f->fd, STDERR_FILENO) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)dup2(f->real_stderr, STDERR_FILENO);
    fd_close(&f->real_stderr);
    fd_close(&f->fd);
    free(f);
    return 0;
}

static const char *logged(struct fixture *f)
{
    ssize_t n = pread(f->fd, f->text, sizeof(f->text) - 1, 0);

    assert_true(n >= 0);
    f->text[n] = '\0';
    return f->text;
}

static void log_all(void)
{
    log_error("e");
    log_warn("w");
    log_info("i");
    log_debug("d");
}

static void only_warnings_and_errors_are_written_at_first(void **state)
{
    struct fixture *f = *state;

    log_all();
    assert_string_equal(logged(f), PREFIX "e\n" PREFIX "w\n");
}

static void each_level_writes_itself_and_what_is_worse(void **state)
{
    static const struct {
        const char *level;
        const char *wanted;
    } cases[] = {
        {"off", ""},
        {"error", PREFIX "e\n"},
        {"warn", PREFIX "e\n" PREFIX "w\n"},
        {"info", PREFIX "e\n" PREFIX "w\n" PREFIX "i\n"},
        {"debug", PREFIX "e\n" PREFIX "w\n" PREFIX "i\n" PREFIX "d\n"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int level = log_level_from_name(cases[i].level);

        assert_int_equal(level, i);
        log_set_level((enum log_level)level);
        assert_int_equal(ftruncate(f->fd, 0), 0);
        assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
        log_all();
        assert_string_equal(logged(f), cases[i].wanted);
    }
}

static void other_names_are_no_levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_from_name(""), -1);
    assert_int_equal(log_level_from_name("warning"), -1);
    assert_int_equal(log_level_from_name("WARN"), -1);
    assert_int_equal(log_level_from_name("war"), -1);
}

static void a_line_tells_its_values(void **state)
{
    struct fixture *f = *state;

    log_error("module.event n=%d text=%s", 7, "x");
    assert_string_equal(logged(f), PREFIX "module.event n=7 text=x\n");
}

/* Log n characters; returns how many of them came out, on one line of their own. */
static size_t length_logged(struct fixture *f, size_t n)
{
    char text[LINE_MAX_BYTES * 2];
    const char *out;

    assert_true(n < sizeof(text));
    memset(text, 'x', n);
    text[n] = '\0';
    log_error("%s", text);
    out = logged(f);
    assert_memory_equal(out, PREFIX, strlen(PREFIX));
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
    return strlen(out) - strlen(PREFIX) - 1;
}

static void a_line_one_below_the_bound_is_whole(void **state)
{
    assert_int_equal(length_logged(*state, ROOM_BYTES - 1), ROOM_BYTES - 1);
}

static void a_line_of_the_bound_is_whole(void **state)
{
    assert_int_equal(length_logged(*state, ROOM_BYTES), ROOM_BYTES);
}

static void a_line_above_the_bound_is_cut_and_ended(void **state)
{
    assert_int_equal(length_logged(*state, ROOM_BYTES + 1), ROOM_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(only_warnings_and_errors_are_written_at_first),
        TEST(each_level_writes_itself_and_what_is_worse),
        TEST(other_names_are_no_levels),
        TEST(a_line_tells_its_values),
        TEST(a_line_one_below_the_bound_is_whole),
        TEST(a_line_of_the_bound_is_whole),
        TEST(a_line_above_the_bound_is_cut_and_ended),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
