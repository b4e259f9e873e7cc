/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scrape: the registry as Prometheus text format 0.0.4. It reads the cells while workers count in
 * them, so that a series may be a few events ahead of the next one; within a histogram the buckets
 * and the count always agree, because the count is the last bucket.
 */
#include "metrics_table.h"

#include "escape.h"

#include <inttypes.h>
#include <stdio.h>

#define US_PER_SECOND 1000000u
#define NUMBER_SIZE 32u /* UINT64_MAX, a point and a NUL fit */

/* One line of output. */
struct sample {
    const char *name;
    const char *suffix; /* of histograms: _bucket, _sum, _count; else "" */
    const char *labels;
    const char *le; /* of buckets, else NULL */
    char number[NUMBER_SIZE];
};

static enum status put_sample(struct buf *buf, const struct sample *sample)
{
    bool has_labels = sample->labels[0] != '\0';
    if (!has_labels && !sample->le)
        return buf_printf(buf, "%s%s %s\n", sample->name, sample->suffix, sample->number);
    if (!sample->le)
        return buf_printf(buf, "%s%s{%s} %s\n", sample->name, sample->suffix, sample->labels,
                          sample->number);
    return buf_printf(buf, "%s%s{%s%sle=\"%s\"} %s\n", sample->name, sample->suffix, sample->labels,
                      has_labels ? "," : "", sample->le, sample->number);
}

static void set_integer(struct sample *sample, uint64_t number)
{
    snprintf(sample->number, sizeof(sample->number), "%" PRIu64, number);
}

/* Microseconds as seconds with all their digits; a double would round a sum of some years. */
static void set_seconds(struct sample *sample, uint64_t us)
{
    snprintf(sample->number, sizeof(sample->number), "%" PRIu64 ".%06" PRIu64, us / US_PER_SECOND,
             us % US_PER_SECOND);
}

static enum status put_buckets(const struct metrics *metrics, struct sample *sample,
                               const struct metric_shape *shape, metric_id first, struct buf *buf)
{
    uint64_t count = 0;
    sample->suffix = "_bucket";
    for (uint32_t i = 0; i < shape->bucket_count; i++) {
        count += metrics_sum(metrics, first + i);
        sample->le = shape->buckets[i].le;
        set_integer(sample, count);
        enum status status = put_sample(buf, sample);
        if (status != STATUS_OK)
            return status;
    }
    sample->le = NULL;
    return STATUS_OK;
}

static enum status put_histogram(const struct metrics *metrics, struct sample *sample,
                                 enum metric_kind kind, metric_id id, struct buf *buf)
{
    enum status status = put_buckets(metrics, sample, &metric_shapes[kind], id + 1, buf);
    if (status != STATUS_OK)
        return status;
    /* The last bucket is the count; its text goes into the next line but one. */
    struct sample count = *sample;
    count.suffix = "_count";
    sample->suffix = "_sum";
    if (kind == METRIC_DURATION)
        set_seconds(sample, metrics_sum(metrics, id));
    else
        set_integer(sample, metrics_sum(metrics, id));
    status = put_sample(buf, sample);
    return status == STATUS_OK ? put_sample(buf, &count) : status;
}

static enum status put_series(const struct metrics *metrics, const struct metric_family *family,
                              const struct metric_series *series, struct buf *buf)
{
    struct sample sample = {.name = family->name, .suffix = "", .labels = series->labels};
    if (metric_shapes[family->kind].buckets)
        return put_histogram(metrics, &sample, family->kind, series->id, buf);
    set_integer(&sample, metrics_sum(metrics, series->id));
    return put_sample(buf, &sample);
}

/* Help text has only backslash and newline escaped. */
static enum status put_help(struct buf *buf, const char *help)
{
    enum status status = STATUS_OK;
    for (; *help && status == STATUS_OK; help++) {
        if (*help == '\n')
            status = buf_append(buf, SLICE("\\n"));
        else if (*help == '\\')
            status = buf_append(buf, SLICE("\\\\"));
        else
            status = buf_append_byte(buf, *help);
    }
    return status;
}

static enum status put_head(struct buf *buf, const struct metric_family *family)
{
    enum status status = buf_printf(buf, "# HELP %s ", family->name);
    if (status == STATUS_OK)
        status = put_help(buf, family->help);
    if (status == STATUS_OK)
        status =
            buf_printf(buf, "\n# TYPE %s %s\n", family->name, metric_shapes[family->kind].type);
    return status;
}

enum status metrics_render(const struct metrics *metrics, struct buf *buf)
{
    size_t len_before = buf_len(buf);
    enum status status = STATUS_OK;
    for (const struct metric_family *family = metrics->first; family; family = family->next) {
        status = put_head(buf, family);
        for (const struct metric_series *series = family->first; series; series = series->next)
            if (status == STATUS_OK)
                status = put_series(metrics, family, series, buf);
        if (status != STATUS_OK)
            break;
    }
    if (status != STATUS_OK)
        buf_truncate(buf, len_before);
    return status;
}

/* The first character of `value` as it stands in a label; *ret_taken is its length in `value`.
 * Prometheus refuses a whole scrape for one label that is not UTF-8, so what is not, and control
 * characters with it, becomes U+FFFD. */
static struct slice label_character(struct slice value, size_t *ret_taken)
{
    size_t length = escape_utf8_length(value);
    unsigned char first = (unsigned char)value.data[0];
    *ret_taken = length > 0 ? length : 1;
    if (first == '\n')
        return SLICE("\\n");
    if (first == '"')
        return SLICE("\\\"");
    if (first == '\\')
        return SLICE("\\\\");
    if (length == 0 || first < 0x20 || first == 0x7f)
        return SLICE("\xef\xbf\xbd");
    return slice_of(value.data, length);
}

enum status metrics_label(struct buf *buf, struct slice value)
{
    size_t len_before = buf_len(buf);
    enum status status = STATUS_OK;
    while (value.len > 0 && status == STATUS_OK) {
        size_t taken;
        status = buf_append(buf, label_character(value, &taken));
        value = slice_skip(value, taken);
    }
    if (status != STATUS_OK)
        buf_truncate(buf, len_before);
    return status;
}
