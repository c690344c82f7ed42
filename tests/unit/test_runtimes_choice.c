/* Which runtime an action is for: by the first bytes of its code, or by the files in its folder. */

#include "runtimes_fixture.h"

/* ---- choosing by kind ---- */

static void executables_go_to_native_whatever_the_fallback_is(void **state)
{
    static const enum code_kind kinds[] = {CODE_ELF, CODE_SCRIPT};
    struct fixture *f = *state;

    load_three(f);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_ptr_equal(runtimes_for_kind(&f->runtimes, known(f, "python"), kinds[i]),
                         known(f, "native"));
    }
}

static void source_goes_to_the_fallback(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    assert_ptr_equal(runtimes_for_kind(&f->runtimes, known(f, "python"), CODE_SOURCE),
                     known(f, "python"));
}

static void source_for_a_runtime_that_takes_none_is_taken_by_nobody(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    assert_null(runtimes_for_kind(&f->runtimes, known(f, "nodejs"), CODE_SOURCE));
    assert_null(runtimes_for_kind(&f->runtimes, NULL, CODE_SOURCE));
}

static void the_ending_of_a_files_name_tells_whose_source_it_is(void **state)
{
    static const char *const files[] = {"hello.py", "/a.b/x.py", "hello", "/a.b/x", ".py"};
    struct fixture *f = *state;
    struct err err;

    load_three(f);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const char *taker = i < 2 ? "python" : "native"; /* else it is the fallback's */

        assert_ptr_equal(runtimes_for_source(&f->runtimes, known(f, "native"), files[i], &err),
                         known(f, taker));
        assert_ptr_equal(runtimes_for_source(&f->runtimes, known(f, "python"), files[i], &err),
                         known(f, "python"));
    }
    assert_null(runtimes_for_source(&f->runtimes, known(f, "python"), "a.py.txt", &err));
    assert_string_equal(err.text, "no runtime takes source files that end in .txt; known are .py, "
                                  "programs, scripts with #! and archives");
    assert_null(runtimes_for_source(&f->runtimes, known(f, "python"), "a.zip", &err));
    assert_string_equal(err.text, "the name ends in .zip, but this is no archive");
}

static void a_fallback_that_compiles_everything_takes_source_of_any_ending(void **state)
{
    struct fixture *f = *state;
    struct runtime compiles = {.builds_all = true};
    struct err err;

    load_three(f);
    assert_ptr_equal(runtimes_for_source(&f->runtimes, &compiles, "hello.py", &err), &compiles);
}

static void archives_are_not_stored_as_a_single_file(void **state)
{
    static const enum code_kind kinds[] = {CODE_ZIP, CODE_TAR, CODE_TARGZ};
    struct fixture *f = *state;

    load_three(f);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        assert_null(runtimes_for_kind(&f->runtimes, known(f, "python"), kinds[i]));
}

/* ---- choosing by folder ---- */

static const struct runtime *choose(struct fixture *f, const char *fallback)
{
    return runtimes_for_folder(&f->runtimes, fallback != NULL ? known(f, fallback) : NULL,
                               f->folder.in, &f->err);
}

static void an_executable_exec_is_native_before_all_others(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    folder_write(f->folder.in, "exec", "anything", 0755);
    folder_write(f->folder.in, "__main__.py", "", 0644);
    assert_ptr_equal(choose(f, "python"), known(f, "native"));
}

static void an_exec_that_is_no_program_is_not_native(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    folder_write(f->folder.in, "exec", "anything", 0644);
    folder_write(f->folder.in, "__main__.py", "", 0644);
    assert_ptr_equal(choose(f, "python"), known(f, "python"));
    assert_int_equal(folder_mode(f->folder.in, "exec") & 07777, 0644);
}

static void a_script_without_modes_is_made_executable(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    folder_write(f->folder.in, "exec", "#!/bin/sh\n", 0644);
    assert_ptr_equal(choose(f, "python"), known(f, "native"));
    assert_int_equal(folder_mode(f->folder.in, "exec") & 07777, 0755);
}

static void an_elf_file_without_modes_is_made_executable(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/exec", f->folder.in);

    load_three(f);
    folder_write(f->folder.in, "exec", ELF_HEAD, 0644);
    assert_int_equal(truncate(path, 4096), 0);
    assert_ptr_equal(choose(f, "python"), known(f, "native"));
    assert_int_equal(folder_mode(f->folder.in, "exec") & 07777, 0755);
}

static void a_program_that_only_its_owner_may_run_is_opened_to_all(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    folder_write(f->folder.in, "exec", "#!/bin/sh\n", 0700);
    assert_ptr_equal(choose(f, "python"), known(f, "native"));
    assert_int_equal(folder_mode(f->folder.in, "exec") & 07777, 0755);
}

