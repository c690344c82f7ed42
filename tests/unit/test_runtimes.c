/* Manifests: what is read, what is refused, and the launch that comes of one. */

#include "runtimes_fixture.h"

/* ---- manifests ---- */

static void manifests_are_read_in_the_order_of_their_names(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    assert_int_equal(f->runtimes.n, 3);
    assert_string_equal(f->runtimes.items[0].name, "native");
    assert_string_equal(f->runtimes.items[1].name, "nodejs");
    assert_string_equal(f->runtimes.items[2].name, "python");
}

static void every_field_of_a_manifest_arrives(void **state)
{
    struct fixture *f = *state;
    const struct runtime *runtime;

    load_three(f);
    runtime = known(f, "python");
    assert_string_equal(strrchr(runtime->dir, '/'), "/python");
    assert_int_equal(runtime->dir[0], '/');
    assert_string_equal(runtime->entry[0], "__main__.py");
    assert_null(runtime->entry[1]);
    assert_string_equal(runtime->source, "__main__.py");
    assert_string_equal(runtime->launch[0], "python3");
    assert_string_equal(runtime->launch[3], "{main}");
    assert_string_equal(runtime->shortfall, "python3");
    assert_int_equal(runtime->answers, ANSWERS_STDOUT);
    assert_true(runtime->reports_ready);
    assert_true(runtime->logs_init_error);
    assert_false(runtime->entry_executable);
}

static void an_environment_in_place_has_any_values(void **state)
{
    struct fixture *f = *state;
    const struct runtime *runtime;

    add(f, "x",
        "{\"name\":\"x\",\"entry\":[\"x\"],\"launch\":[\"x\"],"
        "\"in_place_env\":[\"A=\",\"B=c=d\"]}");
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    runtime = known(f, "x");
    assert_string_equal(runtime->in_place_env[0], "A=");
    assert_string_equal(runtime->in_place_env[1], "B=c=d");
    assert_null(runtime->in_place_env[2]);
}

static void fields_that_are_left_out_have_their_defaults(void **state)
{
    struct fixture *f = *state;
    const struct runtime *runtime;

    add(f, "x", "{\"name\":\"x\",\"entry\":[\"x\"],\"launch\":[\"x\"]}");
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    runtime = known(f, "x");
    assert_null(runtime->source);
    assert_null(runtime->shortfall);
    assert_int_equal(runtime->answers, ANSWERS_AUTO);
    assert_false(runtime->reports_ready);
    assert_false(runtime->logs_init_error);
    assert_false(runtime->entry_executable);
}

static void a_folder_without_a_manifest_is_passed_over(void **state)
{
    struct fixture *f = *state;

    folder_write(f->folder.outer, "README.md", "text", 0644);
    add(f, "native", NATIVE);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_int_equal(f->runtimes.n, 1);
}

