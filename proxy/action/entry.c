#include "action/entry.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

#define ZIP_HEADER_BYTES 30 /* size of a local header without its name. Source: APPNOTE.TXT 4.3.7 */
#define ZIP_NAME_LEN_AT  26
#define ZIP_EXTRA_LEN_AT 28
#define ZIP_END_BYTES    22 /* size of the end record. Source: APPNOTE.TXT 4.3.16 */
#define ZIP_END_COUNT_AT 10
#define ZIP_END_START_AT 16    /* end record: field with the offset of the first central header */
#define ZIP_END_NOTE_MAX 65535 /* a comment of at most this size follows the end record */
#define ZIP_MADE_BY_AT   5 /* central header: host system, 0 is DOS. Source: APPNOTE.TXT 4.4.2 */
#define EXTRA_UNICODE    0x7075 /* id of extra field "name in UTF-8". Source: APPNOTE.TXT 4.6.9 */

/* Set *part and *n to the next component of the path at *at, and move *at behind it. Components
 * that are empty or "." are skipped. False at the end. */
static bool next_part(const char **at, const char **part, size_t *n)
{
    for (;;) {
        *at += strspn(*at, "/");
        if (**at == '\0')
            return false;
        *part = *at;
        *n = strcspn(*at, "/");
        assert(*n > 0);
        *at += *n;
        if (*n != 1 || **part != '.')
            return true;
    }
}

static bool is_dotdot(const char *part, size_t n)
{
    return n == 2 && memcmp(part, "..", 2) == 0;
}

char *entry_inside(const char *name)
{
    auto_free char *out = xmalloc(strlen(name) + 2); /* room for the name, or for "." */
    size_t len = 0;
    const char *part;
    size_t n;

    if (name[0] == '/' || name[0] == '\0')
        return NULL;
    while (next_part(&name, &part, &n)) {
        if (!is_dotdot(part, n)) {
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, part, n);
            len += n;
            continue;
        }
        if (len == 0)
            return NULL;
        while (len > 0 && out[len - 1] != '/')
            len--;
        len -= len > 0 ? 1 : 0;
    }
    if (len == 0)
        out[len++] = '.';
    out[len] = '\0';
    assert(out[0] != '/');
    assert(len > 0);
    return TAKE(out);
}

/* Follow the ".." components at the start of a relative link's target. *n_up: how many levels
 * these components lead above the folder to unpack into. *rest: the target after them. False: *rest
 * contains ".." again. */
static bool follow_up(const char *name, const char *target, size_t *n_up, const char **rest)
{
    size_t depth = 0; /* how many levels below the folder to unpack into we are */
    const char *part;
    size_t n;

    while (next_part(&name, &part, &n))
        depth++;
    depth -= depth > 0 ? 1 : 0;
    *n_up = 0;
    *rest = target;
    while (next_part(&target, &part, &n) && is_dotdot(part, n)) {
        *rest = target;
        if (depth > 0)
            depth--;
        else
            ++*n_up;
    }
    for (target = *rest; next_part(&target, &part, &n);)
        if (is_dotdot(part, n))
            return false;
    return true;
}

bool entry_link_is_inside(const char *name, const char *target)
{
    const char *rest;
    size_t n_up;

    return target[0] != '/' && target[0] != '\0' && follow_up(name, target, &n_up, &rest) &&
           n_up == 0;
}

char *entry_link_outside(const char *name, const char *target)
{
    auto_buf struct buf path = {0};
    const char *rest;
    size_t n_up;

    if (target[0] == '/')
        return xstrdup(target);
    if (!follow_up(name, target, &n_up, &rest) || n_up == 0)
        return NULL;
    while (n_up-- > 0)
        buf_add_text(&path, "../");
    buf_add_text(&path, rest + strspn(rest, "/"));
    return xstrndup(buf_at(&path), buf_len(&path));
}

bool entry_is_below(const char *name, const char *folder)
{
    size_t n = strlen(folder);

    assert(n > 0);
    assert(name[0] != '/');
    return strncmp(name, folder, n) == 0 && (name[n] == '\0' || name[n] == '/');
}

static size_t read_2(const unsigned char *at)
{
    return (size_t)at[0] | (size_t)at[1] << 8;
}

bool entry_zip_is_empty(const void *zip, size_t n)
{
    const unsigned char *end = zip;

    return n >= ZIP_END_BYTES && memcmp(end, "PK\5\6", 4) == 0 &&
           read_2(end + ZIP_END_COUNT_AT) == 0;
}

bool entry_zip_is_dos(const void *zip, size_t n)
{
    const unsigned char *bytes = zip;
    size_t first = n > ZIP_END_BYTES + ZIP_END_NOTE_MAX ? n - ZIP_END_BYTES - ZIP_END_NOTE_MAX : 0;

    for (size_t at = n; at >= first + ZIP_END_BYTES; at--) {
        const unsigned char *end = bytes + at - ZIP_END_BYTES;
        size_t start;

        if (memcmp(end, "PK\5\6", 4) != 0)
            continue;
        start = read_2(end + ZIP_END_START_AT) | read_2(end + ZIP_END_START_AT + 2) << 16;
        return start < n && n - start > ZIP_MADE_BY_AT && memcmp(bytes + start, "PK\1\2", 4) == 0 &&
               bytes[start + ZIP_MADE_BY_AT] == 0;
    }
    return false;
}

static bool has_unicode_name(const unsigned char *extra, size_t n)
{
    while (n >= 4) {
        size_t len = 4 + read_2(extra + 2);

        if (read_2(extra) == EXTRA_UNICODE)
            return true;
        if (len > n)
            return false;
        extra += len;
        n -= len;
    }
    return false;
}

char *entry_zip_name(const void *zip, size_t n, size_t at)
{
    const unsigned char *header;
    size_t name_len;
    size_t extra_len;
    const char *name;

    if (at > n || n - at < ZIP_HEADER_BYTES)
        return NULL;
    header = (const unsigned char *)zip + at;
    name_len = read_2(header + ZIP_NAME_LEN_AT);
    extra_len = read_2(header + ZIP_EXTRA_LEN_AT);
    if (memcmp(header, "PK\3\4", 4) != 0 || n - at - ZIP_HEADER_BYTES < name_len + extra_len)
        return NULL;
    name = (const char *)header + ZIP_HEADER_BYTES;
    if (memchr(name, '\0', name_len) != NULL ||
        has_unicode_name(header + ZIP_HEADER_BYTES + name_len, extra_len))
        return NULL;
    return xstrndup(name, name_len);
}

void entry_make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}
