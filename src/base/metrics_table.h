/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's memory, shared by metrics.c (declares and counts) and metrics_render.c (reads).
 * Families in order of their first declaration, each with its series; the numbers stand apart from
 * them, in one row of cells per writer:
 *
 *   family postern_events_total ── series route="a" (cell 1) ── series route="b" (cell 2)
 *   family postern_wait_seconds ── series (cells 3 … 20: sum, then one per bucket, not cumulated)
 */
#ifndef POSTERN_BASE_METRICS_TABLE_H
#define POSTERN_BASE_METRICS_TABLE_H

#include <postern/base/metrics.h>
#include <stddef.h>

/* One bucket of a histogram: counts what is at most `limit` and above the limit before. */
struct metric_bucket {
    uint64_t limit; /* microseconds, or a plain number; UINT64_MAX in the last */
    const char *le; /* the same as it is rendered */
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_DURATION, METRIC_SIZE, METRIC_KINDS };

/* What a kind needs. */
struct metric_shape {
    const char *type;                    /* of the text format */
    const struct metric_bucket *buckets; /* NULL but for histograms */
    uint32_t bucket_count;
};

/* By enum metric_kind. */
extern const struct metric_shape metric_shapes[METRIC_KINDS];

struct metric_series {
    struct metric_series *next;
    metric_id id;
    char labels[]; /* empty when there are none */
};

struct metric_family {
    struct metric_family *next;
    const char *name;
    const char *help;
    enum metric_kind kind;
    struct metric_series *first;
    struct metric_series **last; /* where the next one is linked in */
};

struct metrics {
    struct metric_family *first;
    struct metric_family **last; /* where the next one is linked in */
    size_t rows;
    uint32_t used_cells;              /* per row, the bin of METRIC_NONE included */
    size_t row_cells;                 /* from one row to the next */
    _Atomic uint64_t *cells;          /* NULL until metrics_seal */
    uint8_t kinds[METRICS_MAX_CELLS]; /* enum metric_kind of the series that begins at a cell */
};

#endif
