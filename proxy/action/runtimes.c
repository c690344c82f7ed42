#include "action/runtimes.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/script.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_diagnosis.h"
#include "base/util.h"

#define MANIFEST_NAME      "runtime.json"
#define PROGRAM_NAME       "exec" /* the entry file of the runtime native */
#define ANY_NAME           '*'    /* an entry "*.x" means any name that ends in ".x" */
#define MAC_PREFIX         "._"   /* prefix of the files that macOS writes beside others */
#define MAC_FOLDER         "__MACOSX"
#define PROGRAM_HEAD_BYTES 64 /* enough for code_sniff() to recognise an executable */
#define OWN_SETTINGS       "WHISKLOOP_"
#define INNER_DEPTH_MAX    8       /* say_inner() looks into folders nested up to this depth */
#define INNER_PATH_MAX     120     /* say_inner() shows so many bytes of a path: err.text has 512 */
#define LOOK_ENTRIES_MAX   1000000 /* has_ending() stops after this many files, to bound its time */

/* ---- the list of runtimes ---- */

void runtimes_add(struct runtimes *runtimes, const struct runtime *runtime)
{
    assert(runtime->name != NULL);
    assert(runtime->entry != NULL);
    runtimes->items = xrealloc(runtimes->items, (runtimes->n + 1) * sizeof(*runtime));
    runtimes->items[runtimes->n++] = *runtime;
}

/* Add the runtime that dir/name/runtime.json describes. A folder without this file is skipped. */
static int add_runtime(struct runtimes *runtimes, const char *dir, const char *name,
                       struct err *err)
{
    struct runtime runtime = {.dir = xasprintf("%s/%s", dir, name)};
    auto_free char *path = xasprintf("%s/" MANIFEST_NAME, runtime.dir);
    const struct runtime *same;

    if (access(path, F_OK) < 0) {
        manifest_done(&runtime);
        return 0;
    }
    if (manifest_read(path, &runtime, err) < 0) {
        manifest_done(&runtime);
        return -1;
    }
    same = runtimes_find(runtimes, runtime.name);
    if (same != NULL) {
        (void)err_set(err, ERR_REQUEST, 0, "%s: field \"name\": \"%s\" is taken by %s", path,
                      runtime.name, same->dir);
        manifest_done(&runtime);
        return -1;
    }
    runtimes_add(runtimes, &runtime);
    return 0;
}

/* For scandir(): skip ".", ".." and the leftovers of editors and version control. */
static int is_shown(const struct dirent *item)
{
    return item->d_name[0] != '.';
}

int runtimes_load(struct runtimes *runtimes, const char *dir, struct err *err)
{
    auto_free char *absolute = realpath(dir, NULL);
    struct dirent **items = NULL;
    int result = 0;
    int n;

    memset(runtimes, 0, sizeof(*runtimes));
    n = absolute != NULL ? scandir(absolute, &items, is_shown, alphasort) : -1;
    if (n < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot read folder \"%s\" of runtimes: %s", dir,
                       strerror(errno));
    for (int i = 0; i < n; i++) {
        if (result == 0)
            result = add_runtime(runtimes, absolute, items[i]->d_name, err);
        free(items[i]);
    }
    free(items);
    if (result < 0)
        runtimes_done(runtimes);
    return result;
}

void runtimes_done(struct runtimes *runtimes)
{
    for (size_t i = 0; i < runtimes->n; i++)
        manifest_done(&runtimes->items[i]);
    free(runtimes->items);
    memset(runtimes, 0, sizeof(*runtimes));
}

void runtimes_set_libexec(struct runtimes *runtimes, const char *dir)
{
    for (size_t i = 0; i < runtimes->n; i++) {
        free(runtimes->items[i].libexec);
        runtimes->items[i].libexec = xstrdup(dir);
    }
}

const struct runtime *runtimes_find(const struct runtimes *runtimes, const char *name)
{
    for (size_t i = 0; i < runtimes->n; i++) {
        if (strcmp(runtimes->items[i].name, name) == 0)
            return &runtimes->items[i];
    }
    return NULL;
}

/* ---- choosing a runtime ---- */

