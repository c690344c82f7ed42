/*
 * There are two checks. Names and link targets are checked here, before the disk is touched.
 * libarchive's SECURE flags refuse what a name alone does not show, such as a folder that an
 * earlier entry has replaced by a link.
 *
 * libarchive may read zip and tar only; gzip is unpacked by action/gunzip.h. With all of its
 * formats allowed, libarchive takes source text for an archive, and its streaming zip reader trusts
 * local headers and loses the modes. A warning of libarchive counts as an error here, because for a
 * wrong checksum libarchive only warns. A warning about a tar name that is not UTF-8 is ignored.
 *
 * libarchive normalises names to Unicode NFC, which can make two different names equal. So the
 * names in a zip, or in the pax headers of a tar, are read from the archive itself.
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

#include "action/entry.h"
#include "action/envelope.h"
#include "action/gunzip.h"
#include "action/store.h"
#include "action/tar_name.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/util.h"

#define DROPPED_MAX      100  /* most dangling links to skip; every name is compared with each */
#define TAR_ENTRY_BYTES  4096 /* bytes allowed per entry of a tar for header, padding, long names */
#define TAR_ENTRIES_MORE 4096 /* this many times TAR_ENTRY_BYTES may be zeros at a tar's end */
#define HEADERS_MAX_BYTES                                                                          \
    (4U << 20) /* most bytes of an entry's headers to keep; libarchive takes no header above 1 MB */
#define LOOK_ENTRIES_MAX 1000000    /* bounds the time of unpack_has() */
#define RATIO_FROM_BYTES (1U << 20) /* ratio_max does not apply up to this unpacked size */
#define TRIAL_NAME       ".whiskloop-trial"
#define NAME_SHOWN       "%.160s" /* leaves room for the reason in an error text */

struct unpacking {
    struct archive *in;                 /* owned; reads the archive */
    struct archive *disk;               /* owned; writes its entries to disk */
    const struct unpack_limits *limits; /* borrowed from the caller of unpack_archive() */
    const unsigned char *archive_bytes; /* borrowed; the archive in memory */
    size_t archive_len;
    bool is_dos_zip;       /* a backslash in its names may stand for a slash */
    struct gunzip *gunzip; /* owned; NULL: the archive is no gzip */
    /* owned; if gunzip != NULL: the blocks unpacked last, with the current entry's headers */
    struct buf headers;
    uint64_t headers_at; /* offset in the tar at which `headers` begins */
    bool in_headers;     /* libarchive is reading the headers of an entry */
    uint64_t bytes;      /* size of all earlier entries, unpacked; <= bytes_max */
    uint64_t entries;    /* number of entries begun so far */
    char **dropped;      /* owned: names of the links not unpacked, NULL-terminated; NULL: none */
    unsigned n_dropped;
    struct buf *said; /* borrowed: gets lines for the log; NULL: no lines are wanted */
};

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
    if (archive_errno(u->in) == ENOMEM)
        return err_set(err, ERR_LIMIT, 0,
                       "the archive takes more than %u MiB of memory to unpack: its names or its "
                       "headers are too long, or it has too many",
                       UNPACK_MEMORY_BYTES >> 20);
    if (name == NULL)
        return err_set(err, ERR_CODE, 0, "cannot read archive: %s", reason(u->in));
    return err_set(err, ERR_CODE, 0, "cannot read archive entry \"" NAME_SHOWN "\": %s", name,
                   reason(u->in));
}

/* Whether a write failed because of the machine rather than the archive. */
static bool is_systems_fault(int os)
{
    static const int faults[] = {EACCES, EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EPERM, EROFS};

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (os == faults[i])
            return true;
    }
    return false;
}

/* The errno of a failed write. libarchive reports ENOENT whenever it cannot make a folder. To get
 * the real reason, try to make a folder ourselves. */
static int write_errno(struct unpacking *u)
{
    int os = archive_errno(u->disk);

    if (os == ENOENT && mkdir(TRIAL_NAME, 0700) < 0)
        return errno;
    if (os == ENOENT)
        (void)rmdir(TRIAL_NAME);
    return os;
}

