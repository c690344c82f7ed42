/*
 * fuzz_archive - archives that are made from the input, entry by entry, and lie in any of their
 * fields.
 *
 * What libFuzzer changes is a choice of names, types, sizes and links, so that what comes out is
 * nearly always read to its entries, which any bytes hardly ever are.
 */

#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "unpacked.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct choices {
    const uint8_t *bytes;
    size_t n;
};

static unsigned choose(struct choices *choices, unsigned n)
{
    if (choices->n == 0)
        return 0;
    choices->n--;
    return *choices->bytes++ % n;
}

static void put(struct buf *out, uint64_t number, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++) {
        char byte = (char)(number >> (8 * i));

        buf_add(out, &byte, 1);
    }
}

/* ---- parts ---- */

/* Up to six of these make a path. */
static void choose_name(struct choices *choices, char *name, size_t size)
{
    static const char *const parts[] = {
        "a",
        "b",
        "/",
        "../",
        "./",
        "exec",
        "d/",
        "link/",
        "..",
        "//",
        "canary",
        "\\",
        "C:",
        "\xff",
        "..;",
        "a/b",
        "/tmp/x",
        "",
        "\n",
        "in",
        "%s",
        ".",
        "xxxxxxxxxxxxxxxx",
    };
    size_t n_parts = choose(choices, 6);

    name[0] = '\0';
    for (size_t i = 0; i <= n_parts; i++) {
        const char *part = parts[choose(choices, ARRAY_LEN(parts))];

        if (strlen(name) + strlen(part) < size)
            memcpy(name + strlen(name), part, strlen(part) + 1);
    }
}

/* A true size, or a lie. */
static uint64_t choose_size(struct choices *choices, uint64_t size)
{
    static const uint64_t lies[] = {0,         1, 0xffff, 0x7fffffff, 0xffffffff, UINT64_C(1) << 62,
                                    UINT64_MAX};
    unsigned choice = choose(choices, 16);

    if (choice < 8)
        return size;
    return choice == 8 ? size - 1 : choice == 9 ? size + 1 : lies[choice % ARRAY_LEN(lies)];
}

static void choose_content(struct choices *choices, struct buf *content)
{
    size_t n = choose(choices, 8) == 0 ? 3000 : choose(choices, 40);
    char byte = (char)choose(choices, 256);

    buf_add_text(content, choose(choices, 2) == 0 ? "#!" : "../canary");
    for (size_t i = 0; i < n; i++)
        buf_add(content, &byte, 1);
}

/* ---- tar: POSIX 1003.1, ustar and pax; GNU's numbers in base 256 ---- */

static void put_octal(char *field, size_t size, uint64_t number, unsigned form)
{
    if (form == 1 && size > 8) { /* base 256, perhaps negative */
        field[0] = (char)(number >> 63 ? 0xff : 0x80);
        for (size_t i = 1; i < size; i++)
            field[i] = (char)(size - 1 - i < 8 ? number >> (8 * (size - 1 - i))
                              : number >> 63   ? 0xff
                                               : 0);
    } else if (form == 2) {
        (void)snprintf(field, size, "-%llo", (unsigned long long)number % 0100000);
    } else {
        (void)snprintf(field, size, "%0*llo", (int)size - 1,
                       (unsigned long long)number %
                           (UINT64_C(1) << (3 * (size - 1) < 63 ? 3 * (size - 1) : 63)));
    }
}

