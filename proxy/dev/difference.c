#include "dev/difference.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "dev/text.h"

struct line {
    const char *text;
    size_t n; /* length without the newline */
};

struct lines {
    struct line *all; /* owned */
    size_t n;
};

enum mark {
    EQUAL,
    ONLY_EXPECTED,
    ONLY_ANSWERED,
};

/* Writes the compared lines, one after the other. Equal lines are not written until it is known
 * whether they are near a difference. */
struct writer {
    struct buf *out;
    const struct line *equal; /* the equal lines before the current one */
    size_t n_equal;
    bool any;            /* a line that differs was met */
    unsigned n_shown[3]; /* number of calls of write_line(), indexed by enum mark */
};

static struct lines split(const char *text)
{
    size_t room = 64;
    struct lines lines = {.all = xcalloc(room, sizeof(*lines.all))};

    while (*text != '\0') {
        size_t n = strcspn(text, "\n");

        if (lines.n == room) {
            room *= 2;
            lines.all = xrealloc(lines.all, room * sizeof(*lines.all));
        }
        lines.all[lines.n++] = (struct line){text, n};
        text += n + (text[n] == '\n');
    }
    return lines;
}

static bool is_equal(const struct line *a, const struct line *b)
{
    size_t n_a = a->n - (a->n > 0 && a->text[a->n - 1] == ',');
    size_t n_b = b->n - (b->n > 0 && b->text[b->n - 1] == ',');

    return n_a == n_b && memcmp(a->text, b->text, n_a) == 0;
}

/* ---- writing ---- */

static void write_line(struct writer *w, enum mark mark, const struct line *line)
{
    static const char *const marks[] = {
        [EQUAL] = "  ", [ONLY_EXPECTED] = "- ", [ONLY_ANSWERED] = "+ "};

    if (w->n_shown[mark] < DIFFERENCE_SHOWN)
        text_add(w->out, "  %s%.*s\n", marks[mark], (int)line->n, line->text);
    else if (w->n_shown[mark] == DIFFERENCE_SHOWN)
        text_add(w->out, "  %s...\n", marks[mark]);
    w->n_shown[mark]++;
}

/* Write the equal lines that are near a difference. is_end: no difference follows. */
static void write_equal(struct writer *w, bool is_end)
{
    size_t n_after = w->any ? DIFFERENCE_CONTEXT : 0, n_before = is_end ? 0 : DIFFERENCE_CONTEXT;
    bool is_cut = w->n_equal > n_after + n_before;

    for (size_t i = 0; i < w->n_equal; i++) {
        if (!is_cut || i < n_after || i + n_before >= w->n_equal)
            write_line(w, EQUAL, &w->equal[i]);
        else if (i == n_after && w->any && !is_end && w->n_shown[EQUAL] < DIFFERENCE_SHOWN)
            buf_add_text(w->out, "  ...\n");
    }
    w->n_equal = 0;
}

static void take_equal(struct writer *w, const struct line *line)
{
    if (w->n_equal++ == 0)
        w->equal = line;
    assert(&w->equal[w->n_equal - 1] == line);
}

static void take_other(struct writer *w, enum mark mark, const struct line *line)
{
    write_equal(w, false);
    w->any = true;
    write_line(w, mark, line);
}

/* ---- comparing ---- */

/* Returns a table, which the caller frees. cells[i * (n_b + 1) + j]: length of the longest common
 * subsequence of a[i ..] and b[j ..]. NULL: there are too many lines, and all of them are shown as
 * different. */
static uint16_t *compare(const struct line *a, size_t n_a, const struct line *b, size_t n_b)
{
    size_t width = n_b + 1;
    uint16_t *cells;

    if (n_a >= DIFFERENCE_CELLS_MAX || n_b >= DIFFERENCE_CELLS_MAX ||
        (n_a + 1) * width > DIFFERENCE_CELLS_MAX)
        return NULL;
    cells = xcalloc((n_a + 1) * width, sizeof(*cells));
    for (size_t i = n_a; i-- > 0;)
        for (size_t j = n_b; j-- > 0;) {
            uint16_t below = cells[(i + 1) * width + j], right = cells[i * width + j + 1];

            if (is_equal(&a[i], &b[j]))
                cells[i * width + j] = (uint16_t)(cells[(i + 1) * width + j + 1] + 1);
            else
                cells[i * width + j] = below > right ? below : right;
        }
    return cells;
}

/* Pass to the writer all lines of a[0 .. n_a), and the lines of b[0 .. n_b) that are not in a. */
static void tell(struct writer *w, const struct line *a, size_t n_a, const struct line *b,
                 size_t n_b)
{
    auto_free uint16_t *cells = compare(a, n_a, b, n_b);
    size_t i = 0, j = 0, width = n_b + 1;

    while (i < n_a || j < n_b) {
        if (cells != NULL && i < n_a && j < n_b && is_equal(&a[i], &b[j])) {
            take_equal(w, &a[i++]);
            j++;
        } else if (j == n_b || (i < n_a && (cells == NULL || cells[(i + 1) * width + j] >=
                                                                 cells[i * width + j + 1]))) {
            take_other(w, ONLY_EXPECTED, &a[i++]);
        } else {
            take_other(w, ONLY_ANSWERED, &b[j++]);
        }
    }
}

void difference_write(const char *expected, const char *answer, struct buf *out)
{
    struct lines a = split(expected), b = split(answer);
    struct writer w = {.out = out};
    size_t n_first = 0, n_last = 0;

    while (n_first < a.n && n_first < b.n && is_equal(&a.all[n_first], &b.all[n_first]))
        take_equal(&w, &a.all[n_first++]);
    while (n_first + n_last < a.n && n_first + n_last < b.n &&
           is_equal(&a.all[a.n - n_last - 1], &b.all[b.n - n_last - 1]))
        n_last++;
    tell(&w, a.all + n_first, a.n - n_first - n_last, b.all + n_first, b.n - n_first - n_last);
    for (size_t i = a.n - n_last; i < a.n; i++)
        take_equal(&w, &a.all[i]);
    write_equal(&w, true);
    free(a.all);
    free(b.all);
}
