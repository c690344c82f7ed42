#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sentinel.h"
#include "base/util.h"

#define LINE_MAX_BYTES 4096 /* newline included; see base/log.c */
#define TEXT_MAX_BYTES 512  /* of one value */
#define TIME_BYTES     24   /* 2026-01-31T12:00:00.000Z */

/* Our stderr goes to memory while a test logs. */
struct fixture {
    int fd;
    int real_stderr;
    char dir[32];
    char path[48]; /* in dir, for tests that want a file */
    char text[32768];
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->fd = memfd_create("log", MFD_CLOEXEC);
    f->real_stderr = dup(STDERR_FILENO);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/whiskloop-log-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/log", f->dir);
    log_set_level(LOG_WARN);
    log_set_format(LOG_AS_TEXT);
    *state = f;
    return dup2(f->fd, STDERR_FILENO) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    log_close();
    (void)dup2(f->real_stderr, STDERR_FILENO);
    fd_close(&f->real_stderr);
    fd_close(&f->fd);
    (void)unlink(f->path);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static const char *read_all(struct fixture *f, int fd)
{
    ssize_t n = pread(fd, f->text, sizeof(f->text) - 1, 0);

    assert_true(n >= 0);
    f->text[n] = '\0';
    return f->text;
}

static const char *logged(struct fixture *f)
{
    return read_all(f, f->fd);
}

static const char *in_file(struct fixture *f, const char *path)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return read_all(f, fd);
}

static void forget(struct fixture *f)
{
    assert_int_equal(ftruncate(f->fd, 0), 0);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
}

static void assert_is_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    for (size_t i = 0; i < TIME_BYTES; i++)
        if (form[i] == 'd')
            assert_in_range(text[i], '0', '9');
        else
            assert_int_equal(text[i], form[i]);
}

/* What stands behind "whiskloop: " and the time on the one line that was logged. */
static const char *text_logged(struct fixture *f)
{
    const char *line = logged(f);

    assert_memory_equal(line, "whiskloop: ", 11);
    assert_is_time(line + 11);
    assert_int_equal(line[11 + TIME_BYTES], ' ');
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    return line + 11 + TIME_BYTES + 1;
}

/* What stands behind the time on the one line that was logged; the line must be one object. */
static const char *json_logged(struct fixture *f)
{
    static const char start[] = "{\"time\":\"";
    const char *line = logged(f);

    assert_int_equal(json_check(line, strlen(line), NULL), JSON_OBJECT);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_memory_equal(line, start, strlen(start));
    assert_is_time(line + strlen(start));
    return line + strlen(start) + TIME_BYTES;
}

/* ---- levels ---- */

/* The letters of the lines that were written. */
static const char *letters(struct fixture *f)
{
    static char found[8];
    const char *at = logged(f);
    size_t n = 0;

    while ((at = strstr(at, " x=")) != NULL && n < sizeof(found) - 1)
        found[n++] = *(at += 3);
    found[n] = '\0';
    return found;
}

static void log_all(void)
{
    log_error("a.b", log_text("x", "e"));
    log_warn("a.b", log_text("x", "w"));
    log_info("a.b", log_text("x", "i"));
    log_debug("a.b", log_text("x", "d"));
}

static void only_warnings_and_errors_are_written_at_first(void **state)
{
    struct fixture *f = *state;

    log_all();
    assert_string_equal(letters(f), "ew");
}

