/* What lands on disk from sound archives and single files, and what is said of damaged ones. */

#include <locale.h>

#include "unpack_fixture.h"

/* ---- what must work ---- */

static void a_zip_a_tar_and_a_targz_give_the_same_files(void **state)
{
    static const enum pack_format formats[] = {PACK_ZIP, PACK_ZIP_STORED, PACK_TAR, PACK_TARGZ};

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct fixture *f = afresh(state);

        pack_init(&f->pack, formats[i]);
        pack_entry(&f->pack, "exec", AE_IFREG, 0755, NULL, "#!/bin/sh\n", 10);
        pack_folder(&f->pack, "lib", 0755);
        pack_file(&f->pack, "lib/a.txt", "text");
        pack_link(&f->pack, "lib/b.txt", "a.txt");
        assert_unpacks(f);
        assert_string_equal(folder_read(f->folder.in, "exec"), "#!/bin/sh\n");
        assert_int_equal(folder_mode(f->folder.in, "exec"), S_IFREG | 0755);
        assert_int_equal(folder_mode(f->folder.in, "lib/a.txt"), S_IFREG | 0644);
        assert_int_equal(folder_mode(f->folder.in, "lib"), S_IFDIR | 0755);
        assert_string_equal(folder_read(f->folder.in, "lib/b.txt"), "text");
    }
}

static void folders_without_an_entry_of_their_own_are_made(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a/b/c.txt", "deep");
    assert_unpacks(f);
    assert_string_equal(folder_read(f->folder.in, "a/b/c.txt"), "deep");
}

static void an_entry_for_the_root_folder_is_harmless(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_folder(&f->pack, "./", 0755);
    pack_file(&f->pack, "./a", "text");
    assert_unpacks(f);
    assert_string_equal(folder_read(f->folder.in, "a"), "text");
}

static void setuid_and_sticky_bits_are_dropped(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_entry(&f->pack, "a", AE_IFREG, 07755, NULL, "x", 1);
    pack_folder(&f->pack, "d", 07755);
    assert_unpacks(f);
    assert_int_equal(folder_mode(f->folder.in, "a") & 07777, 0755);
    assert_int_equal(folder_mode(f->folder.in, "d") & 07777, 0755);
}

static void modes_that_lock_the_owner_out_are_opened(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_folder(&f->pack, "d", 0);
    pack_entry(&f->pack, "d/a", AE_IFREG, 0, NULL, "x", 1);
    assert_unpacks(f);
    assert_int_equal(folder_mode(f->folder.in, "d") & 07777, 0700);
    assert_int_equal(folder_mode(f->folder.in, "d/a") & 07777, 0600);
}

static void names_beyond_ascii_survive_the_c_locale(void **state)
{
    struct fixture *f = *state;

    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack,
              "gr\xc3\xbc\xc3\x9f"
              "e.txt",
              "hallo");
    pack_finish(&f->pack);
    assert_non_null(setlocale(LC_CTYPE, "C"));
    assert_unpacks(f);
    assert_string_equal(folder_read(f->folder.in, "gr\xc3\xbc\xc3\x9f"
                                                  "e.txt"),
                        "hallo");
}

static void a_hard_link_to_an_unpacked_file_is_made(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_file(&f->pack, "a", "text");
    pack_hard_link(&f->pack, "d/b", "a");
    assert_unpacks(f);
    assert_string_equal(folder_read(f->folder.in, "d/b"), "text");
}

static void links_that_stay_inside_are_made(void **state)
{
    static const struct {
        const char *name;
        const char *target;
    } links[] = {{"l", "a"},      {"d/l", "../a"}, {"d/e/l", "../../a"}, {"d/e/m", ".././../a"},
                 {"d/self", "."}, {"d/up", ".."},  {"m", "d/e/l"},       {"./d/./n", "..//a"}};
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TAR);
    pack_file(&f->pack, "a", "text");
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        pack_link(&f->pack, links[i].name, links[i].target);
    assert_unpacks(f);
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        assert_true(S_ISLNK(folder_mode(f->folder.in, links[i].name)));
    assert_string_equal(folder_read(f->folder.in, "m"), "text");
}

static void a_link_to_a_program_of_the_system_is_made(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_link(&f->pack, "venv/bin/python3", "/bin/sh");
    pack_link(&f->pack, "venv/bin/python", "python3");
    assert_unpacks(f);
    assert_true(S_ISLNK(folder_mode(f->folder.in, "venv/bin/python3")));
}

/* ---- damage ---- */

/* One file "f" with the content "secret", packed by Info-ZIP's zip with the password "pw". */
static const unsigned char encrypted_zip[] = {
    0x50, 0x4b, 0x03, 0x04, 0x0a, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x50, 0xe5,
    0xe8, 0xa2, 0x5c, 0x12, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x66, 0x70, 0x28, 0xab, 0x50, 0xbb, 0x0e, 0x38, 0xbf, 0xb2, 0x5e, 0x05, 0xdd, 0xeb, 0x2a,
    0xfb, 0xac, 0x4d, 0x0f, 0x50, 0x4b, 0x07, 0x08, 0xe5, 0xe8, 0xa2, 0x5c, 0x12, 0x00, 0x00,
    0x00, 0x06, 0x00, 0x00, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x1e, 0x03, 0x0a, 0x00, 0x09, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x21, 0x50, 0xe5, 0xe8, 0xa2, 0x5c, 0x12, 0x00, 0x00, 0x00, 0x06,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0xa4, 0x81, 0x00, 0x00, 0x00, 0x00, 0x66, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x01, 0x00, 0x2f, 0x00, 0x00, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00};

