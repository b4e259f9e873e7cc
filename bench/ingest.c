/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the PostgreSQL journal takes rows: appends events with 1 KiB of body and prints one line
 * of JSON. Either as fast as its buffer takes them, at level BUFFERED, refilled whenever a batch
 * has gone; or (with BATCH) that many at a time at level DURABLE, the next when all are answered.
 * The database is the caller's (bench/ingest.py); its schema is made if it is missing.
 *
 *   bench_ingest URL ROWS [BATCH]
 */
#include <postern/store/backends.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES 1024u
#define BUFFER_BYTES (64u << 20)
#define PENDING_BYTES (32u << 20) /* the back-pressure: some batches, below the buffer's bound */
#define BATCH_MAX 2000u
#define DRAIN_MS 600000u

static struct loop loop;
static struct journal *journal;
static struct uuid_source ids;
static struct deadline refill = {0};
static struct journal_op ops[BATCH_MAX];
static unsigned long rows, appended;
static size_t batch, unanswered;
static uint64_t begun_us, ended_us;
static char body[BODY_BYTES];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_ingest: %s\n", what);
    exit(1);
}

static uint64_t now_us(void)
{
    struct clock clock;
    clock_refresh(&clock);
    return clock.mono_us;
}

/* ---- the end ---- */

static void on_closed(void *arg)
{
    (void)arg;
    loop_stop(&loop);
}

static void on_drained(void *arg)
{
    (void)arg;
    ended_us = now_us();
    if (journal->stats.rows != rows || journal->stats.dropped > 0)
        fail("not all rows were committed");
    double seconds = (double)(ended_us - begun_us) / 1e6;
    printf("{\"rows\": %lu, \"batches\": %llu, \"seconds\": %.3f, \"rows_per_s\": %.0f}\n", rows,
           (unsigned long long)journal->stats.batches, seconds, (double)rows / seconds);
    journal->backend->close(journal, on_closed, NULL);
}

static void drain(void)
{
    journal_drain(journal, loop_now_ms(&loop) + DRAIN_MS, on_drained, NULL);
}

/* ---- appending ---- */

static void append(struct journal_op *op, enum journal_level level)
{
    struct journal_record record = {
        .event_id = uuid_v7(&ids, loop.clock.wall_ms),
        .route = SLICE("github"),
        .has_key = true,
        .method = SLICE("POST"),
        .target = SLICE("/github/1?a=b"),
        .headers = SLICE("Host: hooks.example.com\r\nContent-Type: application/json\r\n"
                         "User-Agent: GitHub-Hookshot/044aadd\r\nX-GitHub-Event: push\r\n"),
        .content_type = SLICE("application/json"),
        .client = SLICE("192.0.2.7"),
        .mode = SLICE("proxy"),
        .state = SLICE("delivered"),
        .outcome = SLICE("accepted"),
        .response_status = 200,
        .duration_ms = 12,
    };
    int len = snprintf(body, sizeof(body), "{\"number\": %16lu, \"text\": \"", appended++);
    body[len] = 'b';
    record.body = slice_of(body, sizeof(body));
    record.received_at_ms = uuid_time_ms(&record.event_id);
    record.window_ends_at_ms = record.received_at_ms + 86400000;
    /* Keys are hashes: as scattered as the random end of an id. */
    for (size_t i = 0; i < EVENT_KEY_BYTES; i++)
        record.key.digest[i] = record.event_id.bytes[15 - i % 8] ^ (uint8_t)(17 * i);
    op->record = &record;
    op->level = level;
    (void)journal_append(journal, op);
    op->record = NULL;
    if (level == JOURNAL_BUFFERED && op->status != STATUS_OK)
        fail("a row was not taken");
}

static void append_buffered(void)
{
    struct journal_op op = {0};
    while (appended < rows && journal->stats.pending_bytes < PENDING_BYTES)
        append(&op, JOURNAL_BUFFERED);
    if (appended == rows)
        drain();
    else
        deadline_set(&loop.deadlines, &refill, loop_now_ms(&loop) + 1);
}

static void append_durable(void);

static void on_answered(struct journal_op *op)
{
    if (op->status != STATUS_OK)
        fail("a row was not committed");
    if (--unanswered > 0)
        return;
    if (appended < rows)
        append_durable();
    else
        drain();
}

static void append_durable(void)
{
    for (; unanswered < batch && appended < rows; unanswered++) {
        ops[unanswered].answered = on_answered;
        append(&ops[unanswered], JOURNAL_DURABLE);
    }
}

static void on_refill(struct deadline *deadline)
{
    (void)deadline;
    append_buffered();
}

/* ---- the beginning ---- */

static void on_changed(void *arg, bool up, struct slice detail)
{
    (void)arg;
    if (!up || begun_us > 0)
        fail(detail.len > 0 ? detail.data : "the database went away");
    begun_us = now_us();
    if (batch > 0)
        append_durable();
    else
        append_buffered();
}

static void read_arguments(int count, char *const *arguments)
{
    if (count < 3 || count > 4)
        fail("usage: bench_ingest URL ROWS [BATCH]");
    rows = strtoul(arguments[2], NULL, 10);
    batch = count > 3 ? strtoul(arguments[3], NULL, 10) : 0;
    if (rows == 0 || batch > BATCH_MAX)
        fail("ROWS has to be above 0, BATCH at most 2000");
}

int main(int count, char **arguments)
{
    read_arguments(count, arguments);
    const struct pg_opts opts = {.url = slice_str(arguments[1]),
                                 .timeout_ms = 10000,
                                 .flush_interval_ms = 50,
                                 .retention_s = 7 * 86400,
                                 .buffer_bytes = BUFFER_BYTES,
                                 .housekeeper = true};
    memset(body, 'b', sizeof(body));
    uuid_source_init(&ids);
    refill.expired = on_refill;
    if (loop_open(&loop) != STATUS_OK)
        fail("no loop");
    if (journal_postgres_open(&loop, &opts, (struct pg_listener){.changed = on_changed},
                              &journal) != STATUS_OK)
        fail("the URL can't be read");
    loop_run(&loop);
    loop_close(&loop);
    return 0;
}