static void each_level_writes_itself_and_what_is_worse(void **state)
{
    static const struct {
        const char *level;
        const char *wanted;
    } cases[] = {
        {"off", ""}, {"error", "e"}, {"warn", "ew"}, {"info", "ewi"}, {"debug", "ewid"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int level = log_level_from_name(cases[i].level);

        assert_int_equal(level, i);
        log_set_level((enum log_level)level);
        forget(f);
        log_all();
        assert_string_equal(letters(f), cases[i].wanted);
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

static unsigned n_asked;

static int64_t ask(void)
{
    return ++n_asked;
}

static void the_fields_of_a_line_that_is_not_wanted_are_never_worked_out(void **state)
{
    (void)state;
    n_asked = 0;
    log_info("a.b", log_int("n", ask()));
    assert_int_equal(n_asked, 0);
    log_warn("a.b", log_int("n", ask()));
    assert_int_equal(n_asked, 1);
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    errno = EXFULL;
    log_error("a.b", log_int("n", 1));
    assert_int_equal(errno, EXFULL);
}

/* ---- text ---- */

static void a_line_of_text_tells_its_values(void **state)
{
    struct fixture *f = *state;

    log_error("module.event", log_int("n", -7), log_count("big", UINT64_MAX),
              log_text("program", "python3"), log_text("gone", NULL), log_bytes("part", "abc", 2));
    assert_string_equal(
        text_logged(f),
        "error module.event n=-7 big=9223372036854775807 program=python3 part=ab\n");
}

static void text_is_quoted_where_it_could_be_misread(void **state)
{
    static const struct {
        const char *value;
        const char *wanted;
    } cases[] = {
        {"/usr/bin/python3.11", "/usr/bin/python3.11"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nwhiskloop: forged", "\"line\\nwhiskloop: forged\""},
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"del\x7f", "\"del\x7f\""},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_free char *wanted = xasprintf("warn a.b x=%s\n", cases[i].wanted);

        forget(f);
        log_warn("a.b", log_text("x", cases[i].value));
        assert_string_equal(text_logged(f), wanted);
    }
}

/* ---- JSON ---- */

static void a_value_that_holds_an_end_mark_ends_no_log(void **state)
{
    struct fixture *f = *state;

    log_warn("a.b", log_text("x", SENTINEL), log_text("y", "text\n" SENTINEL "\n"));
    assert_null(strstr(logged(f), SENTINEL));
    assert_non_null(strstr(logged(f), "xxx_the_end_of_a_whisk_activation_xxx"));
}

static void a_line_of_json_keeps_the_types(void **state)
{
    struct fixture *f = *state;

    log_set_format(LOG_AS_JSON);
    log_error("module.event", log_int("n", -7), log_text("text", "7"), log_text("gone", NULL),
              log_text("quote", "\"\\\n"));
    assert_string_equal(json_logged(f),
                        "\",\"level\":\"error\",\"event\":\"module.event\",\"n\":-7,\"text\":\"7\","
                        "\"quote\":\"\\\"\\\\\\n\"}\n");
}

static void any_byte_in_a_value_makes_valid_json(void **state)
{
    struct fixture *f = *state;

    log_set_format(LOG_AS_JSON);
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second += 5) {
            const char bytes[] = {(char)first, (char)second, (char)first};

            forget(f);
            log_error("a.b", log_bytes("x", bytes, sizeof(bytes)));
            (void)json_logged(f);
        }
    }
}

static void the_end_of_a_process_is_two_fields(void **state)
{
    struct fixture *f = *state;

    log_error("a.b", LOG_EXIT(3 << 8));
    assert_string_equal(text_logged(f), "error a.b status=3 signal=0\n");
    forget(f);
    log_error("a.b", LOG_EXIT(9));
    assert_string_equal(text_logged(f), "error a.b status=-1 signal=9\n");
}

/* ---- bounds ---- */

static size_t length_logged(struct fixture *f, size_t n)
{
    static const char head[] = "error a.b x=";
    char text[TEXT_MAX_BYTES * 2];
    const char *out;

    assert_true(n <= sizeof(text));
    memset(text, 'x', n);
    forget(f);
    log_error("a.b", log_bytes("x", text, n), log_int("behind", 1));
    out = text_logged(f);
    assert_memory_equal(out, head, strlen(head));
    return strcspn(out + strlen(head), ". ");
}

static void a_value_up_to_the_bound_is_whole_and_a_longer_one_is_cut(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(length_logged(f, TEXT_MAX_BYTES - 1), TEXT_MAX_BYTES - 1);
    assert_null(strstr(logged(f), "..."));
    assert_int_equal(length_logged(f, TEXT_MAX_BYTES), TEXT_MAX_BYTES);
    assert_null(strstr(logged(f), "..."));
    assert_int_equal(length_logged(f, TEXT_MAX_BYTES + 1), TEXT_MAX_BYTES);
    assert_non_null(strstr(logged(f), "... behind=1\n"));
}