static void an_encrypted_zip_is_refused_and_says_so(void **state)
{
    struct fixture *f = *state;

    f->pack.bytes = xcalloc(1, sizeof(encrypted_zip));
    memcpy(f->pack.bytes, encrypted_zip, sizeof(encrypted_zip));
    f->pack.n = sizeof(encrypted_zip);
    assert_refused(f, ERR_CODE, "\"f\" is encrypted; pack it without a password");
}

static void a_truncated_zip_is_refused(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "text");
    pack_finish(&f->pack);
    f->pack.n -= 30;
    assert_refused(f, ERR_CODE, "cannot read archive: ");
}

static void a_truncated_targz_is_refused(void **state)
{
    struct fixture *f = *state;

    pack_init(&f->pack, PACK_TARGZ);
    pack_zeros(&f->pack, "a", 100000);
    pack_finish(&f->pack);
    f->pack.n -= 30;
    assert_refused(f, ERR_CODE, "cannot read archive entry \"a\"");
}

static void a_corrupt_central_directory_is_refused(void **state)
{
    struct fixture *f = *state;
    char *head;

    pack_init(&f->pack, PACK_ZIP);
    pack_file(&f->pack, "a", "text");
    pack_finish(&f->pack);
    head = memmem(f->pack.bytes, f->pack.n, "PK\1\2", 4);
    assert_non_null(head);
    memset(head, 0xff, 40);
    assert_refused(f, ERR_CODE, "cannot read archive: ");
}

static void a_wrong_checksum_is_refused(void **state)
{
    struct fixture *f = *state;
    char *content;

    pack_init(&f->pack, PACK_ZIP_STORED);
    pack_file(&f->pack, "a", "marked text");
    pack_finish(&f->pack);
    content = memmem(f->pack.bytes, f->pack.n, "marked", 6);
    assert_non_null(content);
    content[0] = 'M';
    assert_refused(f, ERR_CODE, "cannot read archive entry \"a\"");
}

static void what_is_no_archive_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "def main(args):\n    return args\n",
                                        "\177ELF\2\1\1",
                                        "PK\3\4",
                                        "#mtree\na type=file\n",
                                        "070707"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct fixture *f = afresh(state);

        f->pack.bytes = xstrdup(texts[i]);
        f->pack.n = strlen(texts[i]);
        assert_refused(f, ERR_CODE, "cannot read archive: ");
    }
}

/* "hello\n" through gzip. */
static const unsigned char gzipped_text[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                             0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 0x02, 0x00,
                                             0x20, 0x30, 0x3a, 0x36, 0x06, 0x00, 0x00, 0x00};

static void gzip_that_holds_no_tar_is_refused(void **state)
{
    struct fixture *f = *state;

    f->pack.bytes = xcalloc(1, sizeof(gzipped_text));
    memcpy(f->pack.bytes, gzipped_text, sizeof(gzipped_text));
    f->pack.n = sizeof(gzipped_text);
    assert_refused(f, ERR_CODE, "cannot read archive: ");
}

static void a_tar_without_any_entry_is_refused(void **state)
{
    struct fixture *f = *state;

    f->pack.bytes = xcalloc(1, 10240);
    f->pack.n = 10240;
    assert_refused(f, ERR_CODE, "it holds no entry at all");
}

/* ---- single files ---- */

static void a_file_is_written_with_mode_0755(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(unpack_file(f->folder.in, "exec", "#!/bin/sh\n", 10, &f->err), 0);
    assert_string_equal(folder_read(f->folder.in, "exec"), "#!/bin/sh\n");
    assert_int_equal(folder_mode(f->folder.in, "exec"), S_IFREG | 0755);
}

static void a_file_of_no_bytes_is_written(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(unpack_file(f->folder.in, "exec", "", 0, &f->err), 0);
    assert_string_equal(folder_read(f->folder.in, "exec"), "");
}

static void a_file_does_not_overwrite_another(void **state)
{
    struct fixture *f = *state;

    folder_write(f->folder.in, "exec", "old", 0644);
    assert_int_equal(unpack_file(f->folder.in, "exec", "new", 3, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_string_equal(folder_read(f->folder.in, "exec"), "old");
}

static void a_missing_folder_is_an_error_of_the_system(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(unpack_file("/no/such/folder", "exec", "x", 1, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_int_equal(unpack_archive("/no/such/folder", "x", 1, &f->limits, NULL, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_non_null(strstr(f->err.text, "/no/such/folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_zip_a_tar_and_a_targz_give_the_same_files),
        TEST(folders_without_an_entry_of_their_own_are_made),
        TEST(an_entry_for_the_root_folder_is_harmless),
        TEST(setuid_and_sticky_bits_are_dropped),
        TEST(modes_that_lock_the_owner_out_are_opened),
        TEST(names_beyond_ascii_survive_the_c_locale),
        TEST(a_hard_link_to_an_unpacked_file_is_made),
        TEST(links_that_stay_inside_are_made),
        TEST(a_link_to_a_program_of_the_system_is_made),
        TEST(an_encrypted_zip_is_refused_and_says_so),
        TEST(a_truncated_zip_is_refused),
        TEST(a_truncated_targz_is_refused),
        TEST(a_corrupt_central_directory_is_refused),
        TEST(a_wrong_checksum_is_refused),
        TEST(what_is_no_archive_is_refused),
        TEST(gzip_that_holds_no_tar_is_refused),
        TEST(a_tar_without_any_entry_is_refused),
        TEST(a_file_is_written_with_mode_0755),
        TEST(a_file_of_no_bytes_is_written),
        TEST(a_file_does_not_overwrite_another),
        TEST(a_missing_folder_is_an_error_of_the_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