static int write_failed(struct unpacking *u, const char *name, struct err *err)
{
    int os = write_errno(u);
    bool system = is_systems_fault(os);
    bool is_cause = system || os == ENAMETOOLONG || os == ENOTDIR; /* which libarchive leaves out */
    const char *full = store_full(".", os);

    return err_set(err, system ? ERR_SYSTEM : ERR_CODE, system ? os : 0,
                   "cannot unpack archive entry \"" NAME_SHOWN "\": %s", name,
                   full != NULL ? full
                   : is_cause   ? strerror(os)
                                : reason(u->disk));
}

/* ---- bounds ---- */

/* Check the total of unpacked bytes so far. entry_bytes: those of the current entry. */
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
    /* the condition is sum > ratio * archive_len, in a form that cannot overflow */
    if (limits->ratio_max > 0 && sum > RATIO_FROM_BYTES &&
        (sum - 1) / limits->ratio_max >= u->archive_len)
        return err_set(err, ERR_LIMIT, 0,
                       "archive unpacks to more than %u times its size (--unpack-ratio-max)",
                       limits->ratio_max);
    return 0;
}

/* ---- one entry ---- */

/*
 * Whether a link leads to an existing program. Such a link is allowed, because virtual environments
 * contain bin/python -> /usr/bin/python3. It is harmless: the action may run that program anyway,
 * and nothing is ever written through a link (SECURE_SYMLINKS; hard links to links are refused).
 */
static bool is_program(const char *target)
{
    struct stat st;

    return target[0] == '/' && stat(target, &st) == 0 && S_ISREG(st.st_mode) &&
           (st.st_mode & 0111) != 0;
}

/* Whether a link leads out of the action's folder to something that does not exist, perhaps because
 * the archive was made on another machine. */
static bool is_dangling(const char *name, const char *target)
{
    auto_free char *path = entry_link_outside(name, target);
    struct stat st;

    return path != NULL && stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static bool is_dropped(const struct unpacking *u, const char *name)
{
    for (unsigned i = 0; i < u->n_dropped; i++)
        if (entry_is_below(name, u->dropped[i]))
            return true;
    return false;
}

/* Leave out a dangling link, and report it. 1, or -1: too many links were left out. */
static int drop(struct unpacking *u, const char *name, const char *target, struct err *err)
{
    auto_free char *line = NULL;

    if (u->n_dropped >= DROPPED_MAX)
        return refuse(err, name, "is one link too many to the outside of the action's folder");
    strv_push(&u->dropped, xstrdup(name));
    u->n_dropped++;
    line = xasprintf("archive entry \"" NAME_SHOWN "\" is left out: it is a link to \"" NAME_SHOWN
                     "\", which is not here\n",
                     name, target);
    entry_make_printable(line);
    line[strlen(line) - 1] = '\n';
    if (u->said != NULL)
        buf_add_text(u->said, line);
    return 1;
}

static int check_symlink(struct unpacking *u, const char *name, const char *target, struct err *err)
{
    if (target == NULL)
        return refuse(err, name, "is a link with an unreadable target");
    if (entry_link_is_inside(name, target) || is_program(target))
        return 0;
    if (is_dangling(name, target))
        return drop(u, name, target, err);
    return refuse(err, name, "is a link to the outside of the action's folder");
}

/* Check the target of a hard link, and normalise it by entry_inside(). */
static int check_hard_link(struct archive_entry *entry, const char *name, struct err *err)
{
    auto_free char *target = entry_inside(archive_entry_hardlink(entry));
    struct stat st;

    if (target == NULL)
        return refuse(err, name, "is a hard link to the outside of the action's folder");
    /* Refuse a symbolic link as target: relative to the hard link's folder, it may lead outside. */
    if (lstat(target, &st) < 0 || !S_ISREG(st.st_mode))
        return refuse(err, name, "is a hard link, but not to a file that was unpacked before it");
    archive_entry_set_hardlink(entry, target);
    return 0;
}

/* Check an entry. 0: write it; 1: leave it out; -1: refuse the archive. name: the entry's name,
 * normalised by entry_inside(). */
static int check_entry(struct unpacking *u, struct archive_entry *entry, const char *name,
                       struct err *err)
{
    mode_t type = archive_entry_filetype(entry);

    assert(name[0] != '/');
    if (archive_entry_is_encrypted(entry))
        return refuse(err, name, "is encrypted; pack it without a password");
    if (is_dropped(u, name))
        return refuse(err, name, "lies behind a link to the outside of the action's folder");
    if (archive_entry_hardlink(entry) != NULL)
        return check_hard_link(entry, name, err);
    if (type == AE_IFLNK)
        return check_symlink(u, name, archive_entry_symlink(entry), err);
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
        /* Count all bytes up to the block's end, so that the holes of a sparse file count, too. */
        if ((uint64_t)offset + n > *entry_bytes)
            *entry_bytes = (uint64_t)offset + n;
        if (check_bytes(u, *entry_bytes, err) < 0)
            return -1;
        if (archive_write_data_block(u->disk, block, n, offset) != ARCHIVE_OK)
            return write_failed(u, name, err);
    }
}