static void no_mode_is_changed_through_a_link(void **state)
{
    struct fixture *f = *state;
    auto_free char *link = xasprintf("%s/exec", f->folder.in);

    load_three(f);
    folder_write(f->folder.outer, "program", "#!/bin/sh\n", 04711);
    assert_int_equal(symlink("../program", link), 0);
    assert_ptr_equal(choose(f, "python"), known(f, "native"));
    assert_int_equal(folder_mode(f->folder.outer, "program") & 07777, 04711);
}

static void a_link_to_what_is_no_program_is_not_native(void **state)
{
    struct fixture *f = *state;
    auto_free char *link = xasprintf("%s/exec", f->folder.in);

    load_three(f);
    folder_write(f->folder.outer, "script", "#!/bin/sh\n", 0600);
    assert_int_equal(symlink("../script", link), 0);
    assert_null(choose(f, "python"));
    assert_int_equal(folder_mode(f->folder.outer, "script") & 07777, 0600);
}

static void a_folder_of_that_name_is_no_entry(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/exec", f->folder.in);

    load_three(f);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_null(choose(f, "python"));
}

static void the_fallback_comes_before_the_others(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    folder_write(f->folder.in, "__main__.py", "", 0644);
    folder_write(f->folder.in, "index.js", "", 0644);
    assert_ptr_equal(choose(f, "python"), known(f, "python"));
    assert_ptr_equal(choose(f, "nodejs"), known(f, "nodejs"));
}

static void the_others_are_tried_when_the_fallback_does_not_fit(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    folder_write(f->folder.in, "index.js", "", 0644);
    assert_ptr_equal(choose(f, "python"), known(f, "nodejs"));
    assert_ptr_equal(choose(f, NULL), known(f, "nodejs"));
}

#define BY_ENDING "{\"name\":\"dotnet\",\"entry\":[\"Main.cs\",\"*.deps.json\"],\"launch\":[\"x\"]}"

static void an_entry_with_a_star_is_any_file_that_ends_so(void **state)
{
    static const struct {
        const char *name;
        bool marks;
    } cases[] = {
        {"Hello.deps.json", true},    {".deps.json", true},       {"deps.json", false},
        {"x.deps.jso", false},        {"x.deps.json.old", false}, {"*.deps.jsonx", false},
        {"._Hello.deps.json", false}, /* macOS puts it beside Hello.deps.json */
    };
    struct fixture *f = *state;

    add(f, "dotnet", BY_ENDING);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_free char *path = xasprintf("%s/%s", f->folder.in, cases[i].name);

        folder_write(f->folder.in, cases[i].name, "", 0644);
        if ((choose(f, NULL) != NULL) != cases[i].marks)
            fail_msg("%s", cases[i].name);
        assert_int_equal(unlink(path), 0);
    }
    assert_null(choose(f, "dotnet"));
    assert_string_equal(f->err.text, "Zip file does not include Main.cs or *.deps.json (dotnet)");
}

static void a_folder_that_ends_so_is_no_entry(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/x.deps.json", f->folder.in);

    add(f, "dotnet", BY_ENDING);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_null(choose(f, "dotnet"));
}

static void a_folder_for_nobody_is_told_what_was_looked_for(void **state)
{
    struct fixture *f = *state;

    add(f, "python", PYTHON);
    add(f, "native", NATIVE);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_null(choose(f, "python"));
    assert_int_equal(f->err.kind, ERR_CODE);
    assert_string_equal(f->err.text, "Zip file does not include __main__.py (python) or an "
                                     "executable exec (native)");
}

static void all_entries_of_all_runtimes_are_told(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    assert_null(choose(f, "python"));
    assert_string_equal(f->err.text,
                        "Zip file does not include __main__.py (python), package.json or index.js "
                        "(nodejs) or an executable exec (native)");
}

static void native_alone_is_told_alone(void **state)
{
    struct fixture *f = *state;

    add(f, "native", NATIVE);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_null(choose(f, "native"));
    assert_string_equal(f->err.text, "Zip file does not include an executable exec (native)");
}

static void a_fallback_that_takes_programs_takes_them_instead_of_native(void **state)
{
    static const enum code_kind kinds[] = {CODE_ELF, CODE_SCRIPT, CODE_SOURCE};
    struct fixture *f = *state;

    add(f, "native", NATIVE);
    add(f, "oneshot", ONESHOT);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        assert_ptr_equal(runtimes_for_kind(&f->runtimes, known(f, "oneshot"), kinds[i]),
                         known(f, "oneshot"));
    folder_write(f->folder.in, "exec", "#!/bin/sh\n", 0755);
    assert_ptr_equal(choose(f, "oneshot"), known(f, "oneshot"));
    assert_ptr_equal(choose(f, "native"), known(f, "native"));
}

