#pragma once

/* pack - build archives in memory for tests; entries may be as hostile as they like. */

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"

#define PACK_MAX_BYTES (4U << 20) /* of packed archive; tests need far less */

enum pack_format {
    PACK_ZIP,
    PACK_ZIP_STORED,
    PACK_TAR,
    PACK_TARGZ
};

struct pack {
    struct archive *archive; /* owned; NULL once finished */
    char *bytes;             /* owned */
    size_t n;                /* valid once finished */
};

static inline void pack_init(struct pack *pack, enum pack_format format)
{
    bool zip = format == PACK_ZIP || format == PACK_ZIP_STORED;
    int r;

    pack->archive = archive_write_new();
    pack->bytes = xcalloc(1, PACK_MAX_BYTES);
    pack->n = 0;
    r = zip ? archive_write_set_format_zip(pack->archive)
            : archive_write_set_format_pax_restricted(pack->archive);
    assert(r == ARCHIVE_OK);
    if (format == PACK_ZIP_STORED)
        r = archive_write_set_options(pack->archive, "zip:compression=store");
    if (format == PACK_TARGZ)
        r = archive_write_add_filter_gzip(pack->archive);
    if (format == PACK_TARGZ && r == ARCHIVE_OK)
        r = archive_write_set_options(pack->archive, "gzip:compression-level=1"); /* for speed */
    assert(r == ARCHIVE_OK);
    (void)archive_write_set_bytes_in_last_block(pack->archive, 1);
    r = archive_write_open_memory(pack->archive, pack->bytes, PACK_MAX_BYTES, &pack->n);
    assert(r == ARCHIVE_OK);
    (void)r;
}

/* The general form: type AE_IFREG and so on; link: target of a symbolic or hard link, or NULL. */
static inline void pack_entry(struct pack *pack, const char *name, unsigned type, unsigned mode,
                              const char *link, const void *content, size_t n)
{
    struct archive_entry *entry = archive_entry_new();
    int r;

    archive_entry_copy_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, (mode_t)mode);
    archive_entry_set_size(entry, (la_int64_t)n);
    if (link != NULL && type == AE_IFLNK)
        archive_entry_copy_symlink(entry, link);
    else if (link != NULL)
        archive_entry_copy_hardlink(entry, link);
    r = archive_write_header(pack->archive, entry);
    assert(r == ARCHIVE_OK || r == ARCHIVE_WARN);
    (void)r;
    if (n > 0)
        (void)!archive_write_data(pack->archive, content, n);
    archive_entry_free(entry);
}

static inline void pack_file(struct pack *pack, const char *name, const char *text)
{
    pack_entry(pack, name, AE_IFREG, 0644, NULL, text, strlen(text));
}

static inline void pack_zeros(struct pack *pack, const char *name, size_t n)
{
    auto_free char *zeros = xcalloc(1, n);

    pack_entry(pack, name, AE_IFREG, 0644, NULL, zeros, n);
}

static inline void pack_folder(struct pack *pack, const char *name, unsigned mode)
{
    pack_entry(pack, name, AE_IFDIR, mode, NULL, NULL, 0);
}

static inline void pack_link(struct pack *pack, const char *name, const char *target)
{
    pack_entry(pack, name, AE_IFLNK, 0777, target, NULL, 0);
}

static inline void pack_hard_link(struct pack *pack, const char *name, const char *target)
{
    pack_entry(pack, name, AE_IFREG, 0644, target, NULL, 0);
}

static inline void pack_finish(struct pack *pack)
{
    if (pack->archive == NULL)
        return;
    (void)archive_write_close(pack->archive);
    (void)archive_write_free(pack->archive);
    pack->archive = NULL;
    assert(pack->n > 0);
}

static inline void pack_done(struct pack *pack)
{
    pack_finish(pack);
    free(pack->bytes);
    memset(pack, 0, sizeof(*pack));
}