static void add_tar_entry(struct choices *choices, struct buf *out)
{
    static const char types[] = "0000522211134367xgLKSDVM";
    static const char padding[512] = "";
    char header[512] = "", name[160], link[160];
    struct buf content = {0};
    char type = types[choose(choices, sizeof(types) - 1)];
    unsigned sum = 0;

    choose_name(choices, name, sizeof(name));
    choose_name(choices, link, sizeof(link));
    if (type == 'x' || type == 'g') {
        static const char *const keys[] = {"path",
                                           "linkpath",
                                           "size",
                                           "GNU.sparse.map",
                                           "SCHILY.xattr.user.a",
                                           "GNU.sparse.realsize",
                                           "mtime",
                                           "LIBARCHIVE.symlinktype"};
        auto_free char *value = xasprintf(" %s=%s\n", keys[choose(choices, ARRAY_LEN(keys))],
                                          choose(choices, 2) == 0 ? link : "18446744073709551615");
        auto_free char *line = xasprintf("%zu%s", strlen(value) + 2 + choose(choices, 3), value);

        buf_add_text(&content, line);
    } else if (type == 'L' || type == 'K') {
        buf_add_text(&content, link);
        buf_add(&content, "", 1);
    } else if (type == '0' || choose(choices, 4) == 0) {
        choose_content(choices, &content);
    }
    memcpy(header, name, strlen(name) < 100 ? strlen(name) : 100);
    put_octal(header + 100, 8, choose(choices, 2) == 0 ? 0755 : 07777, 0);
    put_octal(header + 108, 8, choose(choices, 3), 0);
    put_octal(header + 116, 8, 0, 0);
    put_octal(header + 124, 12, choose_size(choices, buf_len(&content)), choose(choices, 8));
    put_octal(header + 136, 12, choose(choices, 256), choose(choices, 4));
    header[156] = type;
    memcpy(header + 157, link, strlen(link) < 100 ? strlen(link) : 100);
    if (choose(choices, 4) > 0)
        memcpy(header + 257, choose(choices, 4) > 0 ? "ustar\00000" : "ustar  ", 8);
    if (choose(choices, 8) == 0)
        memcpy(header + 345, "../..", 5);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof(header); i++)
        sum += (unsigned char)header[i];
    put_octal(header + 148, 7, sum + (choose(choices, 32) == 31), 0);
    buf_add(out, header, sizeof(header));
    if (buf_len(&content) > 0) {
        size_t n = buf_len(&content);

        buf_add(out, buf_at(&content), n);
        buf_add(out, padding, (512 - n % 512) % 512);
    }
    buf_done(&content);
}

/* ---- zip: APPNOTE 4.3 ---- */

struct zip_entry {
    char name[160];
    uint64_t size, packed;
    uint32_t crc, mode;
    uint16_t method, flags;
    size_t at;
};

static void put_zip_fields(struct buf *out, struct choices *choices, const struct zip_entry *entry,
                           bool has_extra)
{
    put(out, 20, 2); /* version needed */
    put(out, entry->flags, 2);
    put(out, entry->method, 2);
    put(out, 0, 4); /* time */
    put(out, choose(choices, 16) == 15 ? 0 : entry->crc, 4);
    put(out, choose_size(choices, entry->packed), 4);
    put(out, choose_size(choices, entry->size), 4);
    put(out, strlen(entry->name), 2);
    put(out, has_extra ? 20 : 0, 2);
}

static void put_zip_extra(struct buf *out, struct choices *choices, const struct zip_entry *entry)
{
    put(out, choose(choices, 2) == 0 ? 1 : 0x7875, 2); /* ZIP64, or UNIX' owners */
    put(out, 16, 2);
    put(out, choose_size(choices, entry->size), 8);
    put(out, choose_size(choices, entry->packed), 8);
}

