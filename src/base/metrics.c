/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declaring series and counting in them. An observation costs two cells: the sum and the bucket it
 * falls into; buckets are cumulated by the scrape (metrics_render.c), not here.
 */
#include "metrics_table.h"

#include <assert.h>
#include <stdlib.h>

/* A row begins on a boundary of its own, so that no two writers share a cache line, nor the
 * neighbour that the hardware fetches along with it. */
#define ROW_ALIGN_BYTES 128u
#define ROW_ALIGN_CELLS (ROW_ALIGN_BYTES / sizeof(_Atomic uint64_t))
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "zeroed memory is an array of atomics at 0");

static const struct metric_bucket duration_buckets[] = {
    {100, "0.0001"},  {250, "0.00025"},     {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},      {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},      {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},
    {10000000, "10"}, {UINT64_MAX, "+Inf"},
};

static const struct metric_bucket size_buckets[] = {
    {1, "1"},       {2, "2"},       {5, "5"},         {10, "10"},           {20, "20"},
    {50, "50"},     {100, "100"},   {200, "200"},     {500, "500"},         {1000, "1000"},
    {2000, "2000"}, {5000, "5000"}, {10000, "10000"}, {UINT64_MAX, "+Inf"},
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

const struct metric_shape metric_shapes[METRIC_KINDS] = {
    [METRIC_COUNTER] = {"counter", NULL, 0},
    [METRIC_GAUGE] = {"gauge", NULL, 0},
    [METRIC_DURATION] = {"histogram", duration_buckets, LENGTH(duration_buckets)},
    [METRIC_SIZE] = {"histogram", size_buckets, LENGTH(size_buckets)},
};

struct metrics *metrics_new(size_t rows)
{
    assert(rows > 0);
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (!metrics)
        return NULL;
    metrics->last = &metrics->first;
    metrics->rows = rows;
    metrics->used_cells = 1; /* METRIC_NONE; its kind, 0, is a counter's */
    return metrics;
}

static void free_family(struct metric_family *family)
{
    for (struct metric_series *series = family->first, *next; series; series = next) {
        next = series->next;
        free(series);
    }
    free(family);
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (struct metric_family *family = metrics->first, *next; family; family = next) {
        next = family->next;
        free_family(family);
    }
    free(metrics->cells);
    free(metrics);
}

static struct metric_family *find_family(const struct metrics *metrics, const char *name)
{
    struct metric_family *family = metrics->first;
    while (family && strcmp(family->name, name) != 0)
        family = family->next;
    return family;
}

static struct metric_series *find_series(const struct metric_family *family, const char *labels)
{
    struct metric_series *series = family->first;
    while (series && strcmp(series->labels, labels) != 0)
        series = series->next;
    return series;
}

static struct metric_family *new_family(const char *name, const char *help, enum metric_kind kind)
{
    struct metric_family *family = calloc(1, sizeof(*family));
    if (!family)
        return NULL;
    family->name = name;
    family->help = help;
    family->kind = kind;
    family->last = &family->first;
    return family;
}

/* Appends a series with cells of its own to `family`. */
static metric_id add_series(struct metrics *metrics, struct metric_family *family,
                            const char *labels)
{
    uint32_t buckets = metric_shapes[family->kind].bucket_count;
    if (1 + buckets > METRICS_MAX_CELLS - metrics->used_cells)
        return METRIC_NONE;
    size_t labels_size = strlen(labels) + 1;
    struct metric_series *series = malloc(sizeof(*series) + labels_size);
    if (!series)
        return METRIC_NONE;
    series->next = NULL;
    series->id = metrics->used_cells;
    memcpy(series->labels, labels, labels_size);
    *family->last = series;
    family->last = &series->next;
    metrics->kinds[series->id] = (uint8_t)family->kind;
    metrics->used_cells += 1 + buckets;
    return series->id;
}

static metric_id declare(struct metrics *metrics, const char *name, const char *help,
                         const char *labels, enum metric_kind kind)
{
    assert(!metrics->cells);
    struct metric_family *family = find_family(metrics, name);
    if (family) {
        if (family->kind != kind)
            return METRIC_NONE;
        struct metric_series *series = find_series(family, labels ? labels : "");
        return series ? series->id : add_series(metrics, family, labels ? labels : "");
    }
    family = new_family(name, help, kind);
    if (!family)
        return METRIC_NONE;
    metric_id id = add_series(metrics, family, labels ? labels : "");
    if (id == METRIC_NONE) {
        free_family(family);
        return METRIC_NONE;
    }
    *metrics->last = family;
    metrics->last = &family->next;
    return id;
}

metric_id metrics_counter(struct metrics *metrics, const char *name, const char *help,
                          const char *labels)
{
    return declare(metrics, name, help, labels, METRIC_COUNTER);
}

metric_id metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                        const char *labels)
{
    return declare(metrics, name, help, labels, METRIC_GAUGE);
}

metric_id metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                            const char *labels)
{
    return declare(metrics, name, help, labels, METRIC_DURATION);
}

metric_id metrics_size_histogram(struct metrics *metrics, const char *name, const char *help,
                                 const char *labels)
{
    return declare(metrics, name, help, labels, METRIC_SIZE);
}

enum status metrics_seal(struct metrics *metrics)
{
    assert(!metrics->cells);
    size_t row_cells = (metrics->used_cells + ROW_ALIGN_CELLS - 1) / ROW_ALIGN_CELLS *
                       ROW_ALIGN_CELLS;
    size_t row_bytes = row_cells * sizeof(*metrics->cells);
    if (metrics->rows > SIZE_MAX / row_bytes)
        return STATUS_NO_MEMORY;
    void *cells = aligned_alloc(ROW_ALIGN_BYTES, metrics->rows * row_bytes);
    if (!cells)
        return STATUS_NO_MEMORY;
    memset(cells, 0, metrics->rows * row_bytes);
    metrics->cells = cells;
    metrics->row_cells = row_cells;
    return STATUS_OK;
}

struct metric_cells metrics_row(struct metrics *metrics, size_t row)
{
    assert(metrics->cells && row < metrics->rows);
    return (struct metric_cells){.values = metrics->cells + row * metrics->row_cells};
}

void metric_observe(const struct metrics *metrics, struct metric_cells cells, metric_id id,
                    uint64_t value)
{
    const struct metric_bucket *bucket = metric_shapes[metrics->kinds[id]].buckets;
    if (!bucket)
        return; /* METRIC_NONE */
    metric_add(cells, id, value);
    metric_id cell = id + 1;
    for (; value > bucket->limit; bucket++)
        cell++;
    metric_add(cells, cell, 1);
}

uint64_t metrics_value(const struct metrics *metrics, size_t row, metric_id id)
{
    assert(metrics->cells && row < metrics->rows && id < metrics->used_cells);
    return atomic_load_explicit(&metrics->cells[row * metrics->row_cells + id],
                                memory_order_relaxed);
}

uint64_t metrics_sum(const struct metrics *metrics, metric_id id)
{
    uint64_t sum = 0;
    for (size_t row = 0; row < metrics->rows; row++)
        sum += metrics_value(metrics, row, id);
    return sum;
}