const struct runtime *runtimes_for_kind(const struct runtimes *runtimes,
                                        const struct runtime *fallback, enum code_kind kind)
{
    const struct runtime *taker = NULL;

    switch (kind) {
    case CODE_SOURCE:
        taker = fallback;
        break;
    case CODE_ELF:
    case CODE_FOREIGN:
    case CODE_SCRIPT:
        taker = fallback != NULL && fallback->takes_programs
                    ? fallback
                    : runtimes_find(runtimes, RUNTIME_NATIVE);
        break;
    case CODE_ZIP:
    case CODE_TAR:
    case CODE_TARGZ:
    case CODE_PACKED:
        break;
    }
    return taker != NULL && taker->source != NULL ? taker : NULL;
}

/* The ending of the file name in a path, such as ".js"; NULL: none. */
static const char *ending_of(const char *path)
{
    const char *slash, *name, *dot;

    assert(path != NULL);
    slash = strrchr(path, '/');
    name = slash != NULL ? slash + 1 : path;
    dot = strrchr(name, '.');
    return dot != NULL && dot > name && dot[1] != '\0' ? dot : NULL;
}

/* The ending of file name `entry`, if entry and runtime->source are the same up to their endings,
 * as index.mjs and index.js are; else NULL. */
static const char *variant_ending(const struct runtime *runtime, const char *entry)
{
    const char *ending = ending_of(runtime->source);
    const char *dot = ending_of(entry);

    return ending != NULL && dot != NULL && dot - entry == ending - runtime->source &&
                   strncmp(entry, runtime->source, (size_t)(dot - entry)) == 0
               ? dot
               : NULL;
}

const char *runtime_source_name(const struct runtime *runtime, const char *file)
{
    const char *wanted = file != NULL ? ending_of(file) : NULL;

    for (char **name = runtime->entry; wanted != NULL && *name != NULL; name++) {
        const char *ending = variant_ending(runtime, *name);

        if (ending != NULL && strcmp(ending, wanted) == 0)
            return *name;
    }
    return runtime->source;
}

bool runtime_has_ending_of(const struct runtime *runtime, const char *path)
{
    const char *ending = ending_of(path);
    const char *stored;

    if (runtime->source == NULL || ending == NULL)
        return false;
    stored = ending_of(runtime_source_name(runtime, path));
    return stored != NULL && strcmp(stored, ending) == 0;
}

/* Append the endings of the source files that runtimes take, ".c, .cs, ...", and a NUL. */
static void list_endings(const struct runtimes *runtimes, struct buf *out)
{
    assert(buf_len(out) == 0);
    for (size_t i = 0; i < runtimes->n; i++) {
        const struct runtime *runtime = &runtimes->items[i];

        for (char **name = runtime->entry; runtime->source != NULL && *name != NULL; name++) {
            const char *ending = variant_ending(runtime, *name);

            if (runtime->only_named || ending == NULL)
                continue;
            buf_add_text(out, buf_len(out) > 0 ? ", " : "");
            buf_add_text(out, ending);
        }
    }
    buf_add(out, "", 1);
}

/* `fallback` if it uses the ending of the file name, or else the first runtime that does; NULL:
 * none does. */
static const struct runtime *runtime_with_ending(const struct runtimes *runtimes,
                                                 const struct runtime *fallback, const char *path)
{
    assert(fallback != NULL);
    if (runtime_has_ending_of(fallback, path))
        return fallback;
    for (size_t i = 0; i < runtimes->n; i++)
        if (!runtimes->items[i].only_named && runtime_has_ending_of(&runtimes->items[i], path))
            return &runtimes->items[i];
    return NULL;
}

bool runtimes_script_is_source(const struct runtimes *runtimes, const struct runtime *fallback,
                               const char *path, const char *text, size_t n, const char *main)
{
    bool has_ending = path != NULL && ending_of(path) != NULL;
    const struct runtime *found =
        has_ending ? runtime_with_ending(runtimes, fallback, path) : fallback;

    if (found == NULL)
        return false;
    return script_is_source(found->script, text, n, main, has_ending && found == fallback);
}

const struct runtime *runtimes_for_source(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *path,
                                          struct err *err)
{
    static const char *const archives[] = {".zip", ".tar", ".gz", ".tgz", ".jar"};
    const struct runtime *found = runtime_with_ending(runtimes, fallback, path);
    auto_buf struct buf endings = {0};