static void add_zip_entry(struct choices *choices, struct buf *out, struct zip_entry *entry)
{
    static const uint32_t modes[] = {0100644, 0100755, 0120777, 0040755,
                                     0,       0020666, 0010666, 0104755};
    static const uint16_t methods[] = {0, 0, 8, 8, 8, 12, 14, 99};
    struct buf content = {0}, packed = {0};
    bool has_extra = choose(choices, 4) == 0;
    uLongf n_packed;

    choose_name(choices, entry->name, sizeof(entry->name));
    choose_content(choices, &content);
    entry->mode = modes[choose(choices, ARRAY_LEN(modes))];
    entry->method = methods[choose(choices, ARRAY_LEN(methods))];
    entry->flags = (uint16_t)(choose(choices, 4) == 0 ? choose(choices, 16)
                                                      : 0); /* encrypted, length behind */
    entry->size = buf_len(&content);
    entry->crc = (uint32_t)crc32(0, (const Bytef *)buf_at(&content), (uInt)buf_len(&content));
    entry->at = buf_len(out);
    if (entry->method == 8) {
        n_packed = compressBound(buf_len(&content));
        if (compress((Bytef *)buf_room(&packed, n_packed), &n_packed,
                     (const Bytef *)buf_at(&content), buf_len(&content)) != Z_OK)
            abort();
        buf_added(&packed, n_packed - 4); /* without zlib's two bytes before and its sum behind */
        buf_drop(&packed, 2);
    } else {
        buf_add(&packed, buf_at(&content), buf_len(&content));
    }
    entry->packed = buf_len(&packed);
    buf_add_text(out, "PK\3\4");
    put_zip_fields(out, choices, entry, has_extra);
    buf_add_text(out, entry->name);
    if (has_extra)
        put_zip_extra(out, choices, entry);
    buf_add(out, buf_at(&packed), buf_len(&packed));
    if (entry->flags & 8) {
        buf_add_text(out, "PK\7\10");
        put(out, entry->crc, 4);
        put(out, choose_size(choices, entry->packed), 4);
        put(out, choose_size(choices, entry->size), 4);
    }
    buf_done(&content);
    buf_done(&packed);
}

static void add_zip(struct choices *choices, struct buf *out)
{
    struct zip_entry entries[8];
    size_t n = 1 + choose(choices, ARRAY_LEN(entries)), directory_at;

    for (size_t i = 0; i < n; i++)
        add_zip_entry(choices, out, &entries[i]);
    directory_at = buf_len(out);
    for (size_t i = 0; i < n; i++) {
        /* Now and then the same data for two names, or none at all. */
        const struct zip_entry *entry =
            &entries[choose(choices, 8) == 0 ? choose(choices, (unsigned)n) : i];
        bool has_extra = choose(choices, 8) == 0;

        buf_add_text(out, "PK\1\2");
        put(out, 0x0314, 2); /* made by UNIX */
        put_zip_fields(out, choices, entry, has_extra);
        put(out, 0, 2); /* comment */
        put(out, 0, 2); /* disk */
        put(out, 0, 2);
        put(out, (uint64_t)entry->mode << 16, 4);
        put(out, choose_size(choices, entry->at), 4);
        buf_add_text(out, entries[i].name);
        if (has_extra)
            put_zip_extra(out, choices, entry);
    }
    put(out, 0x06054b50, 4);
    put(out, 0, 4); /* disks */
    put(out, choose_size(choices, n), 2);
    put(out, choose_size(choices, n), 2);
    put(out, choose_size(choices, buf_len(out) - 12 - directory_at), 4);
    put(out, choose_size(choices, directory_at), 4);
    put(out, 0, 2);
}

/* ---- both, perhaps in gzip ---- */

static void wrap_gzip(struct buf *archive)
{
    z_stream stream = {0};
    struct buf out = {0};
    size_t n = buf_len(archive) + 1024;

    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    stream.next_in = (z_const Bytef *)(uintptr_t)buf_at(archive);
    stream.avail_in = (uInt)buf_len(archive);
    stream.next_out = (Bytef *)buf_room(&out, n);
    stream.avail_out = (uInt)n;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    buf_added(&out, stream.total_out);
    (void)deflateEnd(&stream);
    buf_done(archive);
    *archive = out;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char end[1024] = "";
    struct choices choices = {bytes, n};
    struct buf archive = {0};
    unsigned form = choose(&choices, 8);

    if (form < 4) {
        add_zip(&choices, &archive);
    } else {
        for (unsigned left = 1 + choose(&choices, 8); left > 0; left--)
            add_tar_entry(&choices, &archive);
        if (form != 7)
            buf_add(&archive, end, sizeof(end));
    }
    if (form == 6 || (form == 5 && choose(&choices, 4) == 0))
        wrap_gzip(&archive);
    if (form == 3 && choices.n > 0) /* torn */
        buf_drop(&archive, choose(&choices, 4));
    try_unpack((const uint8_t *)buf_at(&archive), buf_len(&archive));
    buf_done(&archive);
    return 0;
}
