#include "dev/advice.h"

#include <assert.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/runtimes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/util.h"
#include "dev/target.h"
#include "dev/text.h"

#define REQUIREMENTS   "requirements.txt"
#define MODULE_MISSING "No module named " /* begins Python's error for a missing module */
/* Begins a launcher's error message. The quoted name behind it is a function's, not a file's. */
#define FUNCTION_MISSING "Cannot start action: function '"
#define QUOTES           "'\"`"

static bool is_quote(char c)
{
    return c != '\0' && strchr(QUOTES, c) != NULL;
}

/* Whether text names `file` in quotes. For util.js, that is 'util.js', './util' or, if is_module,
 * 'util'. */
static bool names_file(const char *text, const char *file, bool is_module)
{
    const char *dot = strrchr(file, '.');
    size_t n_stem = dot != NULL && dot > file ? (size_t)(dot - file) : strlen(file);
    auto_free char *stem = xstrndup(file, n_stem);

    for (const char *at = strstr(text, stem); at != NULL; at = strstr(at + 1, stem)) {
        const char *after = at + n_stem;
        size_t n_before = (size_t)(at - text);
        bool is_here = n_before >= 3 && at[-1] == '/' && at[-2] == '.'; /* "./" precedes the name */
        bool is_whole = strncmp(after, file + n_stem, strlen(file + n_stem)) == 0;

        if (is_whole)
            after += strlen(file + n_stem);
        if ((is_whole || is_here || is_module) && is_quote(*after) && n_before >= 1 &&
            is_quote(at[is_here ? -3 : -1]))
            return true;
    }
    return false;
}

/* Find a file or folder in `folder`, other than the file `except`, whose name stands in text.
 * runtime: the runtime of `except`, or NULL. Code may load sources of its own runtime by names
 * without ending, so these names are found, too. Returns the name, which the caller frees; NULL:
 * none is found. */
static char *find_named(const char *folder, const char *except, const char *text,
                        const struct runtime *runtime)
{
    char **names = target_list(folder, "", "");
    char *found = NULL;

    for (char **name = names; *name != NULL && found == NULL; name++)
        if ((*name)[0] != '.' && strcmp(*name, except) != 0 &&
            names_file(text, *name, runtime != NULL && runtime_has_ending_of(runtime, *name)))
            found = xstrdup(*name);
    strv_free(&names);
    return found;
}

/* The runtime of a source file that may be the main file of a folder. NULL: `file` is no such
 * source file, but for example an archive. */
static const struct runtime *runtime_of(const char *file, const struct runtimes *runtimes,
                                        const struct runtime *fallback)
{
    struct err none;
    const struct runtime *runtime = runtimes_for_source(runtimes, fallback, file, &none);

    return runtime != NULL && runtime->source != NULL ? runtime : NULL;
}

/* The name that `file` in `folder` must have to be the folder's main file. NULL: a file of this
 * kind cannot be a main file, or `file` cannot be opened. */
static const char *main_name(const char *folder, const char *file, const struct runtime *runtime,
                             const struct runtime *fallback)
{
    auto_fd int fd = target_open_file(folder, file);

    if (fd < 0)
        return NULL;
    if (!runtime_has_ending_of(fallback, file) && runtimes_is_program(fd))
        return "exec";
    return runtime != NULL ? runtime_source_name(runtime, file) : NULL;
}

static void advise_on_requirements(const char *folder, bool is_alone, struct buf *out)
{
    auto_buf struct buf word = {0};

    text_add_word(&word, folder);
    buf_add_text(out, "an /init installs " REQUIREMENTS ", a command does not: pip install ");
    if (!is_alone)
        text_add(out, "--target %s ", text_of(&word));
    text_add(out, "-r %s/" REQUIREMENTS, text_of(&word));
}

char *advice_on_load(const char *path, const char *reason, const struct runtimes *runtimes,
                     const struct runtime *fallback)
{
    auto_free char *to_cut = xstrdup(path), *to_name = xstrdup(path);
    auto_free char *beside = NULL, *requirements = NULL;
    auto_buf struct buf out = {0};
    const char *folder = path, *file = NULL, *wanted = NULL;
    const struct runtime *runtime = NULL;
    struct stat info;
    struct err none;

    assert(reason != NULL);
    if (stat(path, &info) < 0)
        return NULL;
    if (!S_ISDIR(info.st_mode)) {
        folder = dirname(to_cut);
        file = basename(to_name);
        runtime = runtime_of(file, runtimes, fallback);
        wanted = main_name(folder, file, runtime, fallback);
    }
    if (wanted != NULL && strstr(reason, FUNCTION_MISSING) == NULL)
        beside = find_named(folder, file, reason, runtime);
    requirements = xasprintf("%s/" REQUIREMENTS, folder);
    if (beside != NULL) {
        text_add(&out, "%s runs alone, without %s beside it; ", path, beside);
        if (runtimes_for_folder(runtimes, fallback, folder, &none) != NULL)
            text_add(&out, "name the folder: %s", folder);
        else
            text_add(&out, "to run the folder, rename %s to %s", file, wanted);
    } else if (strstr(reason, MODULE_MISSING) != NULL && access(requirements, F_OK) == 0) {
        advise_on_requirements(folder, file != NULL, &out);
    }
    return buf_len(&out) > 0 ? xstrdup(text_of(&out)) : NULL;
}

char *advice_on_name(const char *path, const char *file, const struct runtimes *runtimes,
                     const struct runtime *fallback)
{
    const char *wanted = main_name(path, file, runtime_of(file, runtimes, fallback), fallback);

    if (wanted == NULL || strcmp(wanted, file) == 0)
        return NULL;
    return xasprintf("folder %s cannot be published like this: its main file must be named %s, not "
                     "%s",
                     path, wanted, file);
}