/* The tar's bytes from the current entry's first header on, as far as they are in memory. *n: how
 * many there are. */
static const char *headers_of(const struct unpacking *u, size_t *n)
{
    la_int64_t position = archive_read_header_position(u->in);
    uint64_t at = position >= 0 ? (uint64_t)position : UINT64_MAX;
    uint64_t from = u->gunzip != NULL ? u->headers_at : 0;
    size_t all = u->gunzip != NULL ? buf_len(&u->headers) : u->archive_len;
    const char *bytes = u->gunzip != NULL ? buf_at(&u->headers) : (const char *)u->archive_bytes;

    if (at < from || at - from > all) {
        *n = 0;
        return bytes;
    }
    *n = all - (size_t)(at - from);
    return bytes + (at - from);
}

/* Set the name and the link target of a tar's entry to those in its pax headers, byte for byte. */
static void spell_names(const struct unpacking *u, struct archive_entry *entry)
{
    struct tar_names names;
    size_t n;
    const char *headers = headers_of(u, &n);

    tar_names_read(&names, headers, n);
    if (names.path != NULL)
        archive_entry_set_pathname(entry, names.path);
    if (names.link != NULL && archive_entry_hardlink(entry) != NULL)
        archive_entry_set_hardlink(entry, names.link);
    else if (names.link != NULL && archive_entry_filetype(entry) == AE_IFLNK)
        archive_entry_set_symlink(entry, names.link);
    tar_names_done(&names);
}

/* Windows PowerShell packs with backslashes. Like unzip, take them for slashes in a name that has
 * no slash. */
static void turn_slashes(char *name)
{
    if (strchr(name, '/') == NULL)
        for (char *at = name; (at = strchr(at, '\\')) != NULL;)
            *at = '/';
}

/* An entry's name as the archive spells it. NULL: the name is unreadable. Caller frees. */
static char *name_of(const struct unpacking *u, struct archive_entry *entry)
{
    la_int64_t at = archive_read_header_position(u->in);
    char *raw = NULL;

    if (archive_format(u->in) == ARCHIVE_FORMAT_ZIP && at >= 0)
        raw = entry_zip_name(u->archive_bytes, u->archive_len, (size_t)at);
    else
        spell_names(u, entry);
    if (raw != NULL && u->is_dos_zip)
        turn_slashes(raw);
    if (raw != NULL || archive_entry_pathname(entry) == NULL)
        return raw;
    return xstrdup(archive_entry_pathname(entry));
}

static int write_entry(struct unpacking *u, struct archive_entry *entry, const char *name,
                       struct err *err)
{
    bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    uint64_t entry_bytes = 0;

    /* A declared size beyond the bounds is refused at once; copy_data() counts the real size. */
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
    assert(u->bytes <= u->limits->bytes_max);
    return 0;
}