    if (fallback->builds_all || ending_of(path) == NULL)
        return fallback;
    if (found != NULL)
        return found;
    for (size_t i = 0; i < ARRAY_LEN(archives); i++)
        if (strcmp(ending_of(path), archives[i]) == 0) {
            (void)err_set(err, ERR_CODE, 0, "the name ends in %s, but this is no archive",
                          archives[i]);
            return NULL;
        }
    list_endings(runtimes, &endings);
    (void)err_set(err, ERR_REQUEST, 0,
                  "no runtime takes source files that end in %s; known are %s, programs, scripts "
                  "with #! and archives",
                  ending_of(path), buf_at(&endings));
    return NULL;
}

bool runtimes_is_program(int fd)
{
    char head[PROGRAM_HEAD_BYTES];
    ssize_t n = pread(fd, head, sizeof(head), 0);
    enum code_kind kind = n > 0 ? code_sniff(head, (size_t)n) : CODE_SOURCE;

    return kind == CODE_ELF || kind == CODE_SCRIPT;
}

/*
 * Whether an entry file is executable. Its mode or its first bytes decide, because archives made by
 * DOS or by Python's zipfile carry no modes. If so, its mode is set to 0755, but not the mode of a
 * link's target, which may be a program of the system.
 */
static bool take_executable(int dir, const char *name, const struct stat *st)
{
    auto_fd int fd = fd_open_file(dir, name);
    bool executable = (st->st_mode & 0111) != 0 || runtimes_is_program(fd);

    if (executable && fd >= 0 && (st->st_mode & 0777) != 0755)
        (void)fchmod(fd, 0755); /* fails only for another user's file; the launch reports this */
    return executable;
}

/* Whether the folder contains a file whose name ends in `end`. The "._" files of macOS do not
 * count. */
static bool has_ending(int dir, const char *end)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* owned by `stream` */
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *item;
    unsigned n_seen = 0;
    bool found = false;

    if (stream == NULL) {
        fd_close(&fd);
        return false;
    }
    while (!found && n_seen++ < LOOK_ENTRIES_MAX && (item = readdir(stream)) != NULL) {
        size_t n = strlen(item->d_name);
        struct stat st;

        if (strncmp(item->d_name, MAC_PREFIX, strlen(MAC_PREFIX)) == 0)
            continue;
        found = n >= strlen(end) && strcmp(item->d_name + n - strlen(end), end) == 0 &&
                fstatat(dir, item->d_name, &st, 0) == 0 && S_ISREG(st.st_mode);
    }
    (void)closedir(stream);
    return found;
}

bool runtime_always_compiles(const struct runtime *runtime)
{
    return runtime->compile != NULL && runtime->compile_if == NULL;
}

bool runtime_compiles(const struct runtime *runtime, const char *dir)
{
    auto_fd int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (runtime->compile == NULL || runtime->compile_if == NULL)
        return runtime->compile != NULL;
    return folder >= 0 && fstatat(folder, runtime->compile_if, &st, 0) == 0 &&
           S_ISREG(st.st_mode) &&
           (runtime->compile_unless == NULL ||
            fstatat(folder, runtime->compile_unless, &st, AT_SYMLINK_NOFOLLOW) < 0);
}

/* The first of a runtime's entries found in the folder; NULL: none. */
static const char *find_entry(const struct runtime *runtime, int dir)
{
    for (char **name = runtime->entry; *name != NULL; name++) {
        struct stat st;

        if (**name == ANY_NAME) {
            if (has_ending(dir, *name + 1))
                return *name;
            continue;
        }
        /* If the runtime always compiles, its entry may be a folder, too, such as a jar's
         * META-INF. */
        if (fstatat(dir, *name, &st, 0) < 0 ||
            !(S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && runtime_always_compiles(runtime))))
            continue;
        if (!runtime->entry_executable || take_executable(dir, *name, &st))
            return *name;
    }
    return NULL;
}

/* Append a runtime's entry files and its name: "a or b (python)". A separator goes before them,
 * unless this runtime is the first. */
static void say_entries(struct buf *out, const struct runtime *runtime, bool first, bool last)
{
    if (!first)
        buf_add_text(out, last ? " or " : ", ");
    if (runtime->entry_executable)
        buf_add_text(out, "an executable ");
    for (char **name = runtime->entry; *name != NULL; name++) {
        buf_add_text(out, *name);
        buf_add_text(out, name[1] != NULL ? " or " : " (");
    }
    buf_add_text(out, runtime->name);
    buf_add_text(out, ")");
}

/* List in `out` the runtimes that are tried for a folder, in order: native and fallback (fallback
 * first if it takes programs), then the others. Returns their number. */
