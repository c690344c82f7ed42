#include "dev/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "action/runtimes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/suggest.h"
#include "base/util.h"
#include "dev/target.h"
#include "dev/text.h"

#define FILE_BYTES_MAX 65536

/* Whether the runtime has a folder "starter" with the files for a new action. */
static bool has_starter(const struct runtime *runtime)
{
    auto_free char *dir = xasprintf("%s/starter", runtime->dir);

    return runtime->dir[0] != '\0' && access(dir, R_OK | X_OK) == 0;
}

static const struct runtime *find_language(const struct runtimes *runtimes, const char *word)
{
    auto_free char *as_file = xasprintf("x.%s", word);
    const struct runtime *found = runtimes_find(runtimes, word);

    for (size_t i = 0; found == NULL && i < runtimes->n; i++)
        if (!runtimes->items[i].only_named && runtime_has_ending_of(&runtimes->items[i], as_file))
            found = &runtimes->items[i];
    return found != NULL && has_starter(found) ? found : NULL;
}

/* Other words that people use for the name of a runtime. */
static const struct {
    const char *word;
    const char *name;
} other_names[] = {
    {"bash", "shell"},
    {"javascript", "nodejs"},
    {"csharp", "dotnet"},
    {"c#", "dotnet"},
};

static int no_such_language(const struct runtimes *runtimes, const char *word, struct err *err)
{
    struct suggest suggest = {.word = word};
    auto_buf struct buf names = {0};

    for (size_t i = 0; i < runtimes->n; i++) {
        if (!has_starter(&runtimes->items[i]))
            continue;
        suggest_offer(&suggest, runtimes->items[i].name);
        text_add(&names, "%s%s", buf_len(&names) > 0 ? ", " : "", runtimes->items[i].name);
    }
    for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
        if (strcasecmp(other_names[i].word, word) == 0)
            suggest.best = other_names[i].name;
    (void)err_set(err, ERR_REQUEST, 0, "new: %s: no such language%s%s%s; want one of: %s", word,
                  suggest.best != NULL ? "; did you mean " : "",
                  suggest.best != NULL ? suggest.best : "", suggest.best != NULL ? "?" : "",
                  text_of(&names));
    return -1;
}

/* Write a new file. Fails if the file exists: it may be somebody's work. */
static int write_file(const char *folder, const char *name, const struct buf *text, struct err *err)
{
    auto_free char *path = xasprintf("%s/%s", folder, name);
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 || fd_write_all(fd, buf_at(text), buf_len(text)) < 0)
        return err_set(err, ERR_SYSTEM, errno, "new: cannot write \"%s\": %s", path,
                       strerror(errno));
    return 0;
}

static int copy_file(const char *from, const char *name, const char *folder, struct err *err)
{
    auto_free char *path = xasprintf("%s/%s", from, name);
    auto_fd int fd = fd_open_file(AT_FDCWD, path);
    auto_buf struct buf text = {0};

    if (fd < 0 || buf_read_all(&text, fd, FILE_BYTES_MAX, -1) < 0)
        return err_set(err, ERR_SYSTEM, errno, "new: cannot read \"%s\": %s", path,
                       strerror(errno));
    return write_file(folder, name, &text, err);
}

/* Write README.md, and tell on stdout what was made. */
static int write_readme(const struct runtime *runtime, const char *folder, struct err *err)
{
    auto_free char *copy = xstrdup(folder);
    auto_buf struct buf text = {0}, words = {0}; /* words: arguments of the commands dev and test */

    if (runtime->only_named)
        text_add(&words, "--runtime %s ", runtime->name);
    text_add_word(&words, folder);
    text_add(&text,
             "# %s\n\nThe function is in `%s`; it gets the argument and returns the answer.\n"
             "`whiskloop dev %s` serves it while you write it: http://127.0.0.1:8080/ has a page.\n"
             "`whiskloop test %s` runs it with each `input*.json` and compares with "
             "`expected*.json`.\n",
             basename(copy), runtime->source, text_of(&words), text_of(&words));
    if (write_file(folder, "README.md", &text, err) < 0)
        return -1;
    (void)printf("%s: %s, input.json, expected.json and README.md; next: whiskloop dev %s\n",
                 folder, runtime->source, text_of(&words));
    return 0;
}

int starter_write(const struct runtimes *runtimes, const char *language, const char *folder,
                  struct err *err)
{
    const struct runtime *runtime = find_language(runtimes, language);
    auto_free char *from = NULL;
    char **names;
    int result = 0;

    if (runtime == NULL)
        return no_such_language(runtimes, language, err);
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYSTEM, errno, "new: cannot make folder \"%s\": %s", folder,
                       strerror(errno));
    names = target_list(folder, "", "");
    result =
        names[0] == NULL || (names[1] != NULL && names[2] == NULL)
            ? 0 /* the folder has no entries but . and .. */
            : err_set(err, ERR_REQUEST, 0,
                      "new: there are files in \"%s\": name a folder that is new or empty", folder);
    strv_free(&names);
    from = xasprintf("%s/starter", runtime->dir);
    names = target_list(from, "", "");
    for (size_t i = 0; result == 0 && names[i] != NULL; i++)
        if (names[i][0] != '.')
            result = copy_file(from, names[i], folder, err);
    strv_free(&names);
    return result == 0 ? write_readme(runtime, folder, err) : -1;
}
