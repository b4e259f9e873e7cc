/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/metrics: declaring, limits, rows, buckets at their limits. */
#include "metrics_table.h"

#include "malloc_refuses.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct metrics *metrics;

static void begin(void)
{
    metrics = metrics_new(3);
    cr_assert_not_null(metrics);
}

static void end(void)
{
    metrics_free(metrics);
}

TestSuite(metrics, .init = begin, .fini = end);

static void seal(void)
{
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
}

Test(metrics, rows_are_summed)
{
    metric_id a = metrics_counter(metrics, "a_total", "A.", NULL);
    metric_id b = metrics_gauge(metrics, "b", "B.", NULL);
    seal();
    for (size_t row = 0; row < 3; row++) {
        metric_add(metrics_row(metrics, row), a, row + 1);
        metric_add(metrics_row(metrics, row), a, 10);
        metric_set(metrics_row(metrics, row), b, 100);
        metric_set(metrics_row(metrics, row), b, row);
    }
    cr_assert_eq(metrics_sum(metrics, a), 36);
    cr_assert_eq(metrics_sum(metrics, b), 3);
    cr_assert_eq(metrics_value(metrics, 2, a), 13);
    cr_assert_eq(metrics_value(metrics, 0, b), 0);
}

Test(metrics, freeing_nothing_and_freeing_unsealed)
{
    metrics_free(NULL);
    cr_assert_neq(metrics_counter(metrics, "a_total", "A.", "b=\"c\""), METRIC_NONE);
}

Test(metrics, an_empty_registry_can_be_sealed)
{
    seal();
    metric_add(metrics_row(metrics, 0), METRIC_NONE, 1);
}

Test(metrics, declared_again_it_is_the_same_series)
{
    metric_id a = metrics_counter(metrics, "a_total", "A.", "r=\"x\"");
    metric_id b = metrics_counter(metrics, "a_total", "A.", "r=\"y\"");
    metric_id none = metrics_counter(metrics, "a_total", "A.", NULL);
    cr_assert(a != b && a != none && b != none);
    cr_assert_eq(metrics_counter(metrics, "a_total", "A.", "r=\"x\""), a);
    cr_assert_eq(metrics_counter(metrics, "a_total", "A.", ""), none);
}

Test(metrics, a_family_keeps_its_kind)
{
    cr_assert_neq(metrics_counter(metrics, "a_total", "A.", NULL), METRIC_NONE);
    cr_assert_eq(metrics_gauge(metrics, "a_total", "A.", NULL), METRIC_NONE);
    cr_assert_eq(metrics_histogram(metrics, "a_total", "A.", "r=\"x\""), METRIC_NONE);
}

Test(metrics, cells_run_out_at_the_ceiling)
{
    char labels[32];
    for (uint32_t i = 1; i < METRICS_MAX_CELLS - 17; i++) {
        /* Families of a hundred, so that looking for the same series stays short. */
        static char names[METRICS_MAX_CELLS / 100 + 1][16];
        char *name = names[i / 100];
        snprintf(name, sizeof(names[0]), "a%u_total", i / 100);
        snprintf(labels, sizeof(labels), "n=\"%u\"", i);
        cr_assert_neq(metrics_counter(metrics, name, "A.", labels), METRIC_NONE);
    }
    /* 17 cells are left, and a histogram of durations needs 18. */
    cr_assert_eq(metrics_histogram(metrics, "b_seconds", "B.", NULL), METRIC_NONE);
    cr_assert_neq(metrics_size_histogram(metrics, "c", "C.", NULL), METRIC_NONE);
    cr_assert_neq(metrics_gauge(metrics, "d", "D.", "n=\"1\""), METRIC_NONE);
    cr_assert_neq(metrics_gauge(metrics, "d", "D.", "n=\"2\""), METRIC_NONE);
    cr_assert_eq(metrics_gauge(metrics, "d", "D.", "n=\"3\""), METRIC_NONE);
    seal();
    metric_id last = METRICS_MAX_CELLS - 1;
    metric_add(metrics_row(metrics, 2), last, 7);
    cr_assert_eq(metrics_sum(metrics, last), 7);
}