static void a_missing_folder_of_runtimes_is_an_error_of_the_system(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(runtimes_load(&f->runtimes, "/no/such/folder", &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_non_null(strstr(f->err.text, "/no/such/folder"));
    assert_int_equal(f->runtimes.n, 0);
}

#define REST "\"entry\":[\"e\"],\"launch\":[\"l\"]"

static void wrong_manifests_are_refused_with_file_and_field(void **state)
{
    static const struct {
        const char *manifest;
        const char *words;
    } cases[] = {
        {"", "runtime.json:1:"},
        {"[]", "want a JSON object"},
        {"{\"name\":\"x\"," REST "} x", "runtime.json:1:"},
        {"{\"name\":\"x\",\"name\":\"y\"," REST "}", "duplicate"},
        {"{" REST "}", "field \"name\" is missing"},
        {"{\"name\":\"x\",\"launch\":[\"l\"]}", "field \"entry\" is missing"},
        {"{\"name\":\"x\",\"entry\":[\"e\"]}", "field \"launch\" is missing"},
        {"{\"name\":\"x\"," REST ",\"laucnh\":[]}", "field \"laucnh\" is unknown"},
        {"{\"name\":\"\"," REST "}", "field \"name\": want a bare name"},
        {"{\"name\":\"a/b\"," REST "}", "field \"name\": want a bare name"},
        {"{\"name\":7," REST "}", "field \"name\": want a bare name"},
        {"{\"name\":\"x\",\"entry\":\"e\",\"launch\":[\"l\"]}", "field \"entry\": want a list"},
        {"{\"name\":\"x\",\"entry\":[],\"launch\":[\"l\"]}", "field \"entry\": want a list"},
        {"{\"name\":\"x\",\"entry\":[1],\"launch\":[\"l\"]}", "field \"entry\": want a list"},
        {"{\"name\":\"x\",\"entry\":[\"..\"],\"launch\":[\"l\"]}", "field \"entry\": want a list"},
        {"{\"name\":\"x\",\"entry\":[\"a\",\"../b\"],\"launch\":[\"l\"]}", "field \"entry\""},
        {"{\"name\":\"x\",\"entry\":[\"e\"],\"launch\":[]}", "field \"launch\": want a list"},
        {"{\"name\":\"x\",\"entry\":[\"e\"],\"launch\":[\"\"]}", "field \"launch\": want a list"},
        {"{\"name\":\"x\",\"entry\":[\"e\"],\"launch\":[\"a\",null]}", "field \"launch\""},
        {"{\"name\":\"x\",\"entry\":[\"e\"],\"launch\":[\"a{b{acton}\"]}",
         "{runtime} {libexec} {action} {main} {entry}"},
        {"{\"name\":\"x\"," REST ",\"in_place_env\":\"A=b\"}",
         "field \"in_place_env\": want a list"},
        {"{\"name\":\"x\"," REST ",\"in_place_env\":[\"NAME\"]}",
         "field \"in_place_env\": want a list of one or more texts NAME=value"},
        {"{\"name\":\"x\"," REST ",\"in_place_env\":[\"A=\",\"\"]}", "texts NAME=value"},
        {"{\"name\":\"x\"," REST ",\"in_place_env\":[\"=value\"]}", "texts NAME=value"},
        {"{\"name\":\"x\"," REST ",\"source\":\"a/b\"}", "field \"source\": want a bare name"},
        {"{\"name\":\"x\"," REST ",\"answers\":\"fd4\"}", "field \"answers\": want \"stdout\""},
        {"{\"name\":\"x\"," REST ",\"answers\":3}", "field \"answers\": want \"stdout\""},
        {"{\"name\":\"x\"," REST ",\"ready\":1}", "field \"ready\": want true or false"},
        {"{\"name\":\"x\"," REST ",\"log_init_error\":\"\"}", "field \"log_init_error\""},
        {"{\"name\":\"x\"," REST ",\"forks\":1}", "field \"forks\": want true or false"},
        {"{\"name\":\"x\"," REST ",\"forks\":true}", "field \"forks\": want \"prelaunch\" too"},
        {"{\"name\":\"x\"," REST ",\"entry_executable\":null}", "field \"entry_executable\""},
        {"{\"name\":\"x\"," REST ",\"needs\":[]}", "field \"needs\": want a text"},
        {"{\"name\":\"x\"," REST ",\"stub\":\"../stub\"}", "field \"stub\": want a bare name"},
        {"{\"name\":\"x\"," REST ",\"no_entry\":1}", "field \"no_entry\": want a text"},
        {"{\"name\":\"x\"," REST ",\"programs\":1}", "field \"programs\": want true or false"},
        {"{\"name\":\"x\"," REST ",\"only_named\":\"no\"}", "field \"only_named\""},
        {"{\"name\":\"x\"," REST ",\"wants_object\":[]}", "field \"wants_object\""},
        {"{\"name\":\"x\"," REST ",\"script\":[\"a\",\"b\"]}", "field \"script\": want three"},
        {"{\"name\":\"x\"," REST ",\"script\":[\"a\",\"b\",\"(\"]}",
         "field \"script\": want three"},
        {"{\"name\":\"x\"," REST ",\"script\":[\"a\",\"b\",\"c{9}\"]}",
         "at most 16 + and no {n,m}"},
        {"{\"name\":\"x\"," REST ",\"script\":[\"a\",\"b\",\"c++++++++++++++++++++++++++++++\"]}",
         "at most 16 + and no {n,m}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = *state;

        add(f, "bad", cases[i].manifest);
        if (runtimes_load(&f->runtimes, f->folder.outer, &f->err) == 0)
            fail_msg("accepted: %s", cases[i].manifest);
        assert_int_equal(f->err.kind, ERR_REQUEST);
        if (strstr(f->err.text, cases[i].words) == NULL)
            fail_msg("\"%s\" lacks \"%s\"", f->err.text, cases[i].words);
        assert_non_null(strstr(f->err.text, "/bad/runtime.json"));
        assert_null(f->runtimes.items);
    }
}

static void two_manifests_of_one_name_are_refused(void **state)
{
    struct fixture *f = *state;

    add(f, "a", NATIVE);
    add(f, "b", NATIVE);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), -1);
    assert_non_null(strstr(f->err.text, "/b/runtime.json: field \"name\": \"native\" is taken by"));
}

static void write_manifest_of(struct fixture *f, size_t n)
{
    auto_free char *text = xcalloc(1, n + 1);

    memset(text, ' ', n);
    memcpy(text, NATIVE, sizeof(NATIVE) - 1);
    add(f, "native", text);
}

static void a_manifest_of_64_kibibytes_is_read(void **state)
{
    struct fixture *f = *state;

    write_manifest_of(f, 65536);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
}

static void a_manifest_one_byte_longer_is_refused(void **state)
{
    struct fixture *f = *state;

    write_manifest_of(f, 65537);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), -1);
    assert_non_null(strstr(f->err.text, "at most 65536 bytes"));
}

