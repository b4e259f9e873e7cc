/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/metrics_render: the text to the byte, escaping, full buffers, and promtool,
 * which has to be there: what it refuses, Prometheus would. */
#include <postern/base/metrics.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct metrics *metrics;
static struct buf buf;

static void begin(void)
{
    metrics = metrics_new(2);
    cr_assert_not_null(metrics);
    buf_init(&buf, 1 << 20);
}

static void end(void)
{
    metrics_free(metrics);
    buf_done(&buf);
}

TestSuite(metrics_render, .init = begin, .fini = end);

static void seal(void)
{
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
}

static void assert_rendered(const char *expected)
{
    cr_assert_eq(metrics_render(metrics, &buf), STATUS_OK);
    struct slice got = buf_slice(&buf);
    cr_assert(slice_eq(got, slice_str(expected)), "got\n%.*s", (int)got.len, got.data);
}

static bool rendered_has(const char *line)
{
    struct slice got = buf_slice(&buf);
    return memmem(got.data, got.len, line, strlen(line)) != NULL;
}

Test(metrics_render, nothing)
{
    seal();
    assert_rendered("");
}

Test(metrics_render, families_are_grouped_in_order_of_declaration)
{
    metric_id x = metrics_counter(metrics, "b_total", "Bs.", "r=\"x\"");
    metric_id a = metrics_gauge(metrics, "a", "As.", NULL);
    metric_id y = metrics_counter(metrics, "b_total", "Bs.", "r=\"y\"");
    seal();
    metric_add(metrics_row(metrics, 0), x, 1);
    metric_add(metrics_row(metrics, 1), x, 2);
    metric_set(metrics_row(metrics, 0), a, UINT64_MAX);
    metric_add(metrics_row(metrics, 1), y, 4);
    assert_rendered("# HELP b_total Bs.\n"
                    "# TYPE b_total counter\n"
                    "b_total{r=\"x\"} 3\n"
                    "b_total{r=\"y\"} 4\n"
                    "# HELP a As.\n"
                    "# TYPE a gauge\n"
                    "a 18446744073709551615\n");
}

Test(metrics_render, help_is_escaped)
{
    (void)metrics_gauge(metrics, "a", "one\ntwo \\ \"three\"", NULL);
    seal();
    assert_rendered("# HELP a one\\ntwo \\\\ \"three\"\n# TYPE a gauge\na 0\n");
}

Test(metrics_render, sizes)
{
    metric_id id = metrics_size_histogram(metrics, "batch", "Rows.", "s=\"pg\"");
    seal();
    metric_observe(metrics, metrics_row(metrics, 0), id, 1);
    metric_observe(metrics, metrics_row(metrics, 1), id, 3);
    metric_observe(metrics, metrics_row(metrics, 1), id, 20000);
    assert_rendered("# HELP batch Rows.\n"
                    "# TYPE batch histogram\n"
                    "batch_bucket{s=\"pg\",le=\"1\"} 1\n"
                    "batch_bucket{s=\"pg\",le=\"2\"} 1\n"
                    "batch_bucket{s=\"pg\",le=\"5\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"10\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"20\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"50\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"100\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"200\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"500\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"1000\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"2000\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"5000\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"10000\"} 2\n"
                    "batch_bucket{s=\"pg\",le=\"+Inf\"} 3\n"
                    "batch_sum{s=\"pg\"} 20004\n"
                    "batch_count{s=\"pg\"} 3\n");
}

Test(metrics_render, durations_sum_up_exactly)
{
    metric_id id = metrics_histogram(metrics, "wait_seconds", "Waits.", NULL);
    seal();
    struct metric_cells cells = metrics_row(metrics, 0);
    metric_observe(metrics, cells, id, 100);
    metric_observe(metrics, cells, id, 101);
    /* More than the 53 bits of a double. */
    metric_observe(metrics, cells, id, 9007199254740993);
    cr_assert_eq(metrics_render(metrics, &buf), STATUS_OK);
    cr_assert(rendered_has("wait_seconds_bucket{le=\"0.0001\"} 1\n"));
    cr_assert(rendered_has("wait_seconds_bucket{le=\"0.00025\"} 2\n"));
    cr_assert(rendered_has("wait_seconds_bucket{le=\"10\"} 2\n"));
    cr_assert(rendered_has("wait_seconds_bucket{le=\"+Inf\"} 3\n"));
    cr_assert(rendered_has("wait_seconds_sum 9007199254.741194\n"));
    cr_assert(rendered_has("wait_seconds_count 3\n"));
}