Test(metrics, too_many_rows_are_an_answer, .disabled = !MALLOC_REFUSES)
{
    static const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 4096};
    for (size_t i = 0; i < 2; i++) {
        struct metrics *large = metrics_new(impossible[i]);
        cr_assert_eq(metrics_seal(large), STATUS_NO_MEMORY);
        metrics_free(large);
    }
}

Test(metrics, rows_share_no_cache_line)
{
    (void)metrics_counter(metrics, "a_total", "A.", NULL);
    seal();
    uintptr_t first = (uintptr_t)metrics_row(metrics, 0).values;
    uintptr_t second = (uintptr_t)metrics_row(metrics, 1).values;
    cr_assert_geq(second - first, 128);
    cr_assert_eq(first % 128, 0);
}

/* Observes each limit of `kind` and the number above it; bucket i then has its own limit and the
 * one above the limit before. */
static void check_buckets(metric_id id, enum metric_kind kind)
{
    const struct metric_shape *shape = &metric_shapes[kind];
    struct metric_cells cells = metrics_row(metrics, 0);
    uint64_t sum = 0;
    for (uint32_t i = 0; i + 1 < shape->bucket_count; i++) {
        uint64_t limit = shape->buckets[i].limit;
        metric_observe(metrics, cells, id, limit);
        metric_observe(metrics, cells, id, limit + 1);
        sum += 2 * limit + 1;
    }
    cr_assert_eq(metrics_sum(metrics, id), sum);
    for (uint32_t i = 0; i < shape->bucket_count; i++) {
        bool at_an_end = i == 0 || i + 1 == shape->bucket_count;
        cr_assert_eq(metrics_sum(metrics, id + 1 + i), at_an_end ? 1 : 2, "bucket %u", i);
    }
}

Test(metrics, buckets_of_durations)
{
    metric_id id = metrics_histogram(metrics, "a_seconds", "A.", NULL);
    metric_id after = metrics_counter(metrics, "after_total", "After.", NULL);
    seal();
    check_buckets(id, METRIC_DURATION);
    cr_assert_eq(metrics_sum(metrics, after), 0);
}

Test(metrics, buckets_of_sizes)
{
    metric_id id = metrics_size_histogram(metrics, "a", "A.", NULL);
    metric_id after = metrics_counter(metrics, "after_total", "After.", NULL);
    seal();
    check_buckets(id, METRIC_SIZE);
    cr_assert_eq(metrics_sum(metrics, after), 0);
}

Test(metrics, extreme_observations)
{
    metric_id id = metrics_histogram(metrics, "a_seconds", "A.", NULL);
    seal();
    metric_observe(metrics, metrics_row(metrics, 0), id, 0);
    metric_observe(metrics, metrics_row(metrics, 0), id, UINT64_MAX);
    cr_assert_eq(metrics_sum(metrics, id + 1), 1);
    cr_assert_eq(metrics_sum(metrics, id + metric_shapes[METRIC_DURATION].bucket_count), 1);
}

Test(metrics, observing_what_is_no_histogram_is_harmless)
{
    metric_id counter = metrics_counter(metrics, "a_total", "A.", NULL);
    seal();
    metric_observe(metrics, metrics_row(metrics, 0), METRIC_NONE, 5);
    metric_observe(metrics, metrics_row(metrics, 0), counter, 5);
    cr_assert_eq(metrics_sum(metrics, counter), 0);
}

Test(metrics, limits_increase)
{
    for (unsigned kind = METRIC_DURATION; kind < METRIC_KINDS; kind++) {
        const struct metric_shape *shape = &metric_shapes[kind];
        for (uint32_t i = 1; i < shape->bucket_count; i++)
            cr_assert_gt(shape->buckets[i].limit, shape->buckets[i - 1].limit);
        cr_assert_eq(shape->buckets[shape->bucket_count - 1].limit, UINT64_MAX);
    }
}
