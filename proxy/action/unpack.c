/*
 * Two guards stand one behind the other: names and link targets are checked here before the disk
 * is touched, and libarchive's SECURE flags refuse what a name alone does not show, such as a
 * folder that an earlier entry has made a link.
 *
 * The library is told two formats and two filters only. With all of them it takes source text for
 * archives, and its streaming zip reader believes local headers and loses the modes. Its warnings
 * are errors here: a wrong checksum is no more than a warning to it.
 */

#include "action/unpack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/err.h"
#include "base/util.h"

#define LOOK_ENTRIES_MAX 1000000 /* unpack_has() keeps none of them; the child's deadline ends it */
#define RATIO_FROM_BYTES (1U << 20) /* less than this is no bomb, however well it packs */
#define NAME_SHOWN       "%.160s"   /* leaves room for the reason in an err's text */

struct unpacking {
    struct archive *in;                 /* owned */
    struct archive *disk;               /* owned */
    const struct unpack_limits *limits; /* borrowed from the caller of unpack_archive() */
    size_t archive_len;
    uint64_t bytes;   /* unpacked by the entries before this one; <= bytes_max */
    uint64_t entries; /* begun so far */
};

/* ---- names: bytes in, result out ---- */

/* The next part of a path, "." and empty ones skipped. False at the end. */
static bool next_part(const char **at, const char **part, size_t *n)
{
    for (;;) {
        *at += strspn(*at, "/");
        if (**at == '\0')
            return false;
        *part = *at;
        *n = strcspn(*at, "/");
        *at += *n;
        if (*n != 1 || **part != '.')
            return true;
    }
}

static bool is_dotdot(const char *part, size_t n)
{
    return n == 2 && memcmp(part, "..", 2) == 0;
}

static bool name_is_inside(const char *name)
{
    const char *part;
    size_t n;

    if (name[0] == '/' || name[0] == '\0')
        return false;
    while (next_part(&name, &part, &n)) {
        if (is_dotdot(part, n))
            return false;
    }
    return true;
}

/*
 * Whether a symbolic link leads to the inside. ".." counts from the link's own folder and may only
 * stand in front: behind a name it goes up from wherever that name leads, which may be a link.
 */
static bool target_is_inside(const char *name, const char *target)
{
    size_t depth = 0; /* folders above the link */
    bool named = false;
    const char *part;
    size_t n;

    if (target[0] == '/' || target[0] == '\0')
        return false;
    while (next_part(&name, &part, &n))
        depth++;
    depth -= depth > 0 ? 1 : 0;
    while (next_part(&target, &part, &n)) {
        if (!is_dotdot(part, n)) {
            named = true;
            continue;
        }
        if (named || depth == 0)
            return false;
        depth--;
    }
    return true;
}

/* ---- failures ---- */

static int refuse(struct err *err, const char *name, const char *why)
{
    return err_set(err, ERR_CODE, 0, "archive entry \"" NAME_SHOWN "\" %s", name, why);
}

static const char *reason(struct archive *archive)
{
    const char *text = archive_error_string(archive);

    return text != NULL ? text : "damaged";
}

static int read_failed(struct unpacking *u, const char *name, struct err *err)
{
    if (name == NULL)
        return err_set(err, ERR_CODE, 0, "cannot read archive: %s", reason(u->in));
    return err_set(err, ERR_CODE, 0, "cannot read archive entry \"" NAME_SHOWN "\": %s", name,
                   reason(u->in));
}

/* Which failures to write are the machine's and not the archive's. */
static bool is_systems_fault(int os)
{
    static const int faults[] = {EACCES, EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EPERM, EROFS};

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (os == faults[i])
            return true;
    }
    return false;
}

static int write_failed(struct unpacking *u, const char *name, struct err *err)
{
    int os = archive_errno(u->disk);
    bool system = is_systems_fault(os);

    return err_set(err, system ? ERR_SYSTEM : ERR_CODE, system ? os : 0,
                   "cannot unpack archive entry \"" NAME_SHOWN "\": %s", name, reason(u->disk));
}

/* Names come from outside and may hold anything; an err's text is one printable line. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* ---- bounds ---- */