static void the_manifests_of_this_tree_are_right(void **state)
{
    const char *root = getenv("TEST_SOURCE_ROOT");
    struct fixture *f = *state;
    auto_free char *dir = xasprintf("%s/runtime", root != NULL ? root : "");

    if (root == NULL)
        skip(); /* started by hand, without meson's environment */
    if (runtimes_load(&f->runtimes, dir, &f->err) < 0)
        fail_msg("%s", f->err.text);
    assert_true(known(f, "native")->entry_executable);
    assert_int_equal(known(f, "native")->answers, ANSWERS_AUTO);
    assert_true(known(f, "python")->reports_ready);
    assert_int_equal(known(f, "python")->answers, ANSWERS_STDOUT);
}

/* ---- launching ---- */

static void spec(struct fixture *f, const char *name, const char *main, char *const *base_env,
                 char *const *init_env)
{
    runtime_exec_spec(known(f, name), f->folder.in, main, base_env, init_env, &f->spec);
}

static bool has(const struct fixture *f, const char *variable)
{
    for (char **item = f->spec.env; *item != NULL; item++) {
        if (strcmp(*item, variable) == 0)
            return true;
    }
    return false;
}

static char base_path[] = "PATH=/opt/bin";
static char base_api[] = "__OW_API_HOST=https://a";
static char base_own[] = "WHISKLOOP_PORT=1";
static char *const base_env[] = {base_path, base_api, base_own, NULL};

static void placeholders_are_replaced_inside_arguments(void **state)
{
    struct fixture *f = *state;
    auto_free char *launcher = NULL;

    load_three(f);
    spec(f, "python", "main", base_env, NULL);
    launcher = xasprintf("%s/launcher.py", known(f, "python")->dir);
    assert_string_equal(f->spec.argv[0], "python3");
    assert_string_equal(f->spec.argv[1], launcher);
    assert_string_equal(f->spec.argv[2], f->folder.in);
    assert_string_equal(f->spec.argv[3], "main");
    assert_null(f->spec.argv[4]);
}

static void the_one_that_waits_reports_ready_and_hears_by_a_socket_if_it_forks(void **state)
{
    struct fixture *f = *state;

    add(f, "x",
        "{\"name\":\"x\"," REST ",\"answers\":\"stdout\",\"needs\":\"it\","
        "\"prelaunch\":[\"p\"],\"forks\":true}");
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    assert_true(known(f, "x")->forks);
    for (int forks = 0; forks < 2; forks++) {
        exec_spec_done(&f->spec);
        assert_true(runtime_prewarm(known(f, "x"), forks == 1, base_env, &f->spec));
        assert_string_equal(f->spec.argv[0], "p");
        assert_string_equal(f->spec.shortfall, "it");
        assert_int_equal(f->spec.answers, ANSWERS_STDOUT);
        assert_true(f->spec.reports_ready);
        assert_int_equal(f->spec.socket_in, forks == 1);
    }
}

static void main_arrives_as_one_argument_whatever_it_holds(void **state)
{
    static const char *const mains[] = {"", "a b", "$(x)\n\"'", "{action}", "{main}{unknown}"};
    struct fixture *f = *state;

    load_three(f);
    for (size_t i = 0; i < ARRAY_LEN(mains); i++) {
        exec_spec_done(&f->spec);
        spec(f, "python", mains[i], base_env, NULL);
        assert_string_equal(f->spec.argv[3], mains[i]);
        assert_null(f->spec.argv[4]);
    }
}

static void braces_that_are_no_placeholder_stay(void **state)
{
    struct fixture *f = *state;

    add(f, "x",
        "{\"name\":\"x\",\"entry\":[\"e\"],\"launch\":[\"{\\\"a\\\":{}}{main\",\"{{main}}\"]}");
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    spec(f, "x", "m", base_env, NULL);
    assert_string_equal(f->spec.argv[0], "{\"a\":{}}{main");
    assert_string_equal(f->spec.argv[1], "{m}");
}

static void the_entry_is_the_one_that_is_there(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/index.js", f->folder.in);

    load_three(f);
    folder_write(f->folder.in, "index.js", "", 0644);
    spec(f, "nodejs", "main", base_env, NULL);
    assert_string_equal(f->spec.argv[1], path);
}

