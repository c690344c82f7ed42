/* cgroup: which folder is ours, in both versions and as containers show them; how many processors,
 * and how much memory. */

#include "test.h"

#include <sched.h>

#include "base/cgroup.h"
#include "base/held.h"
#include "cgroup_fixture.h"

struct fixture {
    struct folder folder;
    struct cgroup group;
};

static int set_up(void **state)
{
    (void)folder_set_up(state, sizeof(struct fixture));
    return 0;
}

/* own: /proc/self/cgroup; file: one that stands in our group. */
static void make(struct fixture *f, const char *own, const char *mounts, const char *file)
{
    tree_write(f->folder.in, "proc/self/cgroup", own);
    tree_write(f->folder.in, "proc/self/mountinfo", mounts);
    if (file != NULL)
        tree_write(f->folder.in, file, "7\n");
}

static void assert_found(struct fixture *f, int version, const char *dir)
{
    auto_free char *wanted = xasprintf("%s/%s", f->folder.in, dir);

    cgroup_find(&f->group, "memory", f->folder.in);
    assert_int_equal(f->group.version, version);
    assert_string_equal(f->group.dir, wanted);
}

static void assert_none(struct fixture *f)
{
    char line[16];
    uint64_t count;

    cgroup_find(&f->group, "memory", f->folder.in);
    assert_int_equal(f->group.version, 0);
    assert_false(cgroup_line(&f->group, "x", line, sizeof(line)));
    assert_false(cgroup_count(&f->group, "x", "x", &count));
}

static void a_group_of_version_2_lies_below_its_mount(void **state)
{
    make(*state, "0::/system.slice/whisk\n", MOUNT_V2("/"), "sys/fs/cgroup/system.slice/whisk/x");
    assert_found(*state, 2, "sys/fs/cgroup/system.slice/whisk");
}

static void a_container_of_version_2_sees_its_group_as_the_root(void **state)
{
    make(*state, "0::/\n", MOUNT_V2("/"), "sys/fs/cgroup/x");
    assert_found(*state, 2, "sys/fs/cgroup/");
}

static void a_group_of_version_1_goes_by_its_controller(void **state)
{
    make(*state, "8:pids:/p\n4:memory:/m\n3:cpu,cpuacct:/c\n",
         MOUNT_V1("/", "pids") MOUNT_V1("/", "memory"), "sys/fs/cgroup/memory/m/x");
    assert_found(*state, 1, "sys/fs/cgroup/memory/m");
}

static void a_container_of_version_1_has_its_group_mounted(void **state)
{
    make(*state, "4:memory:/docker/abc\n", MOUNT_V1("/docker/abc", "memory"),
         "sys/fs/cgroup/memory/x");
    assert_found(*state, 1, "sys/fs/cgroup/memory");
}

static void a_group_below_a_containers_is_found_there(void **state)
{
    make(*state, "4:memory:/docker/abc/sub\n", MOUNT_V1("/docker/abc", "memory"),
         "sys/fs/cgroup/memory/sub/x");
    assert_found(*state, 1, "sys/fs/cgroup/memory/sub");
}

static void a_group_that_the_mount_does_not_show_is_the_mount(void **state)
{
    make(*state, "4:memory:/kubepods/abc\n", MOUNT_V1("/", "memory"), "sys/fs/cgroup/memory/x");
    assert_found(*state, 1, "sys/fs/cgroup/memory");
}

static void a_part_of_a_name_is_another_group(void **state)
{
    make(*state, "4:memory:/docker/abcd\n", MOUNT_V1("/docker/abc", "memory"),
         "sys/fs/cgroup/memory/x");
    tree_write(((struct fixture *)*state)->folder.in, "sys/fs/cgroup/memoryd/x", "7\n");
    assert_found(*state, 1, "sys/fs/cgroup/memory");
}

static void with_both_versions_the_controllers_own_counts(void **state)
{
    static const char *const texts[] = {"4:memory:/m\n0::/u\n", "0::/u\n4:memory:/m\n"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        make(*state, texts[i], MOUNT_V2("/") MOUNT_V1("/", "memory"), "sys/fs/cgroup/memory/m/x");
        assert_found(*state, 1, "sys/fs/cgroup/memory/m");
    }
}