static void native_is_found_even_as_a_fallback_that_takes_programs(void **state)
{
    struct fixture *f = *state;

    add(f, "native",
        "{\"name\":\"native\",\"entry\":[\"exec\"],\"launch\":[\"{action}/exec\"],\"programs\":true}");
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    folder_write(f->folder.in, "exec", "#!/bin/sh\n", 0755);
    assert_ptr_equal(choose(f, "native"), known(f, "native"));
}

static void a_runtime_that_wants_to_be_named_is_never_guessed(void **state)
{
    struct fixture *f = *state;

    add(f, "native", NATIVE);
    add(f, "oneshot", ONESHOT);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    folder_write(f->folder.in, "exec", "no program", 0644);
    assert_null(choose(f, "native"));
    assert_string_equal(f->err.text, "Zip file does not include an executable exec (native); "
                                     "\"exec\" is neither a program for this system nor a script "
                                     "that begins with \"#!\"");
    assert_null(choose(f, NULL));
    assert_ptr_equal(choose(f, "oneshot"), known(f, "oneshot"));
}

static void an_entry_one_folder_deeper_is_told_with_the_folder(void **state)
{
    struct fixture *f = *state;
    auto_free char *inner = xasprintf("%s/app", f->folder.in);
    auto_free char *mac = xasprintf("%s/__MACOSX", f->folder.in);

    add(f, "python", PYTHON);
    add(f, "native", NATIVE);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(mkdir(mac, 0755), 0);
    folder_write(f->folder.in, ".DS_Store", "", 0644);
    assert_null(choose(f, "python"));
    assert_null(strstr(f->err.text, "app"));
    folder_write(inner, "__main__.py", "", 0644);
    assert_null(choose(f, "python"));
    assert_non_null(strstr(f->err.text, "; it is in the folder \"app\": publish what is in that "
                                        "folder"));
    folder_write(f->folder.in, "README", "", 0644);
    assert_null(choose(f, "python"));
    assert_null(strstr(f->err.text, "app"));
}

static void an_entry_some_folders_deeper_is_told_with_their_path(void **state)
{
    struct fixture *f = *state;
    auto_free char *home = xasprintf("%s/home", f->folder.in);
    auto_free char *inner = xasprintf("%s/app", home);

    add(f, "python", PYTHON);
    add(f, "native", NATIVE);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_int_equal(mkdir(home, 0755), 0);
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_null(choose(f, "python"));
    assert_null(strstr(f->err.text, "home"));
    folder_write(inner, "__main__.py", "", 0644);
    assert_null(choose(f, "python"));
    assert_non_null(strstr(f->err.text, "; it is in the folder \"home/app\": publish what is in "
                                        "that folder"));
    folder_write(home, "README", "", 0644);
    assert_null(choose(f, "python"));
    assert_null(strstr(f->err.text, "home"));
}

static void an_archive_without_an_entry_is_told_the_fallbacks_words_first(void **state)
{
    struct fixture *f = *state;

    add(f, "oneshot", ONESHOT);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_null(choose(f, "oneshot"));
    assert_string_equal(f->err.text, "No exec. Zip file does not include exec (oneshot)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(executables_go_to_native_whatever_the_fallback_is),
        TEST(source_goes_to_the_fallback),
        TEST(source_for_a_runtime_that_takes_none_is_taken_by_nobody),
        TEST(the_ending_of_a_files_name_tells_whose_source_it_is),
        TEST(a_fallback_that_compiles_everything_takes_source_of_any_ending),
        TEST(archives_are_not_stored_as_a_single_file),
        TEST(an_executable_exec_is_native_before_all_others),
        TEST(an_exec_that_is_no_program_is_not_native),
        TEST(a_script_without_modes_is_made_executable),
        TEST(an_elf_file_without_modes_is_made_executable),
        TEST(a_program_that_only_its_owner_may_run_is_opened_to_all),
        TEST(no_mode_is_changed_through_a_link),
        TEST(a_link_to_what_is_no_program_is_not_native),
        TEST(a_folder_of_that_name_is_no_entry),
        TEST(the_fallback_comes_before_the_others),
        TEST(the_others_are_tried_when_the_fallback_does_not_fit),
        TEST(an_entry_with_a_star_is_any_file_that_ends_so),
        TEST(a_folder_that_ends_so_is_no_entry),
        TEST(a_folder_for_nobody_is_told_what_was_looked_for),
        TEST(all_entries_of_all_runtimes_are_told),
        TEST(native_alone_is_told_alone),
        TEST(a_fallback_that_takes_programs_takes_them_instead_of_native),
        TEST(native_is_found_even_as_a_fallback_that_takes_programs),
        TEST(a_runtime_that_wants_to_be_named_is_never_guessed),
        TEST(an_entry_one_folder_deeper_is_told_with_the_folder),
        TEST(an_entry_some_folders_deeper_is_told_with_their_path),
        TEST(an_archive_without_an_entry_is_told_the_fallbacks_words_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
