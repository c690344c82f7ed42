/* Archives that want to get out of their folder or to fill the disk. */

#include "base/buf.h"
#include "unpack_fixture.h"

/* ---- what must not get out ---- */

static void names_that_lead_outside_are_refused(void **state)
{
    static const char *const names[] = {"../evil", "a/../../evil", "/tmp/whisk-evil", ".."};
    static const enum pack_format formats[] = {PACK_ZIP, PACK_TAR};

    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(formats); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, formats[i % ARRAY_LEN(formats)]);
        pack_file(&f->pack, names[i / ARRAY_LEN(formats)], "evil");
        assert_refused(f, ERR_CODE, "would land outside");
        assert_non_null(strstr(f->err.text, names[i / ARRAY_LEN(formats)]));
    }
}

static void links_that_lead_outside_are_refused(void **state)
{
    static const struct {
        const char *name;
        const char *target;
    } links[] = {{"l", ".."},        {"l", "../canary"}, {"d/l", "../../canary"},
                 {"d/l/", "../.."},  {"l", "/etc"},      {"l", "/etc/passwd"},
                 {"l", "d/../../x"}, {"l", "d/.."},      {"./l", "../canary"}};

    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, PACK_TAR);
        pack_link(&f->pack, links[i].name, links[i].target);
        assert_refused(f, ERR_CODE, "link to the outside");
        assert_int_equal(folder_mode(f->folder.in, "l"), 0);
    }
}

static void a_name_that_turns_back_inside_is_unpacked(void **state)
{
    static const enum pack_format formats[] = {PACK_ZIP, PACK_TAR, PACK_TARGZ};

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, formats[i]);
        pack_file(&f->pack, "a/./b/../c.txt", "text");
        pack_file(&f->pack, "a/../d", "more");
        assert_unpacks(f);
        assert_string_equal(folder_read(f->folder.in, "a/c.txt"), "text");
        assert_string_equal(folder_read(f->folder.in, "d"), "more");
    }
}

/* node_modules/unused -> /Users/me/dev/unused: nobody can follow it here, nor needs it. */
static void a_link_to_nothing_outside_is_left_out_and_told(void **state)
{
    static const char *const targets[] = {"/no/such/folder", "../no-such-folder",
                                          "../../../no/such/folder"};

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct fixture *f = afresh(state);
        struct buf said = {0};

        pack_init(&f->pack, PACK_TAR);
        pack_file(&f->pack, "main", "text");
        pack_link(&f->pack, "unused", targets[i]);
        pack_finish(&f->pack);
        assert_int_equal(
            unpack_archive(f->folder.in, f->pack.bytes, f->pack.n, &f->limits, &said, &f->err), 0);
        assert_string_equal(folder_read(f->folder.in, "main"), "text");
        assert_int_equal(folder_mode(f->folder.in, "unused"), 0);
        assert_non_null(memmem(buf_at(&said), buf_len(&said), targets[i], strlen(targets[i])));
        assert_int_equal(buf_at(&said)[buf_len(&said) - 1], '\n');
        buf_done(&said);
    }
}

static void a_file_behind_a_link_that_is_left_out_is_refused(void **state)
{
    static const char *const names[] = {"l", "l/a", "./l//a"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, PACK_TAR);
        pack_link(&f->pack, "l", "/no/such/folder");
        pack_file(&f->pack, names[i], "x");
        assert_refused(f, ERR_CODE, "link to the outside");
    }
}

static void a_name_that_begins_like_a_link_that_is_left_out_is_unpacked(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_link(&f->pack, "lib", "/no/such/folder");
    pack_file(&f->pack, "library", "text");
    assert_unpacks(f);
    assert_string_equal(folder_read(f->folder.in, "library"), "text");
}

static void a_link_that_is_left_out_is_told_in_one_printable_line(void **state)
{
    struct fixture *f = *state;
    struct buf said = {0};

    pack_init(&f->pack, PACK_TAR);
    pack_link(&f->pack, "a\n\033[2Jb", "/no/such\nfolder");
    pack_finish(&f->pack);
    assert_int_equal(
        unpack_archive(f->folder.in, f->pack.bytes, f->pack.n, &f->limits, &said, &f->err), 0);
    buf_add(&said, "", 1);
    assert_string_equal(buf_at(&said), "archive entry \"a??[2Jb\" is left out: it is a link to "
                                       "\"/no/such?folder\", which is not here\n");
    buf_done(&said);
}

static void a_file_through_a_link_is_refused(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_folder(&f->pack, "d", 0755);
    pack_link(&f->pack, "l", "d");
    pack_file(&f->pack, "l/a", "x");
    assert_refused(f, ERR_CODE, "\"l/a\"");
    assert_int_equal(folder_mode(f->folder.in, "d/a"), 0);
}

