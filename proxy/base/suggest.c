#include "base/suggest.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define WORD_MAX 48 /* longer words are not compared; known words are shorter */
/* Suggest a known word if it begins with the misspelt one, or the other way round, and the shorter
 * of the two has at least 2 letters: node and nodejs. */
#define PREFIX_MIN 2
/* Also suggest a known word that differs from the misspelt one by a single mistake (in words of 2
 * letters or more), or by at most one mistake for each 3 letters of the shorter word. */
#define LETTERS_EACH 3

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

static bool is_same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The distance of a and b: how many letters to insert, delete, change or swap with a neighbour to
 * turn b into a (optimal string alignment). Row i of the table has the distances of a's first i
 * letters to each beginning of b. Only the last three rows are kept. */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned rows[3][WORD_MAX + 1];

    assert(n_a <= WORD_MAX && n_b <= WORD_MAX);
    for (unsigned k = 0; k <= n_b; k++)
        rows[0][k] = k;
    for (unsigned i = 1; i <= n_a; i++) {
        const unsigned *before = rows[(i + 1) % 3], *above = rows[(i - 1) % 3];
        unsigned *row = rows[i % 3];

        row[0] = i;
        for (size_t k = 1; k <= n_b; k++) {
            row[k] =
                min3(above[k] + 1, row[k - 1] + 1, above[k - 1] + !is_same(a[i - 1], b[k - 1]));
            if (i > 1 && k > 1 && is_same(a[i - 1], b[k - 2]) && is_same(a[i - 2], b[k - 1]) &&
                before[k - 2] + 1 < row[k])
                row[k] = before[k - 2] + 1;
        }
    }
    return rows[n_a % 3][n_b];
}

void suggest_offer(struct suggest *suggest, const char *known)
{
    size_t n_word = strlen(suggest->word), n_known = strlen(known);
    size_t n_shorter = n_word < n_known ? n_word : n_known;
    unsigned far;

    if (n_word > WORD_MAX || n_known > WORD_MAX || n_shorter == 0)
        return;
    far = distance(suggest->word, n_word, known, n_known);
    assert(far <= WORD_MAX);
    if (n_shorter >= PREFIX_MIN && strncmp(suggest->word, known, n_shorter) == 0)
        far = 1; /* one word begins with the other */
    if (far > n_shorter / LETTERS_EACH && (far > 1 || n_shorter < PREFIX_MIN))
        return;
    if (suggest->best == NULL || far < suggest->distance) {
        suggest->best = known;
        suggest->distance = far;
    }
}