static void a_value_is_not_cut_within_a_character(void **state)
{
    struct fixture *f = *state;

    for (size_t n_before = 0; n_before < 5; n_before++) {
        char text[TEXT_MAX_BYTES * 2];

        memset(text, 'x', sizeof(text));
        for (size_t at = n_before; at + 4 <= sizeof(text); at += 4)
            memcpy(text + at, "\xf0\x9f\x98\x80", 4);
        forget(f);
        log_error("a.b", log_bytes("x", text, sizeof(text)));
        assert_null(strstr(logged(f), "\xef\xbf\xbd"));
        assert_non_null(strstr(logged(f), "\xf0\x9f\x98\x80...\"\n"));
    }
}

static void a_line_never_passes_the_bound_and_stays_a_line(void **state)
{
    struct fixture *f = *state;

    for (int json = 0; json < 2; json++) {
        log_set_format(json ? LOG_AS_JSON : LOG_AS_TEXT);
        for (size_t n = TEXT_MAX_BYTES - 40; n <= TEXT_MAX_BYTES; n++) {
            char text[TEXT_MAX_BYTES];

            memset(text, 1, sizeof(text)); /* \u0001: six for one */
            forget(f);
            log_error("a.b", log_bytes("x", text, n), log_bytes("y", text, n / 4 + 40),
                      log_int("z", 1));
            assert_true(strlen(logged(f)) <= LINE_MAX_BYTES);
            assert_int_equal(strstr(f->text, "z") == NULL || strstr(f->text, "y") == NULL,
                             strstr(f->text, "cut") != NULL);
            if (json)
                (void)json_logged(f);
            else
                (void)text_logged(f);
        }
        forget(f);
        log_error("a.b", log_bytes("x", f->text, 0), log_text("y", "short"));
        assert_null(strstr(logged(f), "cut"));
    }
}

static void a_field_without_room_is_left_out_and_the_line_says_so(void **state)
{
    struct fixture *f = *state;
    char text[TEXT_MAX_BYTES];

    memset(text, 1, sizeof(text));
    log_set_format(LOG_AS_JSON);
    log_error("a.b", log_bytes("x", text, sizeof(text)), log_bytes("y", text, sizeof(text)),
              log_int("z", 1));
    (void)json_logged(f);
    assert_non_null(strstr(f->text, ",\"x\":\"\\u0001"));
    assert_null(strstr(f->text, "\"y\""));
    assert_non_null(strstr(f->text, ",\"z\":1,\"cut\":true}\n"));
}

/* ---- files ---- */

static void a_file_is_made_and_appended_to(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    struct err err;

    (void)umask(022);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_open(f->path, &err), 0);
        log_error("a.b", log_int("i", i));
        log_close();
    }
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_is_time(in_file(f, f->path)); /* no "whiskloop: " where nobody else writes */
    assert_non_null(strstr(f->text, " error a.b i=0\n"));
    assert_non_null(strstr(f->text, " error a.b i=1\n"));
    assert_string_equal(logged(f), "");
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(log_open(f->dir, &err), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_non_null(strstr(err.text, f->dir));
    assert_non_null(strstr(err.text, "--log-file"));
    log_error("a.b", log_int("n", 1));
    assert_string_equal(text_logged(f), "error a.b n=1\n");
}

static void opening_anew_leaves_a_file_that_was_moved(void **state)
{
    struct fixture *f = *state;
    auto_free char *moved = xasprintf("%s.1", f->path);
    struct err err;

    assert_int_equal(log_open(f->path, &err), 0);
    log_error("a.b", log_int("i", 1));
    assert_int_equal(rename(f->path, moved), 0);
    log_error("a.b", log_int("i", 2));
    assert_int_equal(log_reopen(&err), 0);
    log_error("a.b", log_int("i", 3));
    assert_non_null(strstr(in_file(f, moved), "i=2\n"));
    assert_null(strstr(f->text, "i=3\n"));
    assert_non_null(strstr(in_file(f, f->path), "i=3\n"));
    assert_null(strstr(f->text, "i=2\n"));
    assert_int_equal(unlink(moved), 0);
}