static void a_controller_beside_version_1_may_be_version_2s(void **state)
{
    make(*state, "3:cpu:/c\n0::/u\n", MOUNT_V1("/", "cpu") MOUNT_V2("/"), "sys/fs/cgroup/u/x");
    assert_found(*state, 2, "sys/fs/cgroup/u");
}

static void without_the_files_of_proc_there_is_none(void **state)
{
    assert_none(*state);
}

static void without_a_mount_there_is_none(void **state)
{
    make(*state, "0::/\n", "31 23 0:28 / /tmp rw - tmpfs tmpfs rw\n", NULL);
    assert_none(*state);
}

static void a_mount_that_cannot_be_entered_is_none(void **state)
{
    make(*state, "0::/\n", MOUNT_V2("/"), NULL);
    assert_none(*state);
}

static void garbage_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        ":",
                                        "::",
                                        "0::\n",
                                        "4:memory\n",
                                        "4\n",
                                        "::::/\n",
                                        "0::rel\n",
                                        "-",
                                        " - ",
                                        " - cgroup2",
                                        "a b c - cgroup2 x y\n",
                                        "a b c / - cgroup2 x y\n"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        make(*state, texts[i], MOUNT_V2("/"), NULL);
        assert_none(*state);
        make(*state, "0::/\n", texts[i], NULL);
        assert_none(*state);
    }
}

static void a_group_with_a_name_beyond_all_measure_is_none(void **state)
{
    struct fixture *f = *state;
    char own[2048] = "0::/";

    memset(own + 4, 'x', sizeof(own) - 5);
    make(f, own, MOUNT_V2("/"), NULL);
    assert_none(f);
}

/* ---- files of numbers ---- */

static void a_count_goes_by_its_whole_key(void **state)
{
    static const struct {
        const char *text;
        bool found;
        uint64_t count;
    } cases[] = {
        {"low 1\noom 2\noom_kill 3\noom_group_kill 4\n", true, 3},
        {"oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", true, 5}, /* version 1 */
        {"oom_kill 18446744073709551615\n", true, UINT64_MAX},
        {"oom_kill 18446744073709551616\n", false, 0},
        {"oom_kill_disable 0\nunder_oom 0\n", false, 0},
        {"oom_kill x\n", false, 0},
        {"oom_kill_3\n", false, 0},
        {"oom_kill\n", false, 0},
        {"oom_kill 3", false, 0}, /* cut */
        {"", false, 0},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t count = 0;

        make(f, "0::/\n", MOUNT_V2("/"), "sys/fs/cgroup/x");
        tree_write(f->folder.in, "sys/fs/cgroup/memory.events", cases[i].text);
        cgroup_find(&f->group, "memory", f->folder.in);
        assert_int_equal(cgroup_count(&f->group, "memory.events", "oom_kill", &count),
                         cases[i].found);
        if (cases[i].found)
            assert_true(count == cases[i].count);
    }
}

/* ---- processors ---- */

static void there_is_at_least_one_processor(void **state)
{
    (void)state;
    assert_true(cgroup_usable_cpus("") >= 1);
}

static void processors_are_never_more_than_the_affinity_allows(void **state)
{
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    assert_true(cgroup_usable_cpus("") <= (unsigned)CPU_COUNT(&set));
}

static void a_process_bound_to_one_processor_has_one(void **state)
{
    cpu_set_t before;
    cpu_set_t one;
    unsigned n;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (unsigned i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    n = cgroup_usable_cpus("");
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(n, 1);
}

static void a_quota_is_a_bound_in_both_versions(void **state)
{
    struct fixture *f = *state;

    make(f, "0::/a\n", MOUNT_V2("/"), "sys/fs/cgroup/a/x");
    tree_write(f->folder.in, "sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    assert_int_equal(cgroup_usable_cpus(f->folder.in), 1);
    make(f, "1:cpu,cpuacct:/a\n", MOUNT_V1("/", "cpu,cpuacct"), NULL);
    tree_write(f->folder.in, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "100000\n");
    tree_write(f->folder.in, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cgroup_usable_cpus(f->folder.in), 1);
}

static void a_part_of_a_processor_counts_as_one(void **state)
{
    static const struct {
        const char *text;
        unsigned n;
    } cases[] = {{"1000 100000\n", 1},
                 {"100000 100000\n", 1},
                 {"110000 100000\n", 2},
                 {"100000000 100000\n", 1000}};
    struct fixture *f = *state;
    unsigned all = cgroup_usable_cpus("/nowhere");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        make(f, "0::/\n", MOUNT_V2("/"), "sys/fs/cgroup/x");
        tree_write(f->folder.in, "sys/fs/cgroup/cpu.max", cases[i].text);
        assert_int_equal(cgroup_usable_cpus(f->folder.in), cases[i].n < all ? cases[i].n : all);
    }
}

static void what_is_no_quota_bounds_nothing(void **state)
{
    static const char *const texts[] = {"max 100000\n", "", "x\n", "0 0\n", "-1 100000\n"};
    struct fixture *f = *state;
    unsigned all = cgroup_usable_cpus("/nowhere");

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        make(f, "0::/\n", MOUNT_V2("/"), "sys/fs/cgroup/x");
        tree_write(f->folder.in, "sys/fs/cgroup/cpu.max", texts[i]);
        assert_int_equal(cgroup_usable_cpus(f->folder.in), all);
    }
}

