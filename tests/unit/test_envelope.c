#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "action/envelope.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"

#define NO_CODE "Missing main/no code to execute."

/* Decoded where the body lies, the same comes out. */
static void assert_same_in_block(const char *body, int result, const struct envelope *wanted)
{
    size_t n = strlen(body), n_before = 100;
    char *block = xmalloc(n_before + n);
    struct envelope envelope = {0};
    struct envelope_parts parts;
    struct err err;

    memcpy(block + n_before, body, n);
    if (envelope_find(&parts, block + n_before, n, false, &err) < 0) {
        free(block);
        return;
    }
    assert_int_equal(envelope_fill(&envelope, &parts, block, &err), result);
    if (result == 0) {
        assert_int_equal(envelope.code_len, wanted->code_len);
        assert_memory_equal(envelope.code, wanted->code, wanted->code_len);
        assert_int_equal(envelope.kind, wanted->kind);
        assert_string_equal(envelope.main, wanted->main);
    }
    envelope_done(&envelope);
}

static int read_body(struct envelope *envelope, const char *body, struct err *err)
{
    size_t n = strlen(body);
    auto_free char *tight = xmalloc(n); /* of just its size: the sanitizer sees a read past it */
    int result;

    memset(envelope, 0, sizeof(*envelope));
    memset(err, 0, sizeof(*err));
    memcpy(tight, body, n);
    result = envelope_read(envelope, tight, n, err);
    assert_same_in_block(body, result, envelope);
    return result;
}

static void assert_refused(const char *body, enum err_kind kind, const char *text)
{
    struct envelope envelope;
    struct err err;

    if (read_body(&envelope, body, &err) != -1)
        fail_msg("taken: %s", body);
    if (strcmp(err.text, text) != 0)
        fail_msg("%s: got \"%s\"", body, err.text);
    assert_int_equal(err.kind, kind);
    envelope_done(&envelope);
}

static void assert_code(const char *body, enum code_kind kind, const char *code, size_t n)
{
    struct envelope envelope;
    struct err err;

    if (read_body(&envelope, body, &err) != 0)
        fail_msg("%s: %s", body, err.text);
    assert_int_equal(envelope.kind, kind);
    assert_int_equal(envelope.code_len, n);
    assert_memory_equal(envelope.code, code, n);
    envelope_done(&envelope);
}

static void assert_text(const char *body, const char *text)
{
    assert_code(body, CODE_SOURCE, text, strlen(text));
}

static void assert_main(const char *body, const char *name)
{
    struct envelope envelope;
    struct err err;

    assert_int_equal(read_body(&envelope, body, &err), 0);
    assert_string_equal(envelope.main, name);
    envelope_done(&envelope);
}

/* env: the variables that should come out, one per line; "": none. */
static void assert_env(const char *json, const char *env)
{
    auto_free char *body = xasprintf("{\"value\":{\"code\":\"x\",\"env\":%s}}", json);
    auto_free char *got = xmalloc(strlen(body) + 1);
    struct envelope envelope;
    struct err err;

    assert_int_equal(read_body(&envelope, body, &err), 0);
    *got = '\0';
    for (char **variable = envelope.env; variable != NULL && *variable != NULL; variable++) {
        strcat(got, *variable);
        strcat(got, "\n");
    }
    assert_string_equal(got, env);
    envelope_done(&envelope);
}

/* A body whose code is the base64 of bytes. Freed by the caller. */
static char *body_of_bytes(const void *bytes, size_t n, bool binary)
{
    auto_free char *base64 = xmalloc((n + 2) / 3 * 4 + 1);

    (void)EVP_EncodeBlock((unsigned char *)base64, bytes, (int)n);
    return xasprintf("{\"value\":{\"code\":\"%s\",\"binary\":%s}}", base64,
                     binary ? "true" : "false");
}

/* ---- the body ---- */

