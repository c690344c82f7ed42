#include "dev/target.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/runtimes.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/util.h"
#include "dev/text.h"

#define EXAMPLES_MAX      32
#define EXAMPLE_BYTES_MAX 65536
#define NAMES_MAX         4096
#define LOOK_ENTRIES_MAX  100000 /* most entries that target_list() reads, to bound its time */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **target_list(const char *folder, const char *start, const char *end)
{
    DIR *dir;
    char **names = xcalloc(1, sizeof(*names));
    struct dirent *item;
    unsigned n_seen = 0;
    size_t n = 0;

    assert(folder != NULL);
    dir = opendir(folder);
    while (dir != NULL && n < NAMES_MAX && n_seen++ < LOOK_ENTRIES_MAX &&
           (item = readdir(dir)) != NULL) {
        size_t n_name = strlen(item->d_name);

        if (n_name < strlen(start) + strlen(end) ||
            strncmp(item->d_name, start, strlen(start)) != 0 ||
            strcmp(item->d_name + n_name - strlen(end), end) != 0)
            continue;
        names = xrealloc(names, (n + 2) * sizeof(*names));
        names[n++] = xstrdup(item->d_name);
        names[n] = NULL;
    }
    if (dir != NULL)
        (void)closedir(dir);
    qsort(names, n, sizeof(*names), compare_names);
    return names;
}

int target_open_file(const char *folder, const char *name)
{
    auto_free char *path = xasprintf("%s/%s", folder, name);
    auto_free char *real = realpath(path, NULL); /* fd_open_file() refuses a symbolic link */

    return real != NULL ? fd_open_file(AT_FDCWD, real) : -1;
}

int target_open(struct target *target, const char *command, const char *path, struct err *err)
{
    struct stat info;
    size_t n = strlen(path);
    auto_free char *real = NULL;

    assert(target->path == NULL);
    while (n > 1 && path[n - 1] == '/')
        n--;
    target->path = xstrndup(path, n);
    if (stat(target->path, &info) < 0)
        return err_set(err, ERR_REQUEST, errno, "%s: cannot read \"%s\": %s", command, path,
                       strerror(errno));
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode))
        return err_set(err, ERR_REQUEST, 0, "%s: \"%s\" is neither a file nor a folder", command,
                       path);
    real = realpath(target->path, NULL);
    if (real == NULL)
        return err_set(err, ERR_REQUEST, errno, "%s: cannot read \"%s\": %s", command, path,
                       strerror(errno));
    /* Replace "." by its real path: when the folder is moved away, "." still leads to it, but the
     * real path no longer does. */
    if (strcmp(target->path, ".") == 0) {
        free(target->path);
        target->path = xstrdup(real);
    }
    /* For a folder, take the name from the real path: a name such as "." says nothing to people. */
    target->name = xstrdup(basename(S_ISDIR(info.st_mode) ? real : target->path));
    return 0;
}

/* The name of the only source file in a folder; the caller frees it. NULL: there is none, or there
 * are several. */
static char *only_source(const char *folder, const struct runtimes *runtimes,
                         const struct runtime *fallback)
{
    char **names = target_list(folder, "", "");
    char *found = NULL;
    unsigned n = 0;

    for (char **name = names; *name != NULL; name++) {
        auto_free char *path = xasprintf("%s/%s", folder, *name);
        struct stat info;
        struct err none;

        if ((*name)[0] == '.' || strchr(*name, '.') == NULL || stat(path, &info) < 0 ||
            !S_ISREG(info.st_mode) || runtimes_for_source(runtimes, fallback, *name, &none) == NULL)
            continue;
        n++;
        free(found);
        found = xstrdup(*name);
    }
    strv_free(&names);
    if (n != 1)
        free(TAKE(found));
    return found;
}

static bool is_in(const char *folder, const char *name)
{
    auto_free char *path = xasprintf("%s/%s", folder, name);

    return access(path, F_OK) == 0;
}

