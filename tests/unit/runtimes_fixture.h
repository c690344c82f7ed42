#pragma once

/* runtimes_fixture - a folder with the manifests of three languages, and one for an action. */

#include "test.h"

#include <string.h>
#include <sys/stat.h>

#include "action/runtimes.h"
#include "base/err.h"
#include "folder.h"

#define NATIVE                                                                                     \
    "{\"name\":\"native\",\"entry\":[\"exec\"],\"source\":\"exec\","                               \
    "\"launch\":[\"{action}/exec\"],\"entry_executable\":true}"
#define PYTHON                                                                                     \
    "{\"name\":\"python\",\"entry\":[\"__main__.py\"],\"source\":\"__main__.py\","                 \
    "\"launch\":[\"python3\",\"{runtime}/launcher.py\",\"{action}\",\"{main}\"],"                  \
    "\"answers\":\"stdout\",\"ready\":true,\"log_init_error\":true,\"needs\":\"python3\"}"
#define NODEJS                                                                                     \
    "{\"name\":\"nodejs\",\"entry\":[\"package.json\",\"index.js\"],"                              \
    "\"launch\":[\"node\",\"{action}/{entry}\"],\"answers\":\"fd3\"}"
#define ONESHOT                                                                                    \
    "{\"name\":\"oneshot\",\"entry\":[\"exec\"],\"source\":\"exec\","                              \
    "\"launch\":[\"{libexec}/oneshot\",\"{action}/exec\"],\"programs\":true,"                      \
    "\"only_named\":true,\"wants_object\":true,\"stub\":\"stub\",\"no_entry\":\"No exec.\"}"
#define ELF_HEAD "\177ELF\2\1\1"

struct fixture {
    struct folder folder; /* outer holds the runtimes, in the action */
    struct runtimes runtimes;
    struct exec_spec spec;
    struct err err;
};

static inline int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    folder_make(&f->folder);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    runtimes_done(&f->runtimes);
    exec_spec_done(&f->spec);
    folder_remove(&f->folder);
    free(f);
    return 0;
}

static inline void add(struct fixture *f, const char *name, const char *manifest)
{
    auto_free char *dir = xasprintf("%s/%s", f->folder.outer, name);

    (void)mkdir(dir, 0755);
    folder_write(dir, "runtime.json", manifest, 0644);
}

static inline void load_three(struct fixture *f)
{
    add(f, "python", PYTHON);
    add(f, "native", NATIVE);
    add(f, "nodejs", NODEJS);
    assert_int_equal(runtimes_load(&f->runtimes, f->folder.outer, &f->err), 0);
}

static inline const struct runtime *known(const struct fixture *f, const char *name)
{
    const struct runtime *runtime = runtimes_find(&f->runtimes, name);

    assert_non_null(runtime);
    return runtime;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