static void a_body_that_is_no_json_is_refused_in_the_words_of_go(void **state)
{
    (void)state;
    assert_refused("XXX", ERR_REQUEST,
                   "Error unmarshaling request: invalid character 'X' looking for beginning of "
                   "value");
    assert_refused("", ERR_REQUEST, "Error unmarshaling request: unexpected end of JSON input");
}

static void a_body_without_code_is_refused_as_such(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "null",
        "{\"value\":null}",
        "{\"value\":{}}",
        "{\"value\":{\"code\":null}}",
        "{\"value\":{\"code\":\"\"}}",
        "{\"value\":{\"code\":\" \\t\\r\\n\\u000b\\f\"}}",
        "{\"value\":{\"code\":\"\\n\",\"binary\":true}}",
        "{\"value\":{\"code\":\"x\",\"code\":null}}",
        "{\"code\":\"x\"}",
        "{\"value\":{\"main\":\"main\"}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_refused(bodies[i], ERR_NO_CODE, NO_CODE);
}

static void an_empty_text_is_code_where_the_caller_takes_it(void **state)
{
    static const struct {
        const char *body;
        int result;
    } cases[] = {{"{\"value\":{\"code\":\"\"}}", 0},
                 {"{\"value\":{\"code\":\" \\n\",\"binary\":true}}", 0},
                 {"{\"value\":{\"code\":null}}", -1},
                 {"{}", -1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct envelope envelope = {0};
        struct envelope_parts parts;
        struct err err = {0};

        assert_int_equal(envelope_find(&parts, cases[i].body, strlen(cases[i].body), true, &err),
                         cases[i].result);
        if (cases[i].result < 0) {
            assert_int_equal(err.kind, ERR_NO_CODE);
        } else {
            assert_int_equal(envelope_fill(&envelope, &parts, NULL, &err), 0);
            assert_int_equal(envelope.kind, CODE_SOURCE);
            assert_int_equal(envelope.code_len, 0);
            assert_string_equal(envelope.main, "main");
        }
        envelope_done(&envelope);
    }
}

static void a_wrong_type_is_refused_by_name(void **state)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"[]", "Error unmarshaling request: the body must be an object"},
        {"\"x\"", "Error unmarshaling request: the body must be an object"},
        {"{\"value\":[]}", "Error unmarshaling request: value must be an object"},
        {"{\"value\":\"x\"}", "Error unmarshaling request: value must be an object"},
        {"{\"value\":{\"code\":1}}", "Error unmarshaling request: code must be a string"},
        {"{\"value\":{\"code\":{}}}", "Error unmarshaling request: code must be a string"},
        {"{\"value\":{\"main\":true}}", "Error unmarshaling request: main must be a string"},
        {"{\"value\":{\"code\":\"x\",\"binary\":\"true\"}}",
         "Error unmarshaling request: binary must be true or false"},
        {"{\"value\":{\"code\":\"x\",\"binary\":1}}",
         "Error unmarshaling request: binary must be true or false"},
        {"{\"value\":{\"env\":[]}}", "Error unmarshaling request: env must be an object"},
        {"{\"value\":{\"env\":\"A=B\"}}", "Error unmarshaling request: env must be an object"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_refused(cases[i].body, ERR_REQUEST, cases[i].text);
}

static void null_for_an_optional_field_is_as_missing(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"name\":null,\"main\":null,\"binary\":null,\"code\":\"def "
                "main\",\"env\":null}}",
                "def main");
}

static void fields_are_found_by_escaped_names(void **state)
{
    (void)state;
    assert_text("{\"v\\u0061lue\":{\"cod\\u0065\":\"x = 1\"}}", "x = 1");
}

/* ---- main ---- */

static void main_is_taken_from_the_body(void **state)
{
    (void)state;
    assert_main("{\"value\":{\"code\":\"x\",\"main\":\"a.b:\\u0063\"}}", "a.b:c");
}