static void the_old_file_is_kept_when_there_is_no_new_one(void **state)
{
    struct fixture *f = *state;
    auto_free char *moved = xasprintf("%s.1", f->path);
    struct err err;

    assert_int_equal(log_open(f->path, &err), 0);
    assert_int_equal(rename(f->path, moved), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(log_reopen(&err), -1);
    log_error("a.b", log_int("i", 1));
    assert_non_null(strstr(in_file(f, moved), "i=1\n"));
    assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(unlink(moved), 0);
}

static void opening_anew_without_a_file_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(log_reopen(&err), 0);
    log_error("a.b", log_int("n", 1));
    assert_string_equal(text_logged(f), "error a.b n=1\n");
}

/* ---- writes that fail ---- */

static void a_full_disk_costs_the_lines_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(log_open("/dev/full", &err), 0);
    for (int i = 0; i < 3; i++)
        log_error("a.b", log_int("i", i));
    assert_int_equal(log_open(f->path, &err), 0);
    log_error("a.b", log_int("i", 3));
    log_error("a.b", log_int("i", 4));
    assert_non_null(strstr(in_file(f, f->path), " error a.b dropped=3 i=3\n"));
    assert_non_null(strstr(f->text, " error a.b i=4\n"));
}

static void a_line_that_was_torn_is_ended_before_the_next(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit low;
    struct err err;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 10;
    assert_int_equal(log_open(f->path, &err), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    log_error("a.b", log_int("i", 1));
    log_error("a.b", log_int("i", 2)); /* its SIGXFSZ would end us */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_error("a.b", log_int("i", 3));
    log_error("a.b", log_int("i", 4));
    assert_int_equal(in_file(f, f->path)[10], '\n');
    assert_is_time(f->text + 11);
    assert_non_null(strstr(f->text, " error a.b dropped=2 i=3\n2"));
}

static void a_reader_that_stalls_holds_nobody_up(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    ssize_t n;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    for (int i = 0; i < 5000; i++) /* far more than a pipe holds: this would never end */
        log_error("a.b", log_int("i", i));
    n = read(ends[0], f->text, sizeof(f->text));
    assert_true(n > 0);
    while (n == (ssize_t)sizeof(f->text))
        n = read(ends[0], f->text, sizeof(f->text));
    log_error("a.b", log_int("i", 5000));
    n = read(ends[0], f->text, sizeof(f->text) - 1);
    assert_true(n > 0);
    f->text[n] = '\0';
    assert_non_null(strstr(f->text, " error a.b dropped="));
    assert_int_equal(dup2(f->fd, STDERR_FILENO), STDERR_FILENO);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(only_warnings_and_errors_are_written_at_first),
        TEST(each_level_writes_itself_and_what_is_worse),
        TEST(other_names_are_no_levels),
        TEST(the_fields_of_a_line_that_is_not_wanted_are_never_worked_out),
        TEST(logging_leaves_errno_alone),
        TEST(a_line_of_text_tells_its_values),
        TEST(text_is_quoted_where_it_could_be_misread),
        TEST(a_value_that_holds_an_end_mark_ends_no_log),
        TEST(a_line_of_json_keeps_the_types),
        TEST(any_byte_in_a_value_makes_valid_json),
        TEST(the_end_of_a_process_is_two_fields),
        TEST(a_value_up_to_the_bound_is_whole_and_a_longer_one_is_cut),
        TEST(a_value_is_not_cut_within_a_character),
        TEST(a_line_never_passes_the_bound_and_stays_a_line),
        TEST(a_field_without_room_is_left_out_and_the_line_says_so),
        TEST(a_file_is_made_and_appended_to),
        TEST(a_file_that_cannot_be_opened_is_named),
        TEST(opening_anew_leaves_a_file_that_was_moved),
        TEST(the_old_file_is_kept_when_there_is_no_new_one),
        TEST(opening_anew_without_a_file_changes_nothing),
        TEST(a_full_disk_costs_the_lines_and_nothing_else),
        TEST(a_line_that_was_torn_is_ended_before_the_next),
        TEST(a_reader_that_stalls_holds_nobody_up),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