static int unpack_entry(struct unpacking *u, struct archive_entry *entry, struct err *err)
{
    auto_free char *spelt = name_of(u, entry);
    auto_free char *name = spelt != NULL ? entry_inside(spelt) : NULL;
    int result;

    assert(u->entries > 0);
    if (spelt == NULL)
        return err_set(err, ERR_CODE, 0, "archive entry %" PRIu64 " has an unreadable name",
                       u->entries);
    if (name == NULL)
        return refuse(err, spelt, "would land outside the action's folder");
    result = check_entry(u, entry, name, err);
    if (result != 0)
        return result < 0 ? -1 : 0;
    archive_entry_set_pathname(entry, name);
    return write_entry(u, entry, name, err);
}

/* ---- the whole archive ---- */

static int next_entry(struct unpacking *u, struct archive_entry **entry)
{
    int r;

    assert(!u->in_headers);
    u->in_headers = true;
    r = archive_read_next_header(u->in, entry);
    u->in_headers = false;
    return r;
}

/* Whether libarchive's warning only says that a name in a tar is not UTF-8. Such a name is used
 * byte for byte. */
static bool is_about_text(const struct unpacking *u)
{
    return archive_format(u->in) != ARCHIVE_FORMAT_ZIP &&
           strstr(reason(u->in), "can't be converted from") != NULL;
}

/* Keep the blocks that hold the next entry's headers. libarchive asks for a block only when it has
 * used up the one before. So the headers may begin in the block before, which is kept, too. */
static void keep_headers(struct unpacking *u, const void *block, size_t n)
{
    assert(gunzip_n_out(u->gunzip) >= n);
    if (!u->in_headers || buf_len(&u->headers) + n > HEADERS_MAX_BYTES) {
        buf_reset(&u->headers, HEADERS_MAX_BYTES);
        u->headers_at = gunzip_n_out(u->gunzip) - n;
    }
    buf_add(&u->headers, block, n);
}

/* Read callback for libarchive: the next bytes of a gzipped tar. */
static la_ssize_t on_read(struct archive *in, void *owner, const void **block)
{
    struct unpacking *u = owner;
    const struct unpack_limits *limits = u->limits;
    ssize_t n = gunzip_next(u->gunzip, block);

    if (n < 0)
        archive_set_error(in, EINVAL, "%s", gunzip_fault(u->gunzip));
    else
        keep_headers(u, *block, (size_t)n);
    /* Bound the tar's size: contents, and for each entry the headers, padding and long names. */
    if (gunzip_n_out(u->gunzip) / TAR_ENTRY_BYTES >
        limits->bytes_max / TAR_ENTRY_BYTES + limits->entries_max + TAR_ENTRIES_MORE) {
        archive_set_error(in, EFBIG, "it holds more than files and their names");
        return -1;
    }
    return n;
}

static int unpack_all(struct unpacking *u, struct err *err)
{
    struct archive_entry *entry = NULL; /* owned by libarchive */
    const void *rest;
    int r;

    assert(u->entries == 0);
    while ((r = next_entry(u, &entry)) != ARCHIVE_EOF) {
        const char *name = r == ARCHIVE_WARN ? archive_entry_pathname(entry) : NULL;

        if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_about_text(u)))
            return read_failed(u, name, err);
        if (++u->entries > u->limits->entries_max)
            return err_set(err, ERR_LIMIT, 0,
                           "archive holds more than %" PRIu64 " entries (--unpack-entries-max)",
                           u->limits->entries_max);
        if (unpack_entry(u, entry, err) < 0)
            return -1;
    }
    if (u->entries == 0)
        return err_set(err, ERR_CODE, 0, "cannot read archive: it holds no entry at all");
    /* gzip's checksum is behind the tar's end, where libarchive stops. */
    while (u->gunzip != NULL && (r = (int)on_read(u->in, u, &rest)) != 0)
        if (r < 0)
            return read_failed(u, NULL, err);
    if (archive_write_close(u->disk) != ARCHIVE_OK) /* sets the folders' modes, too */
        return write_failed(u, ".", err);
    return 0;
}

static int open_gzip(struct unpacking *u, struct err *err)
{
    assert(u->gunzip == NULL);
    u->gunzip = gunzip_new(u->archive_bytes, u->archive_len);
    if (u->gunzip == NULL)
        return err_set(err, ERR_SYSTEM, ENOMEM, "cannot unpack: out of memory");
    if (archive_read_support_format_tar(u->in) != ARCHIVE_OK)
        return err_set(err, ERR_SYSTEM, 0, "cannot unpack: libarchive lacks tar");
    if (archive_read_open(u->in, u, NULL, on_read, NULL) != ARCHIVE_OK)
        return read_failed(u, NULL, err);
    return 0;
}

