#include "action/zip.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/util.h"

#define PIECE_BYTES      65536
#define ENTRIES_MAX      65535 /* the end record has 16 bits for their number; more need zip64 */
#define BYTES_MAX        UINT32_MAX /* sizes and offsets have 32 bits; more would need zip64 */
#define NAME_MAX_BYTES   PATH_MAX
#define VERSION_MADE     0x031e /* made on Unix, so entries have modes; format version 3.0 */
#define VERSION_NEEDED   20     /* version 2.0, the first with deflate and folders */
#define FLAGS            0x0808 /* checksum and sizes follow the data; names are UTF-8 */
#define METHOD_STORED    0
#define METHOD_DEFLATED  8
#define DATE_1980        0x0021 /* 1 January 1980, the first date that the format knows */
#define SIGNATURE_LOCAL  0x04034b50u
#define SIGNATURE_AFTER  0x08074b50u
#define SIGNATURE_LISTED 0x02014b50u
#define SIGNATURE_END    0x06054b50u

struct zip {
    int fd; /* borrowed */
    uint64_t n_written;
    unsigned n_entries;
    struct buf listed; /* the zip's directory of all entries so far, written at its end */
    char **folders;    /* owned; relative paths of the folders found so far, "" is the top */
};

/* The header fields of an entry. crc and both sizes are known only after its data were read. */
struct entry {
    const char *name; /* relative; folders end with '/' */
    mode_t mode;
    unsigned method;
    uint64_t offset;
    uint32_t crc;
    uint64_t packed;
    uint64_t size;
};

/* ---- writing bytes ---- */