static void a_file_replaces_a_link_to_a_program_and_spares_the_program(void **state)
{
    struct fixture *f = *state;
    auto_free char *canary = xasprintf("%s/canary", f->folder.outer);

    pack_init(&f->pack, PACK_TAR);
    pack_link(&f->pack, "l", canary);
    pack_file(&f->pack, "l", "overwritten");
    assert_unpacks(f);
    assert_string_equal(folder_read(f->folder.outer, "canary"), "alive");
    assert_string_equal(folder_read(f->folder.in, "l"), "overwritten");
}

static void a_hard_link_to_a_link_to_a_program_is_refused(void **state)
{
    struct fixture *f = *state;
    auto_free char *canary = xasprintf("%s/canary", f->folder.outer);

    pack_init(&f->pack, PACK_TAR);
    pack_link(&f->pack, "l", canary);
    pack_entry(&f->pack, "h", AE_IFREG, 0666, "l", NULL, 0);
    assert_refused(f, ERR_CODE, "\"h\" is a hard link, but not to a file");
}

static void a_hard_link_to_the_outside_is_refused(void **state)
{
    static const char *const targets[] = {"../canary", "/etc/passwd", "d/../../canary"};

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, PACK_TAR);
        pack_hard_link(&f->pack, "h", targets[i]);
        assert_refused(f, ERR_CODE, "hard link to the outside");
    }
}

static void devices_pipes_and_sockets_are_refused(void **state)
{
    static const unsigned types[] = {AE_IFCHR, AE_IFBLK, AE_IFIFO};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, PACK_TAR);
        pack_entry(&f->pack, "dev", types[i], 0666, NULL, NULL, 0);
        assert_refused(f, ERR_CODE, "\"dev\" is neither a file nor a folder nor a link");
        assert_int_equal(folder_count(f->folder.in), 0);
    }
}

static void control_characters_of_a_name_do_not_reach_the_text(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_file(&f->pack, "../a\n\033[2Jb", "x");
    assert_refused(f, ERR_CODE, "\"../a??[2Jb\"");
}

static void a_name_of_any_length_leaves_room_for_the_reason(void **state)
{
    struct fixture *f = *state;
    auto_free char *name = xcalloc(1, 4001);

    memset(name, 'x', 4000);
    name[0] = '/';
    pack_init(&f->pack, PACK_TAR);
    pack_file(&f->pack, name, "x");
    assert_refused(f, ERR_CODE, "would land outside the action's folder");
}

/* ---- bounds ---- */

static void pack_three_files(struct fixture *f)
{
    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "1234567890");
    pack_file(&f->pack, "b", "1234567890");
    pack_file(&f->pack, "c", "1234567890");
}

static void as_many_entries_as_allowed_are_unpacked(void **state)
{
    struct fixture *f = *state;

    f->limits.entries_max = 3;
    pack_three_files(f);
    assert_unpacks(f);
}

static void fewer_entries_than_allowed_are_unpacked(void **state)
{
    struct fixture *f = *state;

    f->limits.entries_max = 4;
    pack_three_files(f);
    assert_unpacks(f);
}

static void one_entry_too_many_is_refused(void **state)
{
    struct fixture *f = *state;

    f->limits.entries_max = 2;
    pack_three_files(f);
    assert_refused(f, ERR_LIMIT, "archive holds more than 2 entries (--unpack-entries-max)");
    assert_int_equal(folder_count(f->folder.in), 2);
}

static void as_many_bytes_as_allowed_are_unpacked(void **state)
{
    struct fixture *f = *state;

    f->limits.bytes_max = 30;
    pack_three_files(f);
    assert_unpacks(f);
}

static void fewer_bytes_than_allowed_are_unpacked(void **state)
{
    struct fixture *f = *state;

    f->limits.bytes_max = 31;
    pack_three_files(f);
    assert_unpacks(f);
}

static void one_byte_too_many_is_refused(void **state)
{
    struct fixture *f = *state;

    f->limits.bytes_max = 29;
    pack_three_files(f);
    assert_refused(f, ERR_LIMIT, "archive unpacks to more than 29 bytes (--unpack-max-bytes)");
}

static void a_bomb_is_refused_before_it_fills_the_disk(void **state)
{
    struct fixture *f = *state;

    f->limits.bytes_max = 1U << 20;
    pack_init(&f->pack, PACK_TARGZ);
    for (unsigned i = 0; i < 16; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", i);
        pack_zeros(&f->pack, name, 256U << 10);
    }
    assert_refused(f, ERR_LIMIT, "archive unpacks to more than 1048576 bytes");
    assert_int_equal(folder_count(f->folder.in), 4);
}