/* ---- a share of the memory ---- */

#define MIB (UINT64_C(1) << 20)

static uint64_t held_below(struct fixture *f, const char *limit)
{
    tree_write(f->folder.in, "sys/fs/cgroup/memory.max", limit);
    return held_default_max(f->folder.in);
}

static void the_bound_on_what_is_held_is_a_quarter_of_the_containers_memory(void **state)
{
    struct fixture *f = *state;
    uint64_t of_the_machine = held_default_max(f->folder.in);

    make(f, "0::/\n", MOUNT_V2("/"), "sys/fs/cgroup/x");
    assert_int_equal(held_below(f, "268435456\n"), 64 * MIB);
    assert_int_equal(held_below(f, "67108865\n"), 16 * MIB);
    assert_int_equal(held_below(f, "1\n"), 16 * MIB); /* or nothing could be served */
    assert_int_equal(held_below(f, "max\n"), of_the_machine);
    assert_int_equal(held_below(f, "18446744073709551616\n"), of_the_machine);
    assert_int_equal(held_below(f, ""), of_the_machine);
}

static void in_version_1_the_groups_above_bound_it_too(void **state)
{
    struct fixture *f = *state;

    make(f, "4:memory:/\n", MOUNT_V1("/", "memory"), "sys/fs/cgroup/memory/x");
    tree_write(f->folder.in, "sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    assert_int_equal(held_default_max(f->folder.in), 128 * MIB);
    tree_write(f->folder.in, "sys/fs/cgroup/memory/memory.stat",
               "cache 0\nhierarchical_memory_limit 268435456\n");
    assert_int_equal(held_default_max(f->folder.in), 64 * MIB);
    tree_write(f->folder.in, "sys/fs/cgroup/memory/memory.stat",
               "hierarchical_memory_limit 9223372036854771712\n"); /* no limit above */
    assert_int_equal(held_default_max(f->folder.in), 128 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_tear_down)
        TEST(a_group_of_version_2_lies_below_its_mount),
        TEST(a_container_of_version_2_sees_its_group_as_the_root),
        TEST(a_group_of_version_1_goes_by_its_controller),
        TEST(a_container_of_version_1_has_its_group_mounted),
        TEST(a_group_below_a_containers_is_found_there),
        TEST(a_group_that_the_mount_does_not_show_is_the_mount),
        TEST(a_part_of_a_name_is_another_group),
        TEST(with_both_versions_the_controllers_own_counts),
        TEST(a_controller_beside_version_1_may_be_version_2s),
        TEST(without_the_files_of_proc_there_is_none),
        TEST(without_a_mount_there_is_none),
        TEST(a_mount_that_cannot_be_entered_is_none),
        TEST(garbage_is_none),
        TEST(a_group_with_a_name_beyond_all_measure_is_none),
        TEST(a_count_goes_by_its_whole_key),
        TEST(there_is_at_least_one_processor),
        TEST(processors_are_never_more_than_the_affinity_allows),
        TEST(a_process_bound_to_one_processor_has_one),
        TEST(a_quota_is_a_bound_in_both_versions),
        TEST(a_part_of_a_processor_counts_as_one),
        TEST(what_is_no_quota_bounds_nothing),
        TEST(the_bound_on_what_is_held_is_a_quarter_of_the_containers_memory),
        TEST(in_version_1_the_groups_above_bound_it_too),
    };

    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