static void main_is_called_main_when_the_body_names_none(void **state)
{
    (void)state;
    assert_main("{\"value\":{\"code\":\"x\"}}", "main");
    assert_main("{\"value\":{\"code\":\"x\",\"main\":\"\"}}", "main");
    assert_main("{\"value\":{\"code\":\"x\",\"main\":null}}", "main");
}

static void a_main_with_nul_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"value\":{\"code\":\"x\",\"main\":\"a\\u0000b\"}}", ERR_REQUEST,
                   "Error unmarshaling request: main holds a NUL, which no name may");
}

/* ---- base64 ---- */

static void binary_code_is_decoded(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"code\":\"QQ==\",\"binary\":true}}", "A");
    assert_text("{\"value\":{\"code\":\"QUI=\",\"binary\":true}}", "AB");
    assert_text("{\"value\":{\"code\":\"QUJD\",\"binary\":true}}", "ABC");
    assert_text("{\"value\":{\"code\":\"QUJDRA==\",\"binary\":true}}", "ABCD");
}

static void slashes_of_base64_may_be_escaped(void **state)
{
    (void)state;
    assert_code("{\"value\":{\"code\":\"\\/\\/\\/+\",\"binary\":true}}", CODE_SOURCE,
                "\xff\xff\xfe", 3);
}

static void white_space_around_and_line_ends_within_base64_are_ignored(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"code\":\" \\n QU\\r\\nJDR\\nA=\\n=\\r\\n\\t\",\"binary\":true}}",
                "ABCD");
}

static void bits_left_over_before_padding_are_ignored(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"code\":\"QR==\",\"binary\":true}}", "A");
}

/* The offsets are those that Go's decoder gives for the same texts. */
static void bad_base64_is_refused_with_the_byte_that_go_names(void **state)
{
    static const struct {
        const char *code;
        unsigned at;
    } cases[] = {
        {"!", 0},        {"QUJ!", 3},     {"QUJDQ", 4},      {"QUJDQQ", 4},   {"QUJDQUI", 4},
        {"=", 0},        {"Q===", 1},     {"QQ=", 3},        {"QQ=Q", 2},     {"QQ==Q", 4},
        {"QQ==QQ==", 4}, {"QUI=QUI=", 4}, {"QUJD====", 4},   {"QQ===", 4},    {"Q-_Q", 1},
        {"QU.JD", 2},    {"  QU!D", 4},   {"QU\\n\\nJ!", 5}, {"QQ==\\n!", 5}, {"QUJD\\u0000", 4},
        {"\xc3\xa9", 0}, {"A", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_free char *body =
            xasprintf("{\"value\":{\"code\":\"%s\",\"binary\":true}}", cases[i].code);
        auto_free char *text = xasprintf(
            "cannot decode the request: illegal base64 data at input byte %u", cases[i].at);

        assert_refused(body, ERR_REQUEST, text);
    }
}

static void long_base64_comes_out_whole_whatever_its_length(void **state)
{
    static const size_t sizes[] = {12285, 12286, 12287, 12288, 12289, 24575, 24576, 24577, 100000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        auto_free char *bytes = xmalloc(sizes[i]);
        auto_free char *body = NULL;

        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = (char)(j * 7 + j / 251);
        body = body_of_bytes(bytes, sizes[i], true);
        assert_code(body, CODE_SOURCE, bytes, sizes[i]);
    }
}

/* ---- text ---- */

static void text_is_taken_as_it_is(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"code\":\"\\ndef main(args):\\n    return args\\n\"}}",
                "\ndef main(args):\n    return args\n");
}

static void text_that_only_looks_like_base64_stays_text(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"code\":\"QUJD\"}}", "QUJD");
    assert_text("{\"value\":{\"code\":\"QUJD\",\"binary\":false}}", "QUJD");
}

static void text_with_a_shebang_is_a_script(void **state)
{
    static const char script[] = "#!/bin/sh\necho";

    (void)state;
    assert_code("{\"value\":{\"code\":\"#!/bin/sh\\necho\",\"binary\":false}}", CODE_SCRIPT, script,
                strlen(script));
}