static size_t candidates(const struct runtimes *runtimes, const struct runtime *fallback,
                         const struct runtime **out)
{
    const struct runtime *native = runtimes_find(runtimes, RUNTIME_NATIVE);
    bool fallback_first = fallback != NULL && fallback->takes_programs;
    const struct runtime *first = fallback_first ? fallback : native;
    const struct runtime *second = fallback_first ? native : fallback;
    size_t n = 0;

    if (first != NULL)
        out[n++] = first;
    if (second != NULL && second != first)
        out[n++] = second;
    for (size_t i = 0; i < runtimes->n; i++) {
        const struct runtime *other = &runtimes->items[i];

        if (other != native && other != fallback && !other->only_named)
            out[n++] = other;
    }
    assert(n <= runtimes->n);
    return n;
}

void runtimes_add_entries(const struct runtimes *runtimes, const struct runtime *fallback,
                          struct buf *out)
{
    auto_free const struct runtime **order = xcalloc(runtimes->n, sizeof(struct runtime *));
    size_t n = candidates(runtimes, fallback, order);
    /* Apache's test suites expect an error text in which the fallback's entry file follows the
     * word "include", so native comes last. */
    size_t first = n > 0 && strcmp(order[0]->name, RUNTIME_NATIVE) == 0 ? 1 : 0;

    for (size_t i = 0; i < n; i++)
        say_entries(out, order[(first + i) % n], i == 0, i + 1 == n);
}

/* The name of the one folder in `dir`, if there is nothing else; what macOS adds to archives does
 * not count. NULL: there is more, or nothing. Caller frees. */