/* Set target->entry to the file that makes the folder an action. If the file that was target->entry
 * before is gone, set target->gone to it. runtime: the one that can start the folder; NULL: none
 * can, and then target->only, if it is set, is the action. */
static void note_entry(struct target *target, const struct runtime *runtime)
{
    auto_free char *before = TAKE(target->entry);

    if (target->only != NULL)
        target->entry = xstrdup(target->only);
    else if (runtime != NULL)
        for (char **name = runtime->entry; *name != NULL && target->entry == NULL; name++)
            target->entry = is_in(target->path, *name) ? xstrdup(*name) : NULL;
    if (before != NULL && !is_in(target->path, before))
        target->gone = TAKE(before);
}

void target_look(struct target *target, const struct runtimes *runtimes,
                 const struct runtime *fallback)
{
    const struct runtime *runtime;
    struct stat info;
    struct err none;
    auto_free char *copy = NULL;

    assert(target->path != NULL);
    free(TAKE(target->gone));
    free(TAKE(target->code));
    free(TAKE(target->folder));
    free(TAKE(target->only));
    if (stat(target->path, &info) == 0 && S_ISDIR(info.st_mode)) {
        runtime = runtimes_for_folder(runtimes, fallback, target->path, &none);
        if (runtime == NULL)
            target->only = only_source(target->path, runtimes, fallback);
        note_entry(target, runtime);
        target->folder = realpath(target->path, NULL);
    } else {
        copy = xstrdup(target->path); /* dirname() changes its argument */
        target->folder = realpath(dirname(copy), NULL);
        target->only = xstrdup(basename(target->path));
    }
    if (target->folder == NULL)
        target->folder = xstrdup(".");
    target->code = target->only != NULL ? xasprintf("%s/%s", target->folder, target->only)
                                        : xstrdup(target->path);
}

bool target_is_empty(const struct target *target)
{
    char **names = target_list(target->path, "", "");
    bool is_empty = target->only == NULL;

    for (char **name = names; *name != NULL; name++)
        is_empty = is_empty && (*name)[0] == '.';
    strv_free(&names);
    return is_empty;
}

void target_done(struct target *target)
{
    free(target->path);
    free(target->name);
    free(target->code);
    free(target->folder);
    free(target->only);
    free(target->entry);
    free(target->gone);
    memset(target, 0, sizeof(*target));
}

/* Append the content of the file `name`, an example of an argument, to a JSON array. A file that
 * cannot be read, is too long or is not JSON is left out. */
static void write_example(const char *folder, const char *name, const char **comma, struct buf *out)
{
    auto_fd int fd = target_open_file(folder, name);
    auto_buf struct buf text = {0};
    const char *json;
    size_t n;

    if (fd < 0 || buf_read_all(&text, fd, EXAMPLE_BYTES_MAX, -1) < 0 || buf_len(&text) == 0 ||
        buf_len(&text) > EXAMPLE_BYTES_MAX)
        return;
    json = buf_at(&text) + utf8_mark_length(buf_at(&text), buf_len(&text));
    n = buf_len(&text) - (size_t)(json - buf_at(&text));
    if (json_check(json, n, NULL) == JSON_BAD)
        return;
    text_add(out, "%s{\"name\":", *comma);
    text_add_json(out, name);
    buf_add_text(out, ",\"value\":");
    json_compact(out, json_top(json, n));
    buf_add_text(out, "}");
    *comma = ",";
}

void target_write_examples(const struct target *target, struct buf *out)
{
    char **names = target_list(target->folder, "input", ".json");
    const char *comma = "";

    buf_add_text(out, "[");
    for (size_t i = 0; i < EXAMPLES_MAX && names[i] != NULL; i++)
        write_example(target->folder, names[i], &comma, out);
    buf_add_text(out, "]");
    strv_free(&names);
}