/* Check the sum with entry_bytes of the current entry in it. */
static int check_bytes(const struct unpacking *u, uint64_t entry_bytes, struct err *err)
{
    const struct unpack_limits *limits = u->limits;
    uint64_t sum;

    assert(u->bytes <= limits->bytes_max);
    if (entry_bytes > limits->bytes_max - u->bytes)
        return err_set(err, ERR_LIMIT, 0,
                       "archive unpacks to more than %" PRIu64 " bytes (--unpack-max-bytes)",
                       limits->bytes_max);
    sum = u->bytes + entry_bytes;
    /* sum > ratio * archive_len, written so that nothing can overflow */
    if (limits->ratio_max > 0 && sum > RATIO_FROM_BYTES &&
        (sum - 1) / limits->ratio_max >= u->archive_len)
        return err_set(err, ERR_LIMIT, 0,
                       "archive unpacks to more than %u times its size (--unpack-ratio-max)",
                       limits->ratio_max);
    return 0;
}

static int count_entry(struct unpacking *u, struct err *err)
{
    u->entries++;
    if (u->entries > u->limits->entries_max)
        return err_set(err, ERR_LIMIT, 0,
                       "archive holds more than %" PRIu64 " entries (--unpack-entries-max)",
                       u->limits->entries_max);
    return 0;
}

/* ---- one entry ---- */

/*
 * A virtual environment holds bin/python -> /usr/bin/python3. A link to a program that is there
 * already is let through: nothing is ever written through a link (SECURE_SYMLINKS; a hard link to
 * it is refused below), and the action may run that program anyway.
 */
static bool is_program(const char *target)
{
    struct stat st;

    return target[0] == '/' && stat(target, &st) == 0 && S_ISREG(st.st_mode) &&
           (st.st_mode & 0111) != 0;
}

static int check_symlink(const char *name, const char *target, struct err *err)
{
    if (target == NULL)
        return refuse(err, name, "is a link with an unreadable target");
    if (!target_is_inside(name, target) && !is_program(target))
        return refuse(err, name, "is a link to the outside of the action's folder");
    return 0;
}

static int check_hard_link(const char *name, const char *target, struct err *err)
{
    struct stat st;

    if (!name_is_inside(target))
        return refuse(err, name, "is a hard link to the outside of the action's folder");
    /* A second name for a symbolic link would lead elsewhere when it lies in another folder. */
    if (lstat(target, &st) < 0 || !S_ISREG(st.st_mode))
        return refuse(err, name, "is a hard link, but not to a file that was unpacked before it");
    return 0;
}

static int check_entry(struct archive_entry *entry, const char *name, struct err *err)
{
    const char *hard_link = archive_entry_hardlink(entry);
    mode_t type = archive_entry_filetype(entry);

    if (archive_entry_is_encrypted(entry))
        return refuse(err, name, "is encrypted; pack it without a password");
    if (!name_is_inside(name))
        return refuse(err, name, "would land outside the action's folder");
    if (hard_link != NULL)
        return check_hard_link(name, hard_link, err);
    if (type == AE_IFLNK)
        return check_symlink(name, archive_entry_symlink(entry), err);
    if (type != AE_IFREG && type != AE_IFDIR)
        return refuse(err, name, "is neither a file nor a folder nor a link");
    return 0;
}

static int copy_data(struct unpacking *u, const char *name, uint64_t *entry_bytes, struct err *err)
{
    for (;;) {
        const void *block;
        size_t n;
        la_int64_t offset;
        int r = archive_read_data_block(u->in, &block, &n, &offset);

        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK || offset < 0)
            return read_failed(u, name, err);
        /* By position, not by bytes seen: the holes of a sparse file count too. */
        if ((uint64_t)offset + n > *entry_bytes)
            *entry_bytes = (uint64_t)offset + n;
        if (check_bytes(u, *entry_bytes, err) < 0)
            return -1;
        if (archive_write_data_block(u->disk, block, n, offset) != ARCHIVE_OK)
            return write_failed(u, name, err);
    }
}

static int unpack_entry(struct unpacking *u, struct archive_entry *entry, struct err *err)
{
    const char *name = archive_entry_pathname(entry);
    bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    uint64_t entry_bytes = 0;

    if (name == NULL)
        return err_set(err, ERR_CODE, 0, "archive entry %" PRIu64 " has an unreadable name",
                       u->entries);
    if (check_entry(entry, name, err) < 0)
        return -1;
    /* The size it claims is refused at once; a claim that is too small is found while copying. */
    if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0)
        entry_bytes = (uint64_t)archive_entry_size(entry);
    if (check_bytes(u, entry_bytes, err) < 0)
        return -1;
    archive_entry_set_perm(entry,
                           (archive_entry_perm(entry) & 0777) | (mode_t)(folder ? 0700 : 0600));
    if (archive_write_header(u->disk, entry) != ARCHIVE_OK)
        return write_failed(u, name, err);
    if (copy_data(u, name, &entry_bytes, err) < 0)
        return -1;
    if (archive_write_finish_entry(u->disk) != ARCHIVE_OK)
        return write_failed(u, name, err);
    u->bytes += entry_bytes;
    return 0;
}

