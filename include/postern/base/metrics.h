/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms in the Prometheus text format 0.0.4. Series are declared before
 * the workers start and then fixed; each worker owns a row of cells that only it writes (relaxed
 * atomics, so no lock and no shared cache line on the hot path), and a scrape sums the rows.
 *
 *   main    id = metrics_counter(m, "postern_events_total", "Events by route.", "route=\"x\"");
 *   worker  metric_add(cells, id, 1);
 *   admin   metrics_render(m, &buf);
 */
#ifndef POSTERN_BASE_METRICS_H
#define POSTERN_BASE_METRICS_H

#include <postern/base/buf.h>
#include <postern/base/status.h>
#include <stdatomic.h>
#include <stdint.h>

/* Per row, 8 bytes each. More series than that are a mistake, told at start: the largest
 * configuration has some 76,400 (a test in unit/gateway/test_account.c opens its books). */
#define METRICS_MAX_CELLS 81920u

/* Where a series' cells start in each row. */
typedef uint32_t metric_id;

/* Counts nowhere: cell 0 of each row is a bin that is never rendered. */
#define METRIC_NONE ((metric_id)0)

struct metrics;

/* One worker's row of cells. */
struct metric_cells {
    _Atomic uint64_t *values;
};

/* An empty registry for `rows` writers (workers + 1 for the main thread). NULL when out of memory.
 */
struct metrics *metrics_new(size_t rows);

/* Frees it; NULL is fine. */
void metrics_free(struct metrics *metrics);

/* Declares a series. `name` and `help` have static storage and are the same for all series of a
 * family; series of one family are declared one after the other or not, rendering groups them.
 * `labels` is copied: `a="x",b="y"` with values already escaped (metrics_label), or NULL. A series
 * declared again gives the id it has. A family's kind is fixed by its first declaration.
 * METRIC_NONE when out of memory, over METRICS_MAX_CELLS, or when the family is of another kind.
 * Not thread-safe; only before metrics_seal. */
metric_id metrics_counter(struct metrics *metrics, const char *name, const char *help,
                          const char *labels);

/* As metrics_counter, for a value that goes up and down. */
metric_id metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                        const char *labels);

/* As metrics_counter, for a histogram of durations: observed in microseconds, rendered in seconds
 * (`_seconds` belongs in the name). */
metric_id metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                            const char *labels);

/* As metrics_counter, for a histogram of plain numbers (batch sizes), with buckets 1, 2, 5, 10 …
 * 10000. */
metric_id metrics_size_histogram(struct metrics *metrics, const char *name, const char *help,
                                 const char *labels);

/* Ends declaring and allocates the rows. */
NODISCARD enum status metrics_seal(struct metrics *metrics);

/* Row `row` (0 … rows - 1), for its one writer. */
struct metric_cells metrics_row(struct metrics *metrics, size_t row);

/* Adds to a counter. Only the row's owner may call it. */
static inline void metric_add(struct metric_cells cells, metric_id id, uint64_t n)
{
    _Atomic uint64_t *cell = &cells.values[id];
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Sets a gauge of this row; rows are summed at the scrape. */
static inline void metric_set(struct metric_cells cells, metric_id id, uint64_t value)
{
    atomic_store_explicit(&cells.values[id], value, memory_order_relaxed);
}

/* Counts one observation: microseconds, or a plain number for a size histogram. `metrics` tells the
 * kind. */
void metric_observe(const struct metrics *metrics, struct metric_cells cells, metric_id id,
                    uint64_t value);

/* The sum of a counter or gauge over all rows. Any thread. */
uint64_t metrics_sum(const struct metrics *metrics, metric_id id);

/* The value of a counter or gauge in one row. Any thread. */
uint64_t metrics_value(const struct metrics *metrics, size_t row, metric_id id);

/* Appends the whole registry in text format 0.0.4, families in order of their first declaration;
 * after metrics_seal. Nothing is appended on failure. Any thread. */
NODISCARD enum status metrics_render(const struct metrics *metrics, struct buf *buf);

/* Appends `value` escaped for use between the quotes of a label; control characters and bytes that
 * are not UTF-8 become U+FFFD. Nothing is appended on failure. */
NODISCARD enum status metrics_label(struct buf *buf, struct slice value);

#endif
