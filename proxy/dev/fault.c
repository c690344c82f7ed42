#include "dev/fault.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/util.h"
#include "dev/target.h"
#include "dev/text.h"

#define AROUND         5          /* lines shown before and after the line at fault */
#define SOURCE_BYTES   (1u << 20) /* most bytes read of the source file */
#define LINE_BYTES     400        /* most bytes shown of a source line */
#define NAME_MAX_BYTES 512
#define TEXT_MAX_BYTES 16384

/* What may stand between a file name and a line number. */
static const char *const joints[] = {
    "\", line ", /* Python: File "main.py", line 3 */
    ", line ",   /* Python: (main.py, line 3) */
    " on line ", /* PHP: main.php on line 3 */
    " line ",    /* Perl: main.pl line 3 */
    ": line ",   /* bash: main.sh: line 3 */
    ":",         /* most other languages: main.js:3 */
    "(",         /* C#: main.cs(3,7) */
};

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_-./+@", c) != NULL) ||
           (unsigned char)c >= 0x80;
}

/* The line number that follows text[0 .. at), which ends with a file name. *after: the offset
 * behind the number. 0: no line number follows. */
static unsigned line_behind(const char *text, size_t at, size_t *after)
{
    for (size_t i = 0; i < ARRAY_LEN(joints); i++) {
        size_t n_joint = strlen(joints[i]), k = at + n_joint;
        unsigned line = 0;

        if (strncmp(text + at, joints[i], n_joint) != 0)
            continue;
        while (isdigit((unsigned char)text[k]) && line < 100000000)
            line = line * 10 + (unsigned)(text[k++] - '0');
        if (line == 0)
            continue;
        *after = k;
        return line;
    }
    return 0;
}

/* The name, relative to where->root, of the user's file that text[0 .. n) names; the caller frees
 * it. NULL: the text names no such file. */
static char *own_name(const char *text, size_t n, const struct fault_place *where)
{
    size_t n_root = strlen(where->root);
    auto_free char *path = NULL;
    struct stat info;

    assert(n > 0);
    if (n > n_root + 1 && memcmp(text, where->root, n_root) == 0 && text[n_root] == '/') {
        text += n_root + 1;
        n -= n_root + 1;
    }
    while (n > 2 && text[0] == '.' && text[1] == '/') {
        text += 2;
        n -= 2;
    }
    if (where->only != NULL)
        return strlen(where->only) == n && memcmp(text, where->only, n) == 0 ? xstrndup(text, n)
                                                                             : NULL;
    if (text[0] == '/' || memmem(text, n, "node_modules/", 13) != NULL)
        return NULL;
    path = xasprintf("%s/%.*s", where->root, (int)n, text);
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? xstrndup(text, n) : NULL;
}

/* Find where a file name starts that ends just before text[end]. Returns an index in text. A name
 * with spaces is found only if it is where->only, the name of the action's only file. */
static size_t name_start(const char *text, size_t end, const struct fault_place *where)
{
    size_t n_only = where->only != NULL ? strlen(where->only) : 0;
    size_t at = end;

    if (n_only > 0 && end >= n_only && memcmp(text + end - n_only, where->only, n_only) == 0)
        return end - n_only;
    while (at > 0 && end - at < NAME_MAX_BYTES && is_name_char(text[at - 1]))
        at--;
    return at;
}

/* Set the fault's file and line to the first place in the user's code that fault->text names, or to
 * the last one if where->last_counts. Returns the offset behind the line number; 0: the text names
 * no such place. */
static size_t find_place(struct fault *fault, const struct fault_place *where)
{
    const char *text = fault->text;
    size_t n = strlen(text), after = 0;

    for (size_t at = 1; at < n && (after == 0 || where->last_counts); at++) {
        size_t start, behind;
        unsigned line = strchr(":\"( ,", text[at]) != NULL ? line_behind(text, at, &behind) : 0;
        char *own;

        if (line == 0)
            continue;
        start = name_start(text, at, where);
        own = start < at ? own_name(text + start, at - start, where) : NULL;
        if (own == NULL)
            continue;
        free(fault->file);
        fault->file = own;
        fault->line = line;
        after = behind;
    }
    return after;
}

/* ---- the line that says most ---- */

#define REFUSAL "Cannot start action: " /* a launcher's error line begins with this */

static bool is_refusal(const char *line, size_t n)
{
    return n > strlen(REFUSAL) && memcmp(line, REFUSAL, strlen(REFUSAL)) == 0;
}

/* Whether a line is an error message: "SyntaxError: x", "java.lang.NullPointerException: x". */
static bool is_message(const char *line, size_t n)
{
    static const char *const words[] = {"Error", "Exception", "error", "ERROR", "Warning"};
    const char *colon = memchr(line, ':', n);
    size_t n_word = colon != NULL ? (size_t)(colon - line) : n;

    if (is_refusal(line, n))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t n_end = strlen(words[i]);

        if (n_word >= n_end && memchr(line, ' ', n_word) == NULL &&
            memcmp(line + n_word - n_end, words[i], n_end) == 0)
            return true;
    }
    return false;
}

/* Whether a line never tells what went wrong: Go's compiler names a package behind "#", and Java
 * repeats its options. */
static bool is_remark(const char *line)
{
    return line[0] == '#' || strncmp(line, "Picked up ", 10) == 0 ||
           strncmp(line, "NOTE: Picked up ", 16) == 0;
}