static void assert_label(struct slice value, const char *expected)
{
    buf_clear(&buf);
    cr_assert_eq(metrics_label(&buf, value), STATUS_OK);
    struct slice got = buf_slice(&buf);
    cr_assert(slice_eq(got, slice_str(expected)), "got %.*s", (int)got.len, got.data);
}

Test(metrics_render, labels_are_escaped)
{
    assert_label(SLICE(""), "");
    assert_label(SLICE("plain, {stays}=1"), "plain, {stays}=1");
    assert_label(SLICE("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    assert_label(SLICE("\xc3\xa4"), "\xc3\xa4");
    assert_label(SLICE("\xc3"), "\xef\xbf\xbd");
    assert_label(SLICE("a\0b\r\x7f"), "a\xef\xbf\xbd"
                                      "b\xef\xbf\xbd\xef\xbf\xbd");
}

Test(metrics_render, a_label_that_does_not_fit_is_taken_back)
{
    struct buf small;
    buf_init(&small, 5);
    cr_assert_eq(buf_append(&small, SLICE("12")), STATUS_OK);
    cr_assert_eq(metrics_label(&small, SLICE("ab\n")), STATUS_FULL);
    cr_assert_eq(buf_len(&small), 2);
    cr_assert_eq(metrics_label(&small, SLICE("a\n")), STATUS_OK);
    cr_assert_eq(buf_len(&small), 5);
    buf_done(&small);
}

static void declare_one_of_each(void)
{
    (void)metrics_counter(metrics, "a_total", "A \\ and\nmore.", "r=\"x\"");
    (void)metrics_gauge(metrics, "b", "B.", NULL);
    (void)metrics_histogram(metrics, "c_seconds", "C.", "r=\"x\"");
    (void)metrics_size_histogram(metrics, "d_rows", "D.", NULL);
}

Test(metrics_render, a_buffer_that_is_full_anywhere_is_left_as_it_was)
{
    declare_one_of_each();
    seal();
    cr_assert_eq(metrics_render(metrics, &buf), STATUS_OK);
    for (size_t ceiling = 0; ceiling < buf_len(&buf) + 4; ceiling++) {
        struct buf small;
        buf_init(&small, ceiling + 4);
        cr_assert_eq(buf_append(&small, SLICE("kept")), STATUS_OK);
        enum status status = metrics_render(metrics, &small);
        cr_assert_eq(status, ceiling < buf_len(&buf) ? STATUS_FULL : STATUS_OK);
        cr_assert_eq(buf_len(&small), status == STATUS_OK ? buf_len(&buf) + 4 : 4);
        buf_done(&small);
    }
}

Test(metrics_render, promtool_accepts_it)
{
    struct buf labels;
    buf_init(&labels, 1000);
    cr_assert_eq(buf_append(&labels, SLICE("route=\"")), STATUS_OK);
    cr_assert_eq(metrics_label(&labels, SLICE("\xff evil \"}\n# \\ \x01\xe2\x82\xac")), STATUS_OK);
    cr_assert_eq(buf_append(&labels, SLICE("\"\0")), STATUS_OK);
    declare_one_of_each();
    metric_id evil = metrics_histogram(metrics, "c_seconds", "C.", buf_slice(&labels).data);
    buf_done(&labels);
    seal();
    for (uint64_t us = 1; us < 100000000; us *= 3)
        metric_observe(metrics, metrics_row(metrics, us % 2), evil, us);
    cr_assert_eq(metrics_render(metrics, &buf), STATUS_OK);
    cr_assert_eq(access("/usr/bin/promtool", X_OK), 0, "promtool is not installed");
    FILE *promtool = popen("/usr/bin/promtool check metrics", "w");
    cr_assert_not_null(promtool);
    cr_assert_eq(fwrite(buf_slice(&buf).data, 1, buf_len(&buf), promtool), buf_len(&buf));
    cr_assert_eq(pclose(promtool), 0);
}
