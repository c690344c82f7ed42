#include "base/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    uint64_t us;
    const char *seconds;
} bounds[HISTOGRAM_BOUNDS] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},    {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},   {5000000, "5"},
    {10000000, "10"}, {30000000, "30"}, {60000000, "60"}, {300000000, "300"},
};

void histogram_add(struct histogram *histogram, uint64_t us, uint64_t n)
{
    size_t at = 0;

    while (at < HISTOGRAM_BOUNDS && us > bounds[at].us)
        at++;
    histogram->counts[at] += n;
    histogram->sum_us += us * n;
}

/* ---- the text ---- */

/* Append words with a backslash before each character of `special`; a newline becomes \n. */
static void add_escaped(struct buf *text, const char *words, const char *special)
{
    while (*words != '\0') {
        size_t n = strcspn(words, special);

        buf_add(text, words, n);
        words += n;
        if (*words != '\0') {
            char escaped[2] = {'\\', *words == '\n' ? 'n' : *words};

            buf_add(text, escaped, sizeof(escaped));
            words++;
        }
    }
}

static void add_number(struct buf *text, uint64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), " %llu\n", (unsigned long long)number);
    buf_add_text(text, digits);
}

static void add_seconds(struct buf *text, uint64_t us)
{
    char digits[32];

    (void)snprintf(digits, sizeof(digits), " %llu.%06u\n", (unsigned long long)(us / 1000000),
                   (unsigned)(us % 1000000));
    buf_add_text(text, digits);
}

void metrics_family(struct buf *text, const char *name, const char *type, const char *help)
{
    buf_add_text(text, "# HELP ");
    buf_add_text(text, name);
    buf_add_text(text, " ");
    add_escaped(text, help, "\\\n");
    buf_add_text(text, "\n# TYPE ");
    buf_add_text(text, name);
    buf_add_text(text, " ");
    buf_add_text(text, type);
    buf_add_text(text, "\n");
}

static void add_label(struct buf *text, const char *label, const char *value)
{
    buf_add_text(text, "{");
    buf_add_text(text, label);
    buf_add_text(text, "=\"");
    add_escaped(text, value, "\\\"\n");
    buf_add_text(text, "\"}");
}

void metrics_number(struct buf *text, const char *name, const char *label, const char *value,
                    uint64_t number)
{
    assert(label == NULL || value != NULL);
    buf_add_text(text, name);
    if (label != NULL)
        add_label(text, label, value);
    add_number(text, number);
}

void metrics_seconds(struct buf *text, const char *name, uint64_t us)
{
    buf_add_text(text, name);
    add_seconds(text, us);
}

void metrics_histogram(struct buf *text, const char *name, const struct histogram *histogram)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        n += histogram->counts[i];
        buf_add_text(text, name);
        buf_add_text(text, "_bucket");
        add_label(text, "le", i < HISTOGRAM_BOUNDS ? bounds[i].seconds : "+Inf");
        add_number(text, n);
    }
    buf_add_text(text, name);
    buf_add_text(text, "_sum");
    add_seconds(text, histogram->sum_us);
    buf_add_text(text, name);
    buf_add_text(text, "_count");
    add_number(text, n);
}