static void put(struct buf *out, uint64_t value, unsigned n_bytes)
{
    unsigned char bytes[4];

    assert(n_bytes <= sizeof(bytes));
    for (unsigned i = 0; i < n_bytes; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    buf_add(out, bytes, n_bytes);
}

static int write_out(struct zip *zip, const void *bytes, size_t n, struct err *err)
{
    zip->n_written += n;
    if (zip->n_written > BYTES_MAX)
        return err_set(err, ERR_LIMIT, 0, "cannot write a zip of more than 4 GiB");
    if (fd_write_all(zip->fd, bytes, n) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot write the zip: %s", strerror(errno));
    return 0;
}

/* ---- one entry ---- */

/* Append the fields that an entry's header and its record in the zip's directory share. */
static void put_common(struct buf *out, const struct entry *entry)
{
    put(out, VERSION_NEEDED, 2);
    put(out, FLAGS, 2);
    put(out, entry->method, 2);
    put(out, 0, 2); /* time of day */
    put(out, DATE_1980, 2);
    put(out, entry->crc, 4);
    put(out, entry->packed, 4);
    put(out, entry->size, 4);
    put(out, strlen(entry->name), 2);
    put(out, 0, 2); /* no extra field */
}

static int begin_entry(struct zip *zip, struct entry *entry, struct err *err)
{
    auto_buf struct buf head = {0};

    assert(strlen(entry->name) < NAME_MAX_BYTES);
    assert(entry->size == 0); /* the checksum and both sizes follow the data */
    if (++zip->n_entries > ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, 0, "cannot write a zip of more than %d entries",
                       ENTRIES_MAX);
    entry->offset = zip->n_written;
    put(&head, SIGNATURE_LOCAL, 4);
    put_common(&head, entry);
    buf_add_text(&head, entry->name);
    return write_out(zip, buf_at(&head), buf_len(&head), err);
}

static int end_entry(struct zip *zip, const struct entry *entry, struct err *err)
{
    auto_buf struct buf after = {0};

    if (entry->size > BYTES_MAX)
        return err_set(err, ERR_LIMIT, 0, "cannot write a zip with a file of more than 4 GiB: %s",
                       entry->name);
    assert(entry->offset < zip->n_written);
    assert(entry->packed <= BYTES_MAX);
    put(&after, SIGNATURE_AFTER, 4);
    put(&after, entry->crc, 4);
    put(&after, entry->packed, 4);
    put(&after, entry->size, 4);
    put(&zip->listed, SIGNATURE_LISTED, 4);
    put(&zip->listed, VERSION_MADE, 2);
    put_common(&zip->listed, entry);
    put(&zip->listed, 0, 2); /* no file comment */
    put(&zip->listed, 0, 2); /* starts on disk 0 */
    put(&zip->listed, 0, 2); /* internal attributes */
    put(&zip->listed, (uint64_t)entry->mode << 16 | (S_ISDIR(entry->mode) ? 0x10 : 0), 4);
    put(&zip->listed, entry->offset, 4);
    buf_add_text(&zip->listed, entry->name);
    return write_out(zip, buf_at(&after), buf_len(&after), err);
}

/* Add an entry whose data is in memory: the target of a link, or nothing for a folder. */
static int add_stored(struct zip *zip, const char *name, mode_t mode, const char *data, size_t n,
                      struct err *err)
{
    struct entry entry = {.name = name, .mode = mode, .method = METHOD_STORED};

    assert(n <= NAME_MAX_BYTES);
    if (begin_entry(zip, &entry, err) < 0 || write_out(zip, data, n, err) < 0)
        return -1;
    entry.crc = (uint32_t)crc32(0, (const Bytef *)data, (uInt)n);
    entry.packed = entry.size = n;
    return end_entry(zip, &entry, err);
}

/* Deflate the stream's input and write it out. flush: Z_FINISH once all of the file is read. */
static int deflate_out(struct zip *zip, z_stream *stream, int flush, struct entry *entry,
                       struct err *err)
{
    unsigned char out[PIECE_BYTES];
    int result;

    do {
        stream->next_out = out;
        stream->avail_out = sizeof(out);
        result = deflate(stream, flush);
        assert(result != Z_STREAM_ERROR);
        entry->packed += sizeof(out) - stream->avail_out;
        if (write_out(zip, out, sizeof(out) - stream->avail_out, err) < 0)
            return -1;
    } while (stream->avail_out == 0);
    assert(stream->avail_in == 0);
    return 0;
}

static int add_deflated(struct zip *zip, int file, struct entry *entry, z_stream *stream,
                        struct err *err)
{
    unsigned char in[PIECE_BYTES];
    ssize_t n;

    do {
        n = read(file, in, sizeof(in));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_SYSTEM, errno, "cannot read \"%s\": %s", entry->name,
                           strerror(errno));
        entry->crc = (uint32_t)crc32(entry->crc, in, (uInt)n);
        entry->size += (size_t)n;
        stream->next_in = in;
        stream->avail_in = (uInt)n;
        if (deflate_out(zip, stream, n == 0 ? Z_FINISH : Z_NO_FLUSH, entry, err) < 0)
            return -1;
    } while (n != 0);
    return 0;
}

static int add_file(struct zip *zip, int file, const char *name, mode_t mode, struct err *err)
{
    struct entry entry = {.name = name, .mode = mode, .method = METHOD_DEFLATED};
    z_stream stream = {.zalloc = Z_NULL};
    int result;

    if (file < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot read \"%s\": %s", name, strerror(errno));
    if (begin_entry(zip, &entry, err) < 0)
        return -1;
    /* Negative window bits ask for raw deflate data, without zlib's header. */
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(err, ERR_SYSTEM, ENOMEM, "cannot write the zip: out of memory");
    result = add_deflated(zip, file, &entry, &stream, err);
    (void)deflateEnd(&stream);
    return result < 0 ? -1 : end_entry(zip, &entry, err);
}

/* ---- the folders ---- */

/* Add the entry `item` of folder `parent`. name: its path, relative to the top folder. */
static int add_item(struct zip *zip, int parent, const char *item, const char *name,
                    struct err *err)
{
    char target[NAME_MAX_BYTES];
    struct stat st;

    if (strlen(name) + 1 >= NAME_MAX_BYTES)
        return err_set(err, ERR_LIMIT, 0, "cannot write a zip with a name of more than %d bytes",
                       NAME_MAX_BYTES);
    if (fstatat(parent, item, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot read \"%s\": %s", name, strerror(errno));
    if (S_ISREG(st.st_mode)) {
        auto_fd int file = fd_open_file(parent, item);

        return add_file(zip, file, name, st.st_mode, err);
    }
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(parent, item, target, sizeof(target));

        if (n < 0)
            return err_set(err, ERR_SYSTEM, errno, "cannot read \"%s\": %s", name, strerror(errno));
        return add_stored(zip, name, st.st_mode, target, (size_t)n, err);
    }
    if (S_ISDIR(st.st_mode)) {
        auto_free char *folder = xasprintf("%s/", name);

        strv_push(&zip->folders, xstrdup(name));
        return add_stored(zip, folder, st.st_mode, "", 0, err);
    }
    return 0; /* skip anything else, such as a pipe that a compiler has left */
}

static int is_own_item(const struct dirent *item)
{
    return strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
}

static int add_folder(struct zip *zip, const char *top, const char *path, struct err *err)
{
    const char *slash = path[0] != '\0' ? "/" : "";
    auto_free char *absolute = xasprintf("%s%s%s", top, slash, path);
    auto_fd int folder = open(absolute, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent **items = NULL;
    int n = folder >= 0 ? scandir(absolute, &items, is_own_item, alphasort) : -1;
    int result = 0;

    if (n < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot read folder \"%s\": %s", absolute,
                       strerror(errno));
    for (int i = 0; i < n; i++) {
        auto_free char *name = xasprintf("%s%s%s", path, slash, items[i]->d_name);

        if (result == 0)
            result = add_item(zip, folder, items[i]->d_name, name, err);
        free(items[i]);
    }
    free(items);
    return result;
}

static int end_zip(struct zip *zip, struct err *err)
{
    uint64_t offset = zip->n_written;
    uint64_t n_listed = buf_len(&zip->listed);
    auto_buf struct buf end = {0};

    assert(zip->n_entries <= ENTRIES_MAX);
    assert(offset <= BYTES_MAX);
    put(&end, SIGNATURE_END, 4);
    put(&end, 0, 4); /* this disk's number, and that of the disk with the directory */
    put(&end, zip->n_entries, 2);
    put(&end, zip->n_entries, 2);
    put(&end, n_listed, 4);
    put(&end, offset, 4);
    put(&end, 0, 2); /* length of the archive comment */
    if (write_out(zip, buf_at(&zip->listed), n_listed, err) < 0)
        return -1;
    return write_out(zip, buf_at(&end), buf_len(&end), err);
}

int zip_folder(const char *dir, int fd, struct err *err)
{
    struct zip zip = {.fd = fd};
    int result = 0;

    strv_push(&zip.folders, xstrdup(""));
    /* add_folder() appends to this list, so no recursion is needed however deep the tree is. */
    for (size_t i = 0; result == 0 && zip.folders[i] != NULL; i++) {
        auto_free char *path = xstrdup(zip.folders[i]);

        result = add_folder(&zip, dir, path, err);
    }
    if (result == 0)
        result = end_zip(&zip, err);
    buf_done(&zip.listed);
    strv_free(&zip.folders);
    return result;
}