/* What follows a line number, up to the end of the line. Digits and punctuation are skipped, such
 * as a column number: ":7: error: no ';'" gives "error: no ';'". The caller frees it. NULL: nothing
 * useful follows. */
static char *rest_of_line(const char *text)
{
    size_t n;

    text += strspn(text, "0123456789:,). ");
    n = strcspn(text, "\n");
    return n > 3 && strncmp(text, "in ", 3) != 0 ? xstrndup(text, n) : NULL;
}

/* The whole line that names a place (file and line), if the line is a sentence like Perl's: "syntax
 * error at main.pl line 3, near ...". after: offset behind the line number. The caller frees it.
 * NULL: the line is no such sentence. */
static char *sentence(const char *text, size_t after)
{
    const char *newline = memrchr(text, '\n', after);
    const char *start = newline != NULL ? newline + 1 : text;
    size_t n = after - (size_t)(start - text);

    if (memmem(start, n, " at ", 4) == NULL || memmem(start, n, " line ", 6) == NULL)
        return NULL;
    return xstrndup(start, strcspn(start, "\n"));
}

static char *find_message(const char *text, bool last)
{
    char *message = NULL;
    /* the first or, if `last`, the last line that is not empty nor a remark; used if no line is an
     * error message */
    char *other = NULL;

    for (size_t n; *text != '\0'; text += n) {
        text += strspn(text, " \t\n\v\f\r");
        n = strcspn(text, "\n");
        if (n > 0 && (last || message == NULL) && is_message(text, n)) {
            free(message);
            message = xstrndup(text, n);
        }
        if (n > 0 && !is_remark(text) && (last || other == NULL)) {
            free(other);
            other = xstrndup(text, n);
        }
    }
    if (message == NULL)
        return other;
    free(other);
    if (is_refusal(message, strlen(message)))
        memmove(message, message + strlen(REFUSAL), strlen(message + strlen(REFUSAL)) + 1);
    return message;
}

/* ---- the source ---- */

static void read_source(struct fault *fault, const char *root)
{
    auto_fd int fd = target_open_file(root, fault->file);
    auto_buf struct buf text = {0};
    unsigned line = 1;
    const char *comma = "";

    assert(fault->file != NULL);
    assert(fault->line > 0);
    if (fd < 0)
        return;
    (void)buf_read_all(&text, fd, SOURCE_BYTES, -1);
    buf_add_text(&fault->source, "[");
    for (size_t at = 0, n = buf_len(&text); at < n; line++) {
        const char *start = buf_at(&text) + at;
        const char *end = memchr(start, '\n', n - at);
        size_t n_line = end != NULL ? (size_t)(end - start) : n - at;

        if (line + AROUND >= fault->line && line <= fault->line + AROUND) {
            text_add(&fault->source, "%s{\"line\":%u,\"text\":", comma, line);
            json_quote(&fault->source, start, n_line < LINE_BYTES ? n_line : LINE_BYTES);
            buf_add_text(&fault->source, "}");
            comma = ",";
        }
        at += n_line + 1;
    }
    buf_add_text(&fault->source, "]");
}

/* ---- public functions ---- */

void fault_done(struct fault *fault)
{
    free(fault->text);
    free(fault->file);
    free(fault->message);
    buf_done(&fault->source);
    memset(fault, 0, sizeof(*fault));
}

void fault_find(struct fault *fault, const char *text, size_t n, const struct fault_place *where)
{
    size_t after;

    fault_done(fault);
    if (n > TEXT_MAX_BYTES) { /* keep the end, which tells what went wrong */
        text += n - TEXT_MAX_BYTES;
        n = TEXT_MAX_BYTES;
    }
    fault->text = xstrndup(text, n);
    after = find_place(fault, where);
    if (after > 0) {
        read_source(fault, where->root);
        if (!where->last_counts)
            fault->message = sentence(fault->text, after);
        if (!where->last_counts && fault->message == NULL)
            fault->message = rest_of_line(fault->text + after);
    }
    if (fault->message == NULL)
        fault->message = find_message(fault->text, where->last_counts);
    if (fault->message == NULL)
        fault->message = xstrdup("the action does not load");
    assert((fault->file == NULL) == (fault->line == 0));
}

void fault_add(struct fault *fault, const char *text)
{
    char *both;

    assert(fault->text != NULL);
    both = xasprintf("%s%s", fault->text, text);
    free(fault->text);
    fault->text = both;
}

void fault_write(const struct fault *fault, struct buf *out)
{
    if (fault->text == NULL) {
        buf_add_text(out, "null");
        return;
    }
    assert(fault->message != NULL);
    buf_add_text(out, "{\"text\":");
    text_add_json(out, fault->text);
    buf_add_text(out, ",\"message\":");
    text_add_json(out, fault->message);
    buf_add_text(out, ",\"file\":");
    text_add_json(out, fault->file);
    if (fault->line > 0)
        text_add(out, ",\"line\":%u", fault->line);
    else
        buf_add_text(out, ",\"line\":null");
    buf_add_text(out, ",\"source\":");
    if (buf_len(&fault->source) > 0)
        buf_add(out, buf_at(&fault->source), buf_len(&fault->source));
    else
        buf_add_text(out, "[]");
    buf_add_text(out, "}");
}
