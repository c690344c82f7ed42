#include "action/tar_name.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

#define BLOCK_BYTES 512
#define SIZE_AT     124 /* offset of the octal size; POSIX.1-2017, pax, ustar Interchange Format */
#define SIZE_DIGITS 12
#define TYPE_AT     156
/* most headers to read before an entry's own header (pax, GNU's long names, a volume label) */
#define HEADERS_MAX 8
#define DIGITS_MAX  10 /* most digits of a pax record's LENGTH */
#define PATH        "path"
#define LINK        "linkpath"
#define SPARSE_PATH "GNU.sparse.name" /* a sparse file's real name; GNU tar makes up its "path" */

/* Read the size of the data behind a header. false: the header's size field is unreadable. */
static bool read_size(const unsigned char *header, size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < SIZE_DIGITS; i++) {
        unsigned char c = header[SIZE_AT + i];

        if (c == ' ' || c == '\0')
            continue;
        if (c < '0' || c > '7')
            return false;
        *size = *size * 8 + (size_t)(c - '0');
    }
    return true;
}

static bool is_called(const char *name, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(name, wanted, n) == 0;
}

/* Store the value of a pax record in *to. If the same key comes again, the last value counts. */
static void put(char **to, const char *value, size_t n)
{
    free(*to);
    *to = n > 0 && memchr(value, '\0', n) == NULL ? xstrndup(value, n) : NULL;
}

/* Read a list of pax records, each "LENGTH NAME=VALUE\n". LENGTH: bytes of the whole record. */
static void read_records(struct tar_names *names, const char *text, size_t n)
{
    bool is_sparse = false;

    while (n > 0) {
        size_t len = 0, at = 0;
        const char *equals;

        while (at < n && at < DIGITS_MAX && text[at] >= '0' && text[at] <= '9')
            len = len * 10 + (size_t)(text[at++] - '0');
        if (at == 0 || at >= n || text[at] != ' ' || len > n || len < at + 2)
            return;
        at++;
        equals = memchr(text + at, '=', len - at);
        if (equals != NULL && text[len - 1] == '\n') {
            const char *name = text + at, *value = equals + 1;
            size_t n_name = (size_t)(equals - name), n_value = (size_t)(text + len - 1 - value);

            assert(value <= text + len - 1);
            if (is_called(name, n_name, SPARSE_PATH) ||
                (is_called(name, n_name, PATH) && !is_sparse))
                put(&names->path, value, n_value);
            else if (is_called(name, n_name, LINK))
                put(&names->link, value, n_value);
            is_sparse = is_sparse || is_called(name, n_name, SPARSE_PATH);
        }
        text += len;
        n -= len;
    }
}

void tar_names_read(struct tar_names *names, const void *bytes, size_t n)
{
    const unsigned char *header = bytes;

    memset(names, 0, sizeof(*names));
    for (unsigned i = 0; i < HEADERS_MAX && n >= BLOCK_BYTES; i++) {
        char type = (char)header[TYPE_AT];
        size_t size, padded;

        if (strchr("xXgLKVA", type) == NULL || type == '\0' || !read_size(header, &size) ||
            size > n - BLOCK_BYTES)
            return;
        if (type == 'x' || type == 'X')
            read_records(names, (const char *)header + BLOCK_BYTES, size);
        padded = BLOCK_BYTES + (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        assert(padded >= BLOCK_BYTES + size);
        if (padded > n)
            return;
        header += padded;
        n -= padded;
    }
}

void tar_names_done(struct tar_names *names)
{
    free(names->path);
    free(names->link);
    memset(names, 0, sizeof(*names));
}
