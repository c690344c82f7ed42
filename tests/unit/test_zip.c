/* Zips written by ours and read by the reader that reads everybody's. */

#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "action/unpack.h"
#include "action/zip.h"
#include "base/err.h"
#include "folder.h"

static const struct unpack_limits limits = {.bytes_max = 1U << 30, .entries_max = 1000};

struct fixture {
    struct folder from;
    struct folder to;
    char *bytes; /* owned; the zip */
    size_t n;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    folder_make(&f->to);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    folder_remove(&f->to);
    free(f->bytes);
    return folder_tear_down(state);
}

static void read_all(struct fixture *f, int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    f->n = (size_t)st.st_size;
    free(f->bytes);
    f->bytes = xmalloc(f->n);
    assert_int_equal(pread(fd, f->bytes, f->n, 0), (ssize_t)f->n);
}

static void zip(struct fixture *f)
{
    auto_free char *path = xasprintf("%s/zip", f->from.outer);
    auto_fd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(zip_folder(f->from.in, fd, &f->err), 0);
    read_all(f, fd);
}

static void unzip(struct fixture *f)
{
    assert_int_equal(unpack_archive(f->to.in, f->bytes, f->n, &limits, NULL, &f->err), 0);
}

static void files_folders_and_links_come_back_with_their_modes(void **state)
{
    struct fixture *f = *state;
    auto_free char *deep = xasprintf("%s/one/two", f->from.in);
    auto_free char *one = xasprintf("%s/one", f->from.in);
    auto_free char *link = xasprintf("%s/link", f->from.in);

    assert_int_equal(mkdir(one, 0755), 0);
    assert_int_equal(mkdir(deep, 0750), 0);
    folder_write(f->from.in, "exec", "#!/bin/sh\n", 0755);
    folder_write(f->from.in, "empty", "", 0640);
    folder_write(deep, "file", "deep", 0644);
    assert_int_equal(symlink("one/two/file", link), 0);
    zip(f);
    unzip(f);
    assert_string_equal(folder_read(f->to.in, "exec"), "#!/bin/sh\n");
    assert_int_equal(folder_mode(f->to.in, "exec"), S_IFREG | 0755);
    assert_string_equal(folder_read(f->to.in, "empty"), "");
    assert_int_equal(folder_mode(f->to.in, "empty"), S_IFREG | 0640);
    assert_string_equal(folder_read(f->to.in, "one/two/file"), "deep");
    assert_int_equal(folder_mode(f->to.in, "one/two"), S_IFDIR | 0750);
    assert_int_equal(folder_mode(f->to.in, "link") & S_IFMT, S_IFLNK);
    assert_string_equal(folder_read(f->to.in, "link"), "deep");
}

static void large_files_come_back_and_are_packed(void **state)
{
    struct fixture *f = *state;
    size_t n = (1U << 20) + 1;
    auto_free char *text = xmalloc(n + 1);
    auto_free char *path = xasprintf("%s/large", f->to.in);
    struct stat st;

    memset(text, 'x', n);
    text[n] = '\0';
    folder_write(f->from.in, "large", text, 0644);
    zip(f);
    assert_true(f->n < n / 100);
    unzip(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal((size_t)st.st_size, n);
}

static void an_empty_folder_is_an_archive_without_entries(void **state)
{
    struct fixture *f = *state;

    zip(f);
    assert_int_equal(f->n, 22); /* the end record and nothing else */
    assert_memory_equal(f->bytes, "PK\5\6", 4);
}

static void the_same_folder_gives_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    auto_free char *first = NULL;
    size_t n;

    folder_write(f->from.in, "b", "b", 0644);
    folder_write(f->from.in, "a", "a", 0644);
    zip(f);
    first = xmalloc(f->n);
    memcpy(first, f->bytes, f->n);
    n = f->n;
    folder_write(f->from.in, "b", "b", 0644);
    zip(f);
    assert_int_equal(f->n, n);
    assert_memory_equal(f->bytes, first, n);
}

static void names_are_told_from_a_jars(void **state)
{
    struct fixture *f = *state;
    auto_free char *meta = xasprintf("%s/META-INF", f->from.in);

    assert_int_equal(mkdir(meta, 0755), 0);
    folder_write(meta, "MANIFEST.MF", "", 0644);
    zip(f);
    assert_true(unpack_has(f->bytes, f->n, "META-INF/MANIFEST.MF"));
    assert_false(unpack_has(f->bytes, f->n, "MANIFEST.MF"));
    assert_false(unpack_has("PK\3\4 no zip", 11, "META-INF/MANIFEST.MF"));
}

static void what_cannot_be_read_or_written_is_an_error(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/missing", f->from.in);

    assert_int_equal(zip_folder(path, 1, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_int_equal(zip_folder(f->from.in, -1, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
}

/* A disk that is full after so many bytes, for each number. */
static void what_cannot_be_written_whole_is_an_error(void **state)
{
    struct fixture *f = *state;
    auto_free char *folder = xasprintf("%s/folder", f->from.in);
    auto_free char *link = xasprintf("%s/link", f->from.in);
    auto_free char *path = xasprintf("%s/zip", f->from.outer);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;

    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(symlink("file", link), 0);
    folder_write(f->from.in, "file", "some bytes", 0644);
    zip(f);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    for (size_t n = 0; n < f->n; n++) {
        auto_fd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){n, limit.rlim_max}), 0);
        assert_int_equal(zip_folder(f->from.in, fd, &f->err), -1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(f->err.os, EFBIG);
    }
    (void)signal(SIGXFSZ, before);
}

static void pipes_and_sockets_are_left_out(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/pipe", f->from.in);

    assert_int_equal(mkfifo(path, 0600), 0);
    zip(f);
    assert_int_equal(f->n, 22);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_folders_and_links_come_back_with_their_modes),
        TEST(large_files_come_back_and_are_packed),
        TEST(an_empty_folder_is_an_archive_without_entries),
        TEST(the_same_folder_gives_the_same_bytes),
        TEST(names_are_told_from_a_jars),
        TEST(what_cannot_be_read_or_written_is_an_error),
        TEST(what_cannot_be_written_whole_is_an_error),
        TEST(pipes_and_sockets_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
