/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each writer counts in its own row while another thread scrapes; for ThreadSanitizer. Sums never
 * go back between two scrapes, and are exact in the end.
 */
#include <postern/base/metrics.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WRITERS 4
#define ROUNDS 1000000u

static struct metrics *metrics;
static metric_id events, depth, wait;
static atomic_bool done;
static atomic_uint failures;

static void expect(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "failed: %s\n", what);
    atomic_fetch_add(&failures, 1);
}

static void *run_writer(void *argument)
{
    struct metric_cells cells = *(struct metric_cells *)argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        metric_add(cells, events, 1);
        metric_set(cells, depth, i);
        metric_observe(metrics, cells, wait, i);
    }
    return NULL;
}

static void *run_scraper(void *argument)
{
    (void)argument;
    uint64_t last = 0;
    struct buf buf;
    buf_init(&buf, 1 << 16);
    while (!atomic_load(&done)) {
        uint64_t sum = metrics_sum(metrics, events);
        expect(sum >= last, "a sum went back");
        last = sum;
        buf_clear(&buf);
        expect(metrics_render(metrics, &buf) == STATUS_OK, "render");
    }
    buf_done(&buf);
    return NULL;
}

static void run_all(void)
{
    pthread_t writers[WRITERS], scraper;
    struct metric_cells cells[WRITERS];
    pthread_create(&scraper, NULL, run_scraper, NULL);
    for (size_t i = 0; i < WRITERS; i++) {
        cells[i] = metrics_row(metrics, i);
        pthread_create(&writers[i], NULL, run_writer, &cells[i]);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&done, true);
    pthread_join(scraper, NULL);
}

int main(void)
{
    metrics = metrics_new(WRITERS);
    if (!metrics)
        return 1;
    events = metrics_counter(metrics, "events_total", "Events.", NULL);
    depth = metrics_gauge(metrics, "depth", "Depth.", NULL);
    wait = metrics_histogram(metrics, "wait_seconds", "Waits.", NULL);
    if (metrics_seal(metrics) != STATUS_OK)
        return 1;
    run_all();
    expect(metrics_sum(metrics, events) == WRITERS * ROUNDS, "the sum of events");
    expect(metrics_sum(metrics, depth) == WRITERS * (ROUNDS - 1), "the sum of depths");
    uint64_t sum = (uint64_t)ROUNDS * (ROUNDS - 1) / 2;
    expect(metrics_sum(metrics, wait) == WRITERS * sum, "the sum of waits");
    metrics_free(metrics);
    return atomic_load(&failures) == 0 ? 0 : 1;
}