static char *only_folder(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* owned by `stream` */
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *item;
    auto_free char *only = NULL;
    bool more = false;

    if (stream == NULL) {
        fd_close(&fd);
        return NULL;
    }
    while (!more && (item = readdir(stream)) != NULL) {
        struct stat st;

        if (item->d_name[0] == '.' || strcmp(item->d_name, MAC_FOLDER) == 0)
            continue;
        more = only != NULL || fstatat(dir, item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
               !S_ISDIR(st.st_mode);
        if (!more)
            only = xstrdup(item->d_name);
    }
    (void)closedir(stream);
    return more ? NULL : TAKE(only);
}

/* `folder` may hold only a subfolder, which holds only a subfolder, and so on. Archives are like
 * this if a folder was packed instead of its content, or by its whole path. If one of these
 * subfolders has an entry file, append a text with the subfolder's path, and return true. */
static bool say_inner(struct buf *out, const struct runtime **order, size_t n, int folder)
{
    auto_fd int at = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_buf struct buf path = {0};

    for (int depth = 0; at >= 0 && depth < INNER_DEPTH_MAX; depth++) {
        auto_free char *only = only_folder(at);
        int inner =
            only != NULL ? openat(at, only, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

        fd_close(&at);
        at = inner;
        if (depth > 0)
            buf_add_text(&path, "/");
        if (only != NULL)
            buf_add(&path, only, strlen(only));
        for (size_t i = 0; at >= 0 && i < n; i++) {
            if (find_entry(order[i], at) == NULL)
                continue;
            buf_add_text(out, "; it is in the folder \"");
            buf_add(out, buf_at(&path),
                    buf_len(&path) < INNER_PATH_MAX ? buf_len(&path) : INNER_PATH_MAX);
            buf_add_text(out, "\": publish what is in that folder");
            return true;
        }
    }
    return false;
}

/* Append why no entry file was found although there seems to be one: the file lies in a subfolder,
 * or `exec` is no program. */
static void say_misplaced(struct buf *out, const struct runtime **order, size_t n, int folder,
                          const char *dir)
{
    auto_free char *program = xasprintf("%s/" PROGRAM_NAME, dir);
    char why[128] = "";
    struct stat st;

    if (say_inner(out, order, n, folder))
        return;
    if (stat(program, &st) == 0 && S_ISREG(st.st_mode))
        exec_diagnosis_detail(program, ENOEXEC, why, sizeof(why));
    if (why[0] != '\0') {
        buf_add_text(out, "; ");
        buf_add_text(out, why);
    }
}

const struct runtime *runtimes_for_folder(const struct runtimes *runtimes,
                                          const struct runtime *fallback, const char *dir,
                                          struct err *err)
{
    auto_free const struct runtime **order = xcalloc(runtimes->n, sizeof(struct runtime *));
    auto_fd int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t n = candidates(runtimes, fallback, order);
    auto_buf struct buf text = {0};

    if (folder < 0) {
        (void)err_set(err, ERR_SYSTEM, errno, "cannot open folder \"%s\": %s", dir,
                      strerror(errno));
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (find_entry(order[i], folder) != NULL)
            return order[i];
    }
    runtimes_add_entries(runtimes, fallback, &text);
    say_misplaced(&text, order, n, folder, dir);
    (void)err_set(err, ERR_CODE, 0, "%s%sZip file does not include %.*s",
                  fallback != NULL && fallback->no_entry != NULL ? fallback->no_entry : "",
                  fallback != NULL && fallback->no_entry != NULL ? " " : "", (int)buf_len(&text),
                  buf_at(&text));
    return NULL;
}

/* ---- commands to launch ---- */

/*
 * Copy the proxy's environment without the proxy's settings, which do not concern the action. Other
 * proxies pass on __OW_* only, and their users complain about a missing PATH or HOME (runtime-go
 * issues 97, 118, 137).
 */
static void copy_base_env(char *const *base_env, char ***env)
{
    bool has_path = false;

    for (; base_env != NULL && *base_env != NULL; base_env++) {
        if (strncmp(*base_env, OWN_SETTINGS, sizeof(OWN_SETTINGS) - 1) == 0 ||
            strchr(*base_env, '=') == NULL)
            continue;
        has_path = has_path || strncmp(*base_env, "PATH=", 5) == 0;
        strv_push(env, xstrdup(*base_env));
    }
    if (!has_path)
        strv_setenv(env, "PATH", EXEC_SPEC_DEFAULT_PATH);
}

/* Fill what the exec specs of all launchers have in common. command: the runtime's `launch` or
 * `prelaunch`. values: the texts for the placeholders in command; this function sets those for
 * {runtime} and {libexec}. */
static void begin_spec(const struct runtime *runtime, char *const *command,
                       const char *values[N_PLACEHOLDERS], char *const *base_env,
                       struct exec_spec *spec)
{
    assert(spec->argv == NULL && spec->env == NULL);
    assert(command[0] != NULL);
    values[PLACEHOLDER_RUNTIME] = runtime->dir;
    values[PLACEHOLDER_LIBEXEC] = runtime->libexec != NULL ? runtime->libexec : "";
    for (; *command != NULL; command++)
        strv_push(&spec->argv, manifest_expand(*command, values));
    copy_base_env(base_env, &spec->env);
    spec->shortfall = runtime->shortfall != NULL ? xstrdup(runtime->shortfall) : NULL;
    spec->answers = runtime->answers;
}

void runtime_exec_spec(const struct runtime *runtime, const char *dir, const char *main,
                       char *const *base_env, char *const *init_env, struct exec_spec *spec)
{
    auto_fd int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *entry = folder >= 0 ? find_entry(runtime, folder) : NULL;
    const char *values[N_PLACEHOLDERS] = {
        [PLACEHOLDER_ACTION] = dir,
        [PLACEHOLDER_MAIN] = main,
        [PLACEHOLDER_ENTRY] = entry != NULL ? entry : runtime->entry[0],
    };

    assert(dir[0] == '/');
    begin_spec(runtime, runtime->launch, values, base_env, spec);
    strv_put_all(&spec->env, init_env);
    /* Always ask a launcher for a ready line. Programs without a launcher have ANSWERS_AUTO: for
     * these, actionloop_read() has set or unset this variable in the proxy's environment. */
    if (runtime->answers != ANSWERS_AUTO)
        strv_setenv(&spec->env, "__OW_WAIT_FOR_ACK", "1");
    spec->cwd = xstrdup(dir);
    spec->reports_ready = runtime->reports_ready;
    spec->wants_object = runtime->wants_object;
    spec->shares_ring = runtime->shares_ring;
}

bool runtime_prewarm(const struct runtime *runtime, bool forks, char *const *base_env,
                     struct exec_spec *spec)
{
    const char *values[N_PLACEHOLDERS] = {
        [PLACEHOLDER_ACTION] = "",
        [PLACEHOLDER_MAIN] = "",
        [PLACEHOLDER_ENTRY] = "",
    };

    if (runtime->prelaunch == NULL)
        return false;
    begin_spec(runtime, runtime->prelaunch, values, base_env, spec);
    strv_setenv(&spec->env, "__OW_WAIT_FOR_ACK", "1");
    spec->reports_ready = true;
    spec->socket_in = forks;
    return true;
}
