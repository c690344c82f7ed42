/* metrics: which bucket a duration falls into, and the text as Prometheus reads it. */

#include "test.h"

#include <string.h>

#include "base/metrics.h"
#include "base/util.h"

/* The bounds, written down a second time. */
static const uint64_t bounds_us[HISTOGRAM_BOUNDS] = {
    100,    250,    500,     1000,    2500,    5000,     10000,    25000,    50000,     100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 300000000,
};

static void assert_falls_into(uint64_t us, size_t wanted)
{
    struct histogram histogram = {0};

    histogram_add(&histogram, us, 1);
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        assert_int_equal(histogram.counts[i], i == wanted);
}

static void each_bound_takes_what_is_at_it_and_not_what_is_above(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        assert_falls_into(bounds_us[i] - 1, i);
        assert_falls_into(bounds_us[i], i);
        assert_falls_into(bounds_us[i] + 1, i + 1);
    }
}

/* Powers of two are where the table of the first bounds is entered at another row. */
static void every_power_of_two_falls_into_the_first_bucket_that_holds_it(void **state)
{
    (void)state;
    for (unsigned digit = 0; digit < 64; digit++) {
        for (int i = -1; i <= 1; i++) {
            uint64_t us = (UINT64_C(1) << digit) + (uint64_t)i;
            size_t wanted = 0;

            while (wanted < HISTOGRAM_BOUNDS && us > bounds_us[wanted])
                wanted++;
            assert_falls_into(us, wanted);
        }
    }
}

static void several_of_one_duration_count_each(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    histogram_add(&histogram, 300, 5);
    histogram_add(&histogram, 7, 2);
    assert_int_equal(histogram.counts[2], 5);
    assert_int_equal(histogram.counts[0], 2);
    assert_int_equal(histogram.sum_us, 5 * 300 + 2 * 7);
}

static void assert_text(struct buf *text, const char *wanted)
{
    buf_add(text, "", 1);
    assert_string_equal(buf_at(text), wanted);
    buf_done(text);
}

static void buckets_are_cumulative_and_the_last_one_is_the_count(void **state)
{
    struct histogram histogram = {0};
    struct buf text = {0};

    (void)state;
    histogram_add(&histogram, 100, 2);        /* at the first bound */
    histogram_add(&histogram, 1500000, 1);    /* 1.5 s */
    histogram_add(&histogram, 3600000000, 1); /* an hour: above all */
    metrics_histogram(&text, "x_seconds", &histogram);
    assert_text(&text, "x_seconds_bucket{le=\"0.0001\"} 2\n"
                       "x_seconds_bucket{le=\"0.00025\"} 2\n"
                       "x_seconds_bucket{le=\"0.0005\"} 2\n"
                       "x_seconds_bucket{le=\"0.001\"} 2\n"
                       "x_seconds_bucket{le=\"0.0025\"} 2\n"
                       "x_seconds_bucket{le=\"0.005\"} 2\n"
                       "x_seconds_bucket{le=\"0.01\"} 2\n"
                       "x_seconds_bucket{le=\"0.025\"} 2\n"
                       "x_seconds_bucket{le=\"0.05\"} 2\n"
                       "x_seconds_bucket{le=\"0.1\"} 2\n"
                       "x_seconds_bucket{le=\"0.25\"} 2\n"
                       "x_seconds_bucket{le=\"0.5\"} 2\n"
                       "x_seconds_bucket{le=\"1\"} 2\n"
                       "x_seconds_bucket{le=\"2.5\"} 3\n"
                       "x_seconds_bucket{le=\"5\"} 3\n"
                       "x_seconds_bucket{le=\"10\"} 3\n"
                       "x_seconds_bucket{le=\"30\"} 3\n"
                       "x_seconds_bucket{le=\"60\"} 3\n"
                       "x_seconds_bucket{le=\"300\"} 3\n"
                       "x_seconds_bucket{le=\"+Inf\"} 4\n"
                       "x_seconds_sum 3601.500200\n"
                       "x_seconds_count 4\n");
}

static void a_family_begins_with_its_help_and_its_type(void **state)
{
    struct buf text = {0};

    (void)state;
    metrics_family(&text, "x_total", "counter", "What it is.");
    metrics_number(&text, "x_total", NULL, NULL, 18446744073709551615u);
    assert_text(&text, "# HELP x_total What it is.\n# TYPE x_total counter\n"
                       "x_total 18446744073709551615\n");
}

static void help_is_escaped(void **state)
{
    struct buf text = {0};

    (void)state;
    metrics_family(&text, "x", "gauge", "a \"word\" in C:\\temp\nand more");
    assert_text(&text, "# HELP x a \"word\" in C:\\\\temp\\nand more\n# TYPE x gauge\n");
}

static void label_values_are_escaped(void **state)
{
    struct buf text = {0};

    (void)state;
    metrics_number(&text, "x", "name", "a \"word\" in C:\\temp\nand {more}", 1);
    metrics_number(&text, "x", "name", "", 0);
    assert_text(&text, "x{name=\"a \\\"word\\\" in C:\\\\temp\\nand {more}\"} 1\nx{name=\"\"} 0\n");
}

static void times_are_written_in_seconds_to_the_microsecond(void **state)
{
    struct buf text = {0};

    (void)state;
    metrics_seconds(&text, "x_seconds", 0);
    metrics_seconds(&text, "x_seconds", 1);
    metrics_seconds(&text, "x_seconds", 1795254634780196);
    assert_text(&text, "x_seconds 0.000000\nx_seconds 0.000001\nx_seconds 1795254634.780196\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bound_takes_what_is_at_it_and_not_what_is_above),
        cmocka_unit_test(every_power_of_two_falls_into_the_first_bucket_that_holds_it),
        cmocka_unit_test(several_of_one_duration_count_each),
        cmocka_unit_test(buckets_are_cumulative_and_the_last_one_is_the_count),
        cmocka_unit_test(a_family_begins_with_its_help_and_its_type),
        cmocka_unit_test(help_is_escaped),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(times_are_written_in_seconds_to_the_microsecond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