static void base64_of_a_script_is_decoded_whatever_binary_says(void **state)
{
    static const char script[] = "#!/bin/sh\necho";

    (void)state;
    for (int binary = 0; binary < 2; binary++) {
        auto_free char *body = body_of_bytes(script, strlen(script), binary);

        assert_code(body, CODE_SCRIPT, script, strlen(script));
    }
}

static void base64_of_archives_is_decoded_whatever_binary_says(void **state)
{
    char tar[1024] = {0};
    static const char zip[] = "PK\3\4and so on", gzip[] = "\x1f\x8b\x08\0rest";

    (void)state;
    memcpy(tar + 257, "ustar", 5);
    for (int binary = 0; binary < 2; binary++) {
        auto_free char *tar_body = body_of_bytes(tar, sizeof(tar), binary);
        auto_free char *zip_body = body_of_bytes(zip, sizeof(zip), binary);
        auto_free char *gzip_body = body_of_bytes(gzip, sizeof(gzip), binary);

        assert_code(tar_body, CODE_TAR, tar, sizeof(tar));
        assert_code(zip_body, CODE_ZIP, zip, sizeof(zip));
        assert_code(gzip_body, CODE_TARGZ, gzip, sizeof(gzip));
    }
}

static void base64_that_goes_bad_late_stays_text_unless_said_to_be_binary(void **state)
{
    (void)state;
    assert_text("{\"value\":{\"code\":\"UEsDBAAA!\"}}", "UEsDBAAA!");
    assert_refused("{\"value\":{\"code\":\"UEsDBAAA!\",\"binary\":true}}", ERR_REQUEST,
                   "cannot decode the request: illegal base64 data at input byte 8");
}

/* ---- what the bytes are ---- */

static void kinds_are_told_by_their_magic_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum code_kind kind;
    } cases[] = {
        {"", 0, CODE_SOURCE},
        {"#!", 2, CODE_SOURCE},
        {"#!x", 3, CODE_SCRIPT},
        {" #!x", 4, CODE_SOURCE},
        {"PK\3\4", 4, CODE_ZIP},
        {"PK\5\6", 4, CODE_ZIP},
        {"PK\7\10", 4, CODE_ZIP},
        {"PK\3", 3, CODE_SOURCE},
        {"PK\4\4", 4, CODE_SOURCE},
        {"PK\3\3", 4, CODE_SOURCE},
        {"PK\0\0", 4, CODE_SOURCE},
        {"\x1f\x8b\x08", 3, CODE_TARGZ},
        {"\x1f\x8b", 2, CODE_SOURCE},
        {"\x1f\x8b\x07", 3, CODE_SOURCE},
        {"\x7f"
         "ELF",
         4, CODE_SOURCE},
        {"\xcf\xfa\xed\xfe", 4, CODE_FOREIGN},
        {"\xce\xfa\xed\xfe", 4, CODE_FOREIGN},
        {"\xcf\xfa\xed", 3, CODE_SOURCE},
        {"\xca\xfe\xba\xbe", 4, CODE_SOURCE}, /* a Java class */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (code_sniff(cases[i].bytes, cases[i].n) != cases[i].kind)
            fail_msg("case %zu", i);
}

static void an_elf_file_is_longer_than_its_header(void **state)
{
    char elf[53] = {0x7f, 'E', 'L', 'F'};

    (void)state;
    assert_int_equal(code_sniff(elf, 51), CODE_SOURCE);
    assert_int_equal(code_sniff(elf, 52), CODE_SOURCE);
    assert_int_equal(code_sniff(elf, 53), CODE_ELF);
}