/* The size that the entry claims and the local header tells is 10 bytes; its data holds 5 MB. */
static void a_claim_of_a_small_size_does_not_pass_a_bound(void **state)
{
    struct fixture *f = *state;
    const unsigned claimed = 5U << 20;
    char *at;

    f->limits.bytes_max = 1U << 20;
    pack_init(&f->pack, PACK_ZIP);
    pack_zeros(&f->pack, "a", claimed);
    pack_finish(&f->pack);
    at = f->pack.bytes;
    while ((at = memmem(at, f->pack.n - (size_t)(at - f->pack.bytes), &claimed, 4)) != NULL) {
        memset(at, 0, 4);
        at[0] = 10;
    }
    assert_int_equal(unpack(f), -1);
    assert_true(folder_count(f->folder.in) <= 1);
}

static void a_ratio_is_not_looked_at_up_to_one_mebibyte(void **state)
{
    struct fixture *f = *state;

    f->limits.ratio_max = 2;
    pack_init(&f->pack, PACK_ZIP);
    pack_zeros(&f->pack, "a", 1U << 20);
    assert_unpacks(f);
}

static void a_ratio_above_the_bound_is_refused(void **state)
{
    struct fixture *f = *state;

    f->limits.ratio_max = 2;
    pack_init(&f->pack, PACK_ZIP);
    pack_zeros(&f->pack, "a", (1U << 20) + 1);
    assert_refused(f, ERR_LIMIT,
                   "archive unpacks to more than 2 times its size (--unpack-ratio-max)");
}

/* The packed size is n, so 2 MiB may come of it at a ratio of 2 MiB / n rounded up, not below. */
static void a_ratio_at_the_bound_is_unpacked(void **state)
{
    struct fixture *f = *state;
    unsigned bytes = 2U << 20;

    pack_init(&f->pack, PACK_ZIP);
    pack_zeros(&f->pack, "a", bytes);
    pack_finish(&f->pack);
    f->limits.ratio_max = (unsigned)((bytes + f->pack.n - 1) / f->pack.n);
    assert_unpacks(f);
    f->limits.ratio_max--;
    assert_int_equal(unpack(f), -1);
}

static void a_ratio_of_zero_allows_any(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_zeros(&f->pack, "a", 8U << 20);
    assert_unpacks(f);
}

static void bounds_at_the_end_of_their_types_do_not_overflow(void **state)
{
    struct fixture *f = *state;

    f->limits = (struct unpack_limits){
        .bytes_max = UINT64_MAX, .entries_max = UINT64_MAX, .ratio_max = UINT32_MAX};
    pack_init(&f->pack, PACK_ZIP);
    pack_zeros(&f->pack, "a", 2U << 20);
    assert_unpacks(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_that_lead_outside_are_refused),
        TEST(links_that_lead_outside_are_refused),
        TEST(a_name_that_turns_back_inside_is_unpacked),
        TEST(a_link_to_nothing_outside_is_left_out_and_told),
        TEST(a_file_behind_a_link_that_is_left_out_is_refused),
        TEST(a_name_that_begins_like_a_link_that_is_left_out_is_unpacked),
        TEST(a_link_that_is_left_out_is_told_in_one_printable_line),
        TEST(a_file_through_a_link_is_refused),
        TEST(a_file_replaces_a_link_to_a_program_and_spares_the_program),
        TEST(a_hard_link_to_a_link_to_a_program_is_refused),
        TEST(a_hard_link_to_the_outside_is_refused),
        TEST(devices_pipes_and_sockets_are_refused),
        TEST(control_characters_of_a_name_do_not_reach_the_text),
        TEST(a_name_of_any_length_leaves_room_for_the_reason),
        TEST(as_many_entries_as_allowed_are_unpacked),
        TEST(fewer_entries_than_allowed_are_unpacked),
        TEST(one_entry_too_many_is_refused),
        TEST(as_many_bytes_as_allowed_are_unpacked),
        TEST(fewer_bytes_than_allowed_are_unpacked),
        TEST(one_byte_too_many_is_refused),
        TEST(a_bomb_is_refused_before_it_fills_the_disk),
        TEST(a_claim_of_a_small_size_does_not_pass_a_bound),
        TEST(a_ratio_is_not_looked_at_up_to_one_mebibyte),
        TEST(a_ratio_above_the_bound_is_refused),
        TEST(a_ratio_at_the_bound_is_unpacked),
        TEST(a_ratio_of_zero_allows_any),
        TEST(bounds_at_the_end_of_their_types_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