static int open_plain(struct unpacking *u, struct err *err)
{
    if (archive_read_support_format_zip_seekable(u->in) != ARCHIVE_OK ||
        archive_read_support_format_tar(u->in) != ARCHIVE_OK)
        return err_set(err, ERR_SYSTEM, 0, "cannot unpack: libarchive lacks zip or tar");
    if (archive_read_open_memory(u->in, u->archive_bytes, u->archive_len) != ARCHIVE_OK)
        return read_failed(u, NULL, err);
    return 0;
}

static int open_archives(struct unpacking *u, struct err *err)
{
    const int flags = ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                      ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

    u->in = archive_read_new();
    u->disk = archive_write_disk_new();
    if (u->in == NULL || u->disk == NULL)
        return err_set(err, ERR_SYSTEM, ENOMEM, "cannot unpack: out of memory");
    if (archive_write_disk_set_options(u->disk, flags) != ARCHIVE_OK)
        return err_set(err, ERR_SYSTEM, 0,
                       "cannot unpack: libarchive does not check what it writes");
    return gunzip_is(u->archive_bytes, u->archive_len) ? open_gzip(u, err) : open_plain(u, err);
}

/* Put a better reason into err, if the archive was packed by a program that we do not support, or
 * is a gzip that does not contain a tar. */
static void explain_packed(const struct unpacking *u, struct err *err)
{
    const char *by = code_packed_by((const char *)u->archive_bytes, u->archive_len);
    size_t n = 0;
    const char *first = u->gunzip != NULL ? gunzip_first(u->gunzip, &n) : NULL;

    if (by == NULL && first != NULL)
        by = gunzip_is(first, n) ? "gzip twice" : code_packed_by(first, n);
    if (by != NULL)
        (void)err_set(err, ERR_CODE, 0,
                      "the code is packed by %s, which is not taken: pack it as zip, tar or tar.gz",
                      by);
    else if (u->gunzip != NULL && strcmp(reason(u->in), "Unrecognized archive format") == 0)
        (void)err_set(err, ERR_CODE, 0,
                      "cannot read archive: the code is packed by gzip and holds no tar: "
                      "pack it as zip, tar or tar.gz");
}

static void close_archives(struct unpacking *u)
{
    (void)archive_write_free(u->disk);
    (void)archive_read_free(u->in);
    gunzip_free(&u->gunzip);
    buf_done(&u->headers);
    strv_free(&u->dropped);
}

int unpack_archive(const char *dir, const void *bytes, size_t n, const struct unpack_limits *limits,
                   struct buf *said, struct err *err)
{
    struct unpacking u = {.limits = limits, .archive_bytes = bytes, .archive_len = n, .said = said};
    int result;

    assert(dir[0] == '/');
    /* In the "C" locale, libarchive returns only names in ASCII. If the system lacks C.UTF-8,
     * unpack_entry() refuses an entry with any other name. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (chdir(dir) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot enter folder \"" NAME_SHOWN "\": %s", dir,
                       strerror(errno));
    u.is_dos_zip = entry_zip_is_dos(bytes, n);
    if (entry_zip_is_empty(bytes, n))
        return 0; /* choosing the runtime fails later; its error names the wanted files */
    result = open_archives(&u, err);
    if (result == 0)
        result = unpack_all(&u, err);
    if (result < 0 && u.entries == 0)
        explain_packed(&u, err);
    if (result < 0)
        entry_make_printable(err->text);
    close_archives(&u);
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
    if (fd_write_all(fd, bytes, n) < 0 || fchmod(fd, 0755) < 0) {
        int os = errno;
        const char *full = store_full(dir, os);

        (void)unlinkat(folder, name, 0);
        return err_set(err, ERR_SYSTEM, os, "cannot write %zu bytes to file \"%s\": %s", n, name,
                       full != NULL ? full : strerror(os));
    }
    return 0;
}