static void a_tar_file_is_told_by_the_last_byte_of_its_magic(void **state)
{
    char tar[263] = {0};

    (void)state;
    memcpy(tar + 257, "ustar", 5);
    assert_int_equal(code_sniff(tar, 261), CODE_SOURCE);
    assert_int_equal(code_sniff(tar, 262), CODE_TAR);
    assert_int_equal(code_sniff(tar, 263), CODE_TAR);
}

/* ---- env ---- */

static void env_values_of_any_type_become_text(void **state)
{
    (void)state;
    assert_env("{\"S\":\"a b\",\"N\":null,\"I\":12,\"F\":-1.50e3,\"T\":true,\"B\":false,"
               "\"O\":{ \"a\" : [ 1, \" \" ] },\"A\":[ ],\"E\":\"\"}",
               "S=a b\nN=null\nI=12\nF=-1.50e3\nT=true\nB=false\nO={\"a\":[1,\" \"]}\nA=[]\nE=\n");
}

static void env_values_keep_what_follows_an_equals_sign(void **state)
{
    (void)state;
    assert_env("{\"URL\":\"http://h/?a=b&c==d\"}", "URL=http://h/?a=b&c==d\n");
}

static void env_names_and_values_are_unescaped(void **state)
{
    (void)state;
    assert_env("{\"\\u0041\":\"l1\\nl2 \\u00e9\"}", "A=l1\nl2 \xc3\xa9\n");
}

/* A body whose env has n variables of n_bytes each, which differ in their last bytes only. */
static char *body_of_names(unsigned n, size_t n_bytes)
{
    struct buf body = {0};
    auto_free char *prefix = xmalloc(n_bytes + 1);

    memset(prefix, 'A', n_bytes);
    prefix[n_bytes] = '\0';
    buf_add_text(&body, "{\"value\":{\"code\":\"x\",\"env\":{");
    for (unsigned i = 0; i < n; i++) {
        auto_free char *member = xasprintf("%s\"%s%04u\":\"\"", i > 0 ? "," : "", prefix, i);

        buf_add_text(&body, member);
    }
    buf_add(&body, "}}}", 4);
    return body.bytes;
}

/* Processor time that it takes to read a body, the least of three. */
static clock_t time_to_read(const char *body, size_t n_variables)
{
    clock_t least = 0;

    for (int i = 0; i < 3; i++) {
        struct envelope envelope = {0};
        struct err err;
        clock_t before = clock(), took;
        size_t n = 0;

        assert_int_equal(envelope_read(&envelope, body, strlen(body), &err), 0);
        took = clock() - before;
        while (envelope.env[n] != NULL)
            n++;
        assert_int_equal(n, n_variables);
        envelope_done(&envelope);
        if (i == 0 || took < least)
            least = took;
    }
    return least;
}

/* Comparing each with all before it took 10 times as long. */
static void names_that_share_a_prefix_cost_about_what_others_of_their_size_do(void **state)
{
    auto_free char *many = body_of_names(1024, 16384);
    auto_free char *one = body_of_names(1, 1024 * 16384);

    (void)state;
    assert_true(time_to_read(many, 1024) < 4 * time_to_read(one, 1) + CLOCKS_PER_SEC / 50);
}