/* ---- the whole ---- */

static int unpack_all(struct unpacking *u, struct err *err)
{
    struct archive_entry *entry = NULL; /* the library's */
    int r;

    while ((r = archive_read_next_header(u->in, &entry)) != ARCHIVE_EOF) {
        const char *name = r == ARCHIVE_WARN ? archive_entry_pathname(entry) : NULL;

        if (r != ARCHIVE_OK)
            return read_failed(u, name, err);
        if (count_entry(u, err) < 0 || unpack_entry(u, entry, err) < 0)
            return -1;
    }
    if (u->entries == 0)
        return err_set(err, ERR_CODE, 0, "cannot read archive: it holds no entry at all");
    if (archive_write_close(u->disk) != ARCHIVE_OK) /* gives the folders their modes */
        return write_failed(u, ".", err);
    return 0;
}

static int open_archives(struct unpacking *u, const void *bytes, size_t n, struct err *err)
{
    const int flags = ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                      ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

    u->in = archive_read_new();
    u->disk = archive_write_disk_new();
    if (u->in == NULL || u->disk == NULL)
        return err_set(err, ERR_SYSTEM, ENOMEM, "cannot unpack: out of memory");
    if (archive_read_support_format_zip_seekable(u->in) != ARCHIVE_OK ||
        archive_read_support_format_tar(u->in) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(u->in) != ARCHIVE_OK ||
        archive_read_support_filter_none(u->in) != ARCHIVE_OK ||
        archive_write_disk_set_options(u->disk, flags) != ARCHIVE_OK)
        return err_set(err, ERR_SYSTEM, 0, "cannot unpack: libarchive lacks zip, tar or gzip");
    if (archive_read_open_memory(u->in, bytes, n) != ARCHIVE_OK)
        return read_failed(u, NULL, err);
    return 0;
}

int unpack_archive(const char *dir, const void *bytes, size_t n, const struct unpack_limits *limits,
                   struct err *err)
{
    struct unpacking u = {.limits = limits, .archive_len = n};
    int result;

    assert(dir[0] == '/');
    /* In the "C" locale the library gives no name at all for an entry beyond ASCII. Where the
     * system lacks this one, such an entry is refused by name == NULL. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (chdir(dir) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot enter folder \"" NAME_SHOWN "\": %s", dir,
                       strerror(errno));
    result = open_archives(&u, bytes, n, err);
    if (result == 0)
        result = unpack_all(&u, err);
    if (result < 0)
        make_printable(err->text);
    (void)archive_write_free(u.disk);
    (void)archive_read_free(u.in);
    return result;
}

bool unpack_has(const void *bytes, size_t n, const char *name)
{
    struct archive *in = archive_read_new();
    struct archive_entry *entry = NULL;
    unsigned entries = 0;
    bool found = false;

    if (in != NULL && archive_read_support_format_zip_seekable(in) == ARCHIVE_OK &&
        archive_read_open_memory(in, bytes, n) == ARCHIVE_OK) {
        while (!found && entries++ < LOOK_ENTRIES_MAX &&
               archive_read_next_header(in, &entry) == ARCHIVE_OK) {
            const char *pathname = archive_entry_pathname(entry);

            found = pathname != NULL && strcmp(pathname, name) == 0;
        }
    }
    (void)archive_read_free(in);
    return found;
}

int unpack_file(const char *dir, const char *name, const void *bytes, size_t n, struct err *err)
{
    auto_fd int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_fd int fd = -1;

    assert(name[0] != '\0' && strchr(name, '/') == NULL);
    if (folder < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot enter folder \"" NAME_SHOWN "\": %s", dir,
                       strerror(errno));
    fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot create file \"%s\": %s", name,
                       strerror(errno));
    if (fd_write_all(fd, bytes, n) < 0 || fchmod(fd, 0755) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot write %zu bytes to file \"%s\": %s", n, name,
                       strerror(errno));
    return 0;
}