static void libexec_is_where_the_compiled_launchers_are(void **state)
{
    struct fixture *f = *state;

    add(f, "oneshot", ONESHOT);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
    runtimes_set_libexec(&f->runtimes, "/first");
    runtimes_set_libexec(&f->runtimes, "/usr/libexec/whiskloop");
    spec(f, "oneshot", "main", base_env, NULL);
    assert_string_equal(f->spec.argv[0], "/usr/libexec/whiskloop/oneshot");
    assert_true(f->spec.wants_object);
}

static void a_launch_tells_what_the_manifest_says(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    spec(f, "python", "main", base_env, NULL);
    assert_string_equal(f->spec.cwd, f->folder.in);
    assert_string_equal(f->spec.shortfall, "python3");
    assert_int_equal(f->spec.answers, ANSWERS_STDOUT);
    assert_true(f->spec.reports_ready);
    exec_spec_done(&f->spec);
    spec(f, "native", "main", base_env, NULL);
    assert_null(f->spec.shortfall);
    assert_int_equal(f->spec.answers, ANSWERS_AUTO);
    assert_false(f->spec.reports_ready);
}

static void the_environment_is_the_proxys_without_its_settings(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    spec(f, "native", "main", base_env, NULL);
    assert_true(has(f, "PATH=/opt/bin"));
    assert_true(has(f, "__OW_API_HOST=https://a"));
    assert_null(f->spec.env[2]);
}

static void variables_of_init_replace_those_of_the_proxy(void **state)
{
    static char host[] = "__OW_API_HOST=b";
    static char more[] = "MORE=c";
    static char *const init_env[] = {host, more, NULL};
    struct fixture *f = *state;

    load_three(f);
    spec(f, "native", "main", base_env, init_env);
    assert_true(has(f, "__OW_API_HOST=b"));
    assert_true(has(f, "MORE=c"));
    assert_false(has(f, "__OW_API_HOST=https://a"));
}

static void values_with_equals_signs_stay_whole(void **state)
{
    static char token[] = "__OW_X=a=b=c=";
    static char empty[] = "EMPTY=";
    static char *const init_env[] = {token, empty, NULL};
    struct fixture *f = *state;

    load_three(f);
    spec(f, "native", "main", base_env, init_env);
    assert_true(has(f, "__OW_X=a=b=c="));
    assert_true(has(f, "EMPTY="));
}

static void without_a_path_there_is_a_default_one(void **state)
{
    static char *const nothing[] = {NULL};
    struct fixture *f = *state;

    load_three(f);
    spec(f, "native", "main", nothing, NULL);
    assert_string_equal(f->spec.env[0],
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_null(f->spec.env[1]);
}

static void a_launcher_that_reports_ready_is_asked_to(void **state)
{
    struct fixture *f = *state;

    load_three(f);
    spec(f, "python", "main", base_env, NULL);
    assert_true(has(f, "__OW_WAIT_FOR_ACK=1"));
    exec_spec_done(&f->spec);
    spec(f, "native", "main", base_env, NULL);
    assert_false(has(f, "__OW_WAIT_FOR_ACK=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(manifests_are_read_in_the_order_of_their_names),
        TEST(every_field_of_a_manifest_arrives),
        TEST(an_environment_in_place_has_any_values),
        TEST(fields_that_are_left_out_have_their_defaults),
        TEST(a_folder_without_a_manifest_is_passed_over),
        TEST(a_missing_folder_of_runtimes_is_an_error_of_the_system),
        TEST(wrong_manifests_are_refused_with_file_and_field),
        TEST(two_manifests_of_one_name_are_refused),
        TEST(a_manifest_of_64_kibibytes_is_read),
        TEST(a_manifest_one_byte_longer_is_refused),
        TEST(the_manifests_of_this_tree_are_right),
        TEST(placeholders_are_replaced_inside_arguments),
        TEST(the_one_that_waits_reports_ready_and_hears_by_a_socket_if_it_forks),
        TEST(main_arrives_as_one_argument_whatever_it_holds),
        TEST(braces_that_are_no_placeholder_stay),
        TEST(the_entry_is_the_one_that_is_there),
        TEST(libexec_is_where_the_compiled_launchers_are),
        TEST(a_launch_tells_what_the_manifest_says),
        TEST(the_environment_is_the_proxys_without_its_settings),
        TEST(variables_of_init_replace_those_of_the_proxy),
        TEST(values_with_equals_signs_stay_whole),
        TEST(without_a_path_there_is_a_default_one),
        TEST(a_launcher_that_reports_ready_is_asked_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
