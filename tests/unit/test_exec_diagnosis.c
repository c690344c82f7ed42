#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exec_diagnosis.h"
#include "base/util.h"
#include "folder.h"

struct fixture {
    struct folder folder;
    char *path;
    char text[512];
    struct { /* the start of a program, as small as the kernel would take it */
        Elf64_Ehdr header;
        Elf64_Phdr segment;
        char loader[64];
    } program;
};

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));
    auto_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    f->path = xasprintf("%s/program", f->folder.in);
    assert_int_equal(read(self, &f->program.header, sizeof(f->program.header)),
                     sizeof(f->program.header));
    f->program.header.e_phoff = sizeof(f->program.header);
    f->program.header.e_phnum = 1;
    f->program.segment.p_type = PT_INTERP;
    f->program.segment.p_offset = sizeof(f->program.header) + sizeof(f->program.segment);
    f->program.segment.p_filesz = sizeof(f->program.loader);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    free(f->path);
    return folder_tear_down(state);
}

/* Whether there is something to say about the first n bytes of the program. */
static bool says(struct fixture *f, size_t n, int os)
{
    auto_fd int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_int_equal(write(fd, &f->program, n), n);
    (void)strcpy(f->text, "untouched");
    return exec_diagnosis_explain(f->path, os, f->text, sizeof(f->text));
}

static void assert_silent(struct fixture *f, size_t n, int os)
{
    assert_false(says(f, n, os));
    assert_string_equal(f->text, "untouched");
}

/* An open that waits ends the program: the action would sleep us so. */
static void what_is_no_file_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    auto_free char *link = xasprintf("%s/link", f->folder.in);

    (void)alarm(10);
    assert_int_equal(mkfifo(f->path, 0777), 0);
    assert_int_equal(symlink(f->path, link), 0);
    (void)strcpy(f->text, "untouched");
    assert_false(exec_diagnosis_explain(f->path, ENOENT, f->text, sizeof(f->text)));
    assert_false(exec_diagnosis_explain(link, ENOEXEC, f->text, sizeof(f->text)));
    assert_false(exec_diagnosis_explain(f->folder.in, ENOEXEC, f->text, sizeof(f->text)));
    assert_false(exec_diagnosis_explain("/dev/zero", ENOEXEC, f->text, sizeof(f->text)));
    assert_string_equal(f->text, "untouched");
    (void)alarm(0);
}

static void a_loader_that_is_missing_is_named(void **state)
{
    struct fixture *f = *state;

    (void)strcpy(f->program.loader, "/lib/ld-musl-none.so.1");
    assert_true(says(f, sizeof(f->program), ENOENT));
    assert_non_null(strstr(f->text, "\"/lib/ld-musl-none.so.1\", which is not here"));
    assert_non_null(strstr(f->text, "another libc"));
}

static void a_loader_that_is_there_is_no_reason(void **state)
{
    struct fixture *f = *state;

    (void)strcpy(f->program.loader, "/proc/self/exe");
    assert_silent(f, sizeof(f->program), ENOENT);
}

static void a_program_for_another_processor_is_told_with_both(void **state)
{
    struct fixture *f = *state;
    uint16_t ours = f->program.header.e_machine;

    f->program.header.e_machine = ours == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
    assert_true(says(f, sizeof(f->program), ENOEXEC));
    assert_non_null(strstr(f->text, ours == EM_AARCH64 ? "built for x86-64" : "built for aarch64"));
}

static void a_program_of_the_other_byte_order_is_told(void **state)
{
    struct fixture *f = *state;

    f->program.header.e_ident[EI_DATA] = ELFDATA2MSB;
    f->program.header.e_machine = (uint16_t)(EM_S390 << 8);
    assert_true(says(f, sizeof(f->program), ENOEXEC));
    assert_non_null(strstr(f->text, "built for s390x"));
}

static void a_program_that_ends_early_is_no_reason(void **state)
{
    struct fixture *f = *state;

    assert_silent(f, 0, ENOEXEC);
    assert_silent(f, sizeof(Elf32_Ehdr) - 1, ENOEXEC);
    assert_silent(f, sizeof(Elf64_Ehdr), ENOENT);                      /* no segment */
    assert_silent(f, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), ENOENT); /* no loader */
}

static void a_loader_of_a_nonsensical_length_is_no_reason(void **state)
{
    struct fixture *f = *state;

    f->program.segment.p_filesz = 0;
    assert_silent(f, sizeof(f->program), ENOENT);
    f->program.segment.p_filesz = UINT64_MAX;
    assert_silent(f, sizeof(f->program), ENOENT);
    f->program.segment.p_filesz = sizeof(f->program.loader);
    f->program.header.e_phoff = UINT64_MAX;
    assert_silent(f, sizeof(f->program), ENOENT);
}

static void a_script_or_text_is_no_reason(void **state)
{
    struct fixture *f = *state;

    (void)memcpy(f->program.header.e_ident, "#!/n", 4);
    assert_silent(f, sizeof(f->program), ENOENT);
    assert_silent(f, sizeof(f->program), ENOEXEC);
}

static void a_file_without_the_right_to_execute_is_no_reason(void **state)
{
    assert_silent(*state, sizeof(((struct fixture *)*state)->program), EACCES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_file_is_not_waited_for),
        TEST(a_loader_that_is_missing_is_named),
        TEST(a_loader_that_is_there_is_no_reason),
        TEST(a_program_for_another_processor_is_told_with_both),
        TEST(a_program_of_the_other_byte_order_is_told),
        TEST(a_program_that_ends_early_is_no_reason),
        TEST(a_loader_of_a_nonsensical_length_is_no_reason),
        TEST(a_script_or_text_is_no_reason),
        TEST(a_file_without_the_right_to_execute_is_no_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