static void fields_are_found_without_being_decoded(void **state)
{
    static const struct {
        const char *code; /* as the body spells it */
        bool takes_empty;
        int found;
    } cases[] = {
        {"\"\"", false, -1},
        {"\"\"", true, 0},
        {"\" \\n\\t\\u0020\\r\\f\\u000b\"", false, -1},
        {"\" \\u0000\"", false, 0},
        {"\" \\b\"", false, 0},
        {"\"\\u00a0\"", false, 0},
        {"\"\\\\n\"", false, 0},
        {"\"\\ud83d\\ude00\"", false, 0},
        {"\"!no base64!\"", false, 0},
        {"null", true, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_free char *body =
            xasprintf("{\"value\":{\"code\":%s,\"binary\":true}}", cases[i].code);
        struct envelope_parts parts;
        struct err err = {0};

        if (envelope_find(&parts, body, strlen(body), cases[i].takes_empty, &err) != cases[i].found)
            fail_msg("%s", body);
        assert_int_equal(err.kind, cases[i].found < 0 ? ERR_NO_CODE : ERR_NONE);
    }
}

/* The name of the source file, read from this member "file". */
static void assert_file(const char *json, const char *name)
{
    auto_free char *body = xasprintf("{\"value\":{\"code\":\"x\",\"file\":%s}}", json);
    struct envelope envelope;
    struct err err;

    assert_int_equal(read_body(&envelope, body, &err), 0);
    if (name == NULL)
        assert_null(envelope.file);
    else
        assert_string_equal(envelope.file, name);
    envelope_done(&envelope);
}

static void the_last_variable_of_a_name_wins(void **state)
{
    (void)state;
    assert_env("{\"A\":1,\"AB\":2,\"A\":3}", "A=3\nAB=2\n");
    assert_env("{\"A\":1,\"AB\":2,\"A\":3,\"A\":4,\"A\":5}", "A=5\nAB=2\n");
}

static void a_file_with_a_name_that_no_file_can_have_counts_as_missing(void **state)
{
    static const struct {
        const char *json, *name;
    } cases[] = {
        {"\"a.py\"", "a.py"},
        {"\"\\u00e9.py\"", "\xc3\xa9.py"},
        {"\"a\\\"b\"", "a\"b"},
        {"null", NULL},
        {"1", NULL},
        {"\"\"", NULL},
        {"\"d/a\"", NULL},
        {"\"a\\nb\"", NULL},
        {"\"a\\u0000\"", NULL},
        {"\"a\\u007f\"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_file(cases[i].json, cases[i].name);
}

static void a_file_with_a_longer_name_than_file_systems_take_counts_as_missing(void **state)
{
    auto_free char *name = xasprintf("%0257d", 0);
    auto_free char *json = xasprintf("\"%s\"", name);

    (void)state;
    assert_file(json, NULL);
    name[256] = '\0';
    json[257] = '"';
    json[258] = '\0';
    assert_file(json, name);
}

static void an_empty_env_is_none(void **state)
{
    (void)state;
    assert_env("{}", "");
    assert_env("null", "");
}

static void names_that_no_variable_can_have_are_refused(void **state)
{
    static const char *const names[] = {"", "A=B", "=", "A\\u0000", "A\\u003d"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        auto_free char *body =
            xasprintf("{\"value\":{\"code\":\"x\",\"env\":{\"OK\":1,\"%s\":\"v\"}}}", names[i]);
        auto_free char *text =
            xasprintf("Error unmarshaling request: env has a variable \"%s\": a name must not be "
                      "empty nor hold '=' or NUL",
                      names[i]);

        assert_refused(body, ERR_REQUEST, text);
    }
}

static void a_value_with_nul_is_refused_with_its_name(void **state)
{
    (void)state;
    assert_refused("{\"value\":{\"code\":\"x\",\"env\":{\"KEY\":\"a\\u0000\"}}}", ERR_REQUEST,
                   "Error unmarshaling request: the value of env's \"KEY\" holds a NUL, which no "
                   "variable can");
}

/* A body with n variables A0, A1, ... Freed by the caller. */
static char *body_of_variables(int n)
{
    char *body = xmalloc((size_t)n * 16 + 64);
    size_t at = strlen(strcpy(body, "{\"value\":{\"code\":\"x\",\"env\":{"));

    for (int i = 0; i < n; i++)
        at += (size_t)sprintf(body + at, "%s\"A%d\":%d", i > 0 ? "," : "", i, i);
    strcpy(body + at, "}}}");
    return body;
}

static void env_may_hold_as_many_variables_as_the_bound(void **state)
{
    (void)state;
    for (int n = 1023; n <= 1024; n++) {
        auto_free char *body = body_of_variables(n);
        struct envelope envelope;
        struct err err;
        int n_got = 0;

        assert_int_equal(read_body(&envelope, body, &err), 0);
        while (envelope.env[n_got] != NULL)
            n_got++;
        assert_int_equal(n_got, n);
        assert_string_equal(envelope.env[0], "A0=0");
        envelope_done(&envelope);
    }
}

static void one_variable_more_than_the_bound_is_refused(void **state)
{
    auto_free char *body = body_of_variables(1025);

    (void)state;
    assert_refused(body, ERR_REQUEST,
                   "Error unmarshaling request: env holds more than 1024 variables");
}

static void done_may_be_called_twice(void **state)
{
    struct envelope envelope;
    struct err err;

    (void)state;
    assert_int_equal(read_body(&envelope, "{\"value\":{\"code\":\"x\",\"env\":{\"A\":1}}}", &err),
                     0);
    envelope_done(&envelope);
    envelope_done(&envelope);
    assert_null(envelope.code);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_is_no_json_is_refused_in_the_words_of_go),
        cmocka_unit_test(a_body_without_code_is_refused_as_such),
        cmocka_unit_test(an_empty_text_is_code_where_the_caller_takes_it),
        cmocka_unit_test(a_wrong_type_is_refused_by_name),
        cmocka_unit_test(null_for_an_optional_field_is_as_missing),
        cmocka_unit_test(fields_are_found_by_escaped_names),
        cmocka_unit_test(main_is_taken_from_the_body),
        cmocka_unit_test(main_is_called_main_when_the_body_names_none),
        cmocka_unit_test(a_main_with_nul_is_refused),
        cmocka_unit_test(binary_code_is_decoded),
        cmocka_unit_test(slashes_of_base64_may_be_escaped),
        cmocka_unit_test(white_space_around_and_line_ends_within_base64_are_ignored),
        cmocka_unit_test(bits_left_over_before_padding_are_ignored),
        cmocka_unit_test(bad_base64_is_refused_with_the_byte_that_go_names),
        cmocka_unit_test(long_base64_comes_out_whole_whatever_its_length),
        cmocka_unit_test(text_is_taken_as_it_is),
        cmocka_unit_test(text_that_only_looks_like_base64_stays_text),
        cmocka_unit_test(text_with_a_shebang_is_a_script),
        cmocka_unit_test(base64_of_a_script_is_decoded_whatever_binary_says),
        cmocka_unit_test(base64_of_archives_is_decoded_whatever_binary_says),
        cmocka_unit_test(base64_that_goes_bad_late_stays_text_unless_said_to_be_binary),
        cmocka_unit_test(kinds_are_told_by_their_magic_bytes),
        cmocka_unit_test(an_elf_file_is_longer_than_its_header),
        cmocka_unit_test(a_tar_file_is_told_by_the_last_byte_of_its_magic),
        cmocka_unit_test(env_values_of_any_type_become_text),
        cmocka_unit_test(env_values_keep_what_follows_an_equals_sign),
        cmocka_unit_test(env_names_and_values_are_unescaped),
        cmocka_unit_test(the_last_variable_of_a_name_wins),
        cmocka_unit_test(names_that_share_a_prefix_cost_about_what_others_of_their_size_do),
        cmocka_unit_test(fields_are_found_without_being_decoded),
        cmocka_unit_test(a_file_with_a_name_that_no_file_can_have_counts_as_missing),
        cmocka_unit_test(a_file_with_a_longer_name_than_file_systems_take_counts_as_missing),
        cmocka_unit_test(an_empty_env_is_none),
        cmocka_unit_test(names_that_no_variable_can_have_are_refused),
        cmocka_unit_test(a_value_with_nul_is_refused_with_its_name),
        cmocka_unit_test(env_may_hold_as_many_variables_as_the_bound),
        cmocka_unit_test(one_variable_more_than_the_bound_is_refused),
        cmocka_unit_test(done_may_be_called_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
