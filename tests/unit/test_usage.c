/* usage: what the system tells of processes, this one and its children. */

#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/usage.h"
#include "base/util.h"

#define SOME_BYTES (32u << 20)

static void memory_that_is_written_to_counts(void **state)
{
    struct usage before = {0};
    struct usage after = {0};
    char *bytes =
        mmap(NULL, SOME_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(bytes != MAP_FAILED);
    assert_true(usage_add(&before, getpid()));
    memset(bytes, 1, SOME_BYTES);
    assert_true(usage_add(&after, getpid()));
    (void)munmap(bytes, SOME_BYTES);
    assert_true(after.memory_bytes >= before.memory_bytes + SOME_BYTES / 2);
}

/* Uses the processor until this process has had `us` of it, as getrusage() tells. */
static void work_until(uint64_t us)
{
    while (usage_own_cpu_us() < us)
        ;
}

static void processor_time_is_that_of_the_process(void **state)
{
    struct usage usage = {0};
    uint64_t wanted_us = usage_own_cpu_us() + 50000;

    (void)state;
    work_until(wanted_us);
    assert_true(usage_add(&usage, getpid()));
    assert_true(usage.cpu_us + 20000 >= wanted_us); /* told in ticks of 10 ms */
    assert_true(usage.cpu_us <= usage_own_cpu_us() + usage_ended_cpu_us());
}

static void a_process_with_any_name_is_read_right(void **state)
{
    struct usage usage = {0};
    bool is_read;
    char letter;
    int ends[2];
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        auto_fd int fd = open("/proc/self/comm", O_WRONLY);

        _exit(fd >= 0 && write(fd, "a) 9 9 9 9 (", 12) == 12 && write(ends[1], "x", 1) == 1 &&
              pause());
    }
    assert_int_equal(read(ends[0], &letter, 1), 1);
    is_read = usage_add(&usage, pid);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(is_read);
    assert_true(usage.memory_bytes > 0);
    assert_true(usage.cpu_us < 60000000);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_process_that_is_gone_adds_nothing(void **state)
{
    struct usage usage = {.memory_bytes = 1, .cpu_us = 2};
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(usage_add(&usage, pid));
    assert_int_equal(usage.memory_bytes, 1);
    assert_int_equal(usage.cpu_us, 2);
}

static void the_time_of_a_child_that_ended_is_kept(void **state)
{
    uint64_t before_us = usage_ended_cpu_us();
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        work_until(usage_own_cpu_us() + 20000);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(usage_ended_cpu_us() >= before_us + 20000);
}

/* Of all four times in /proc/PID/stat the last one: what its children spent in the system. */
static void the_time_of_children_counts_in_their_parents(void **state)
{
    static char bytes[1u << 20];
    struct usage usage = {0};
    struct rusage used = {0};
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        int fd = open("/dev/zero", O_RDONLY);

        while (used.ru_stime.tv_sec == 0 && used.ru_stime.tv_usec < 100000 &&
               read(fd, bytes, sizeof(bytes)) > 0)
            (void)getrusage(RUSAGE_SELF, &used);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(usage_add(&usage, getpid()));
    assert_true(usage.cpu_us + 40000 >= usage_own_cpu_us() + usage_ended_cpu_us());
}

static void an_open_descriptor_counts(void **state)
{
    unsigned before = usage_open_fds();
    int fd = dup(0);

    (void)state;
    assert_true(before >= 3);
    assert_int_equal(usage_open_fds(), before + 1);
    (void)close(fd);
    assert_int_equal(usage_open_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_is_written_to_counts),
        cmocka_unit_test(processor_time_is_that_of_the_process),
        cmocka_unit_test(a_process_with_any_name_is_read_right),
        cmocka_unit_test(a_process_that_is_gone_adds_nothing),
        cmocka_unit_test(the_time_of_a_child_that_ended_is_kept),
        cmocka_unit_test(the_time_of_children_counts_in_their_parents),
        cmocka_unit_test(an_open_descriptor_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
