/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' pages over a state that the test writes: health words, the token, the refusals,
 * and the metrics as promtool sees them. Connections are tests/unit/admin/test_server.c's.
 */
#include "pages.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct config config = {.workers = 2};
static struct metrics *metrics;
static struct books *books;
static struct account first, second;
static struct log *lines;
static struct admin_state state;
static struct admin_opts opts;
static struct buf body;
static int nowhere;

static void refresh(struct dedup *dedup)
{
    (void)dedup;
}

static const struct dedup_backend dedup_backend = {.name = "fake", .refresh_stats = refresh};

static void publish(struct account *account, bool dedup_up, bool journal_up)
{
    struct dedup dedup = {.backend = &dedup_backend, .stats.up = dedup_up};
    struct journal journal = {.stats.up = journal_up};
    account_publish(account, &dedup, &journal, NULL, 0);
    metric_set(account->cells, books->queue.up, 1);
}

static void set_up(void)
{
    metrics = metrics_new(3);
    cr_assert_not_null(metrics);
    cr_assert_eq(books_open(&config, metrics, &books), STATUS_OK);
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
    cr_assert_eq(account_init(&first, books, 0), STATUS_OK);
    cr_assert_eq(account_init(&second, books, 1), STATUS_OK);
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    cr_assert_eq(log_open(nowhere, LOG_FORMAT_JSON, LOG_ERROR, &lines), STATUS_OK);
    state = (struct admin_state){.listening = true, .keys_loaded = true};
    opts = (struct admin_opts){
        .config = &config,
        .metrics = metrics,
        .books = books,
        .cells = metrics_row(metrics, 2),
        .log = lines,
        .state = &state,
        .version = "1.2.3",
    };
    publish(&first, true, true);
    publish(&second, true, true);
    buf_init(&body, 4u << 20);
}

static void tear_down(void)
{
    buf_done(&body);
    log_close(lines);
    close(nowhere);
    account_done(&first);
    account_done(&second);
    books_close(books);
    metrics_free(metrics);
}

/* The page of one request; its text is NUL-terminated in `body`. */
static struct page get(const char *method, const char *path, const char *query, const char *auth)
{
    struct http_field field = {
        .name = SLICE("Authorization"), .value = slice_str(auth), .id = FIELD_OTHER};
    struct http_head head = {
        .method = slice_str(method),
        .path = slice_str(path),
        .query = slice_str(query),
        .fields = &field,
        .field_count = auth ? 1 : 0,
    };
    buf_clear(&body);
    struct page page = page_make(&opts, &head, &body);
    cr_assert_eq(buf_append_byte(&body, '\0'), STATUS_OK);
    return page;
}

static bool said(const char *text)
{
    return strstr(buf_slice(&body).data, text) != NULL;
}

TestSuite(pages, .init = set_up, .fini = tear_down);

/* ---- health ---- */

Test(pages, alive_is_alive_in_every_state)
{
    state = (struct admin_state){.draining = true};
    cr_assert_eq(get("GET", "/livez", "", NULL).status, 200);
    cr_assert_eq(get("GET", "/healthz", "", NULL).status, 200);
    cr_assert_str_eq(buf_slice(&body).data, "ok\n");
}

Test(pages, ready_tells_the_state)
{
    cr_assert_eq(get("GET", "/readyz", "", NULL).status, 200);
    cr_assert_str_eq(buf_slice(&body).data, "ready\n");
    state.draining = true;
    cr_assert_eq(get("GET", "/readyz", "", NULL).status, 503);
    cr_assert_str_eq(buf_slice(&body).data, "draining\n");
    state = (struct admin_state){.keys_loaded = true};
    cr_assert_eq(get("GET", "/readyz", "", NULL).status, 503);
    cr_assert_str_eq(buf_slice(&body).data, "starting\n");
}

Test(pages, a_store_that_is_away_degrades_but_stays_ready)
{
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert(said("\"status\":\"ready\",\"degraded\":false,\"workers\":2"));
    publish(&second, false, true);
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert(said("\"degraded\":true"));
    cr_assert(said("\"dedup\":{\"store\":\"memory\",\"workers_up\":1"));
    publish(&second, true, false);
    cr_assert_eq(get("GET", "/readyz", "verbose=1", NULL).status, 200);
    cr_assert(said("\"degraded\":true"));
    cr_assert(said("\"journal\":{\"store\":\"sqlite\",\"workers_up\":1"));
}

Test(pages, a_queue_that_is_away_degrades)
{
    metric_set(first.cells, books->queue.dead, 7);
    metric_set(second.cells, books->queue.up, 0);
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert(said("\"degraded\":true"));
    cr_assert(said("\"queue\":{\"workers_up\":1,\"queued\":0,\"dead\":7,"));
}

Test(pages, a_spool_in_use_or_full_degrades)
{
    struct spool_stats spool = {.there = true, .away = true, .rows = 3, .bytes = 4096};
    account_spool(&first, &spool, 0);
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert(said("\"degraded\":true"));
    cr_assert(said("\"spool\":{\"in_use\":true,\"full\":false,\"rows\":3,\"bytes\":4096,"));
    spool = (struct spool_stats){.there = true, .full = true};
    account_spool(&first, &spool, 0);
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert(said("\"degraded\":true"));
    cr_assert(said("\"full\":true"));
    spool.full = false;
    account_spool(&first, &spool, 0);
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert(said("\"degraded\":false"));
}

Test(pages, keys_that_are_not_loaded_degrade)
{
    state.keys_loaded = false;
    state.redis_note = "maxmemory-policy may evict live keys";
    get("GET", "/readyz", "verbose", NULL);
    cr_assert(said("\"degraded\":true"));
    cr_assert(said("\"keys_loaded\":false"));
    cr_assert(said("\"note\":\"maxmemory-policy may evict live keys\""));
}

Test(pages, verbose_of_a_draining_one_is_503)
{
    state.draining = true;
    struct page page = get("GET", "/readyz", "verbose", NULL);
    cr_assert_eq(page.status, 503);
    cr_assert(slice_eq(page.type, SLICE("application/json")));
    cr_assert(said("\"status\":\"draining\""));
}

/* ---- the door ---- */

Test(pages, only_get_and_head)
{
    cr_assert_eq(get("POST", "/healthz", "", NULL).status, 405);
    cr_assert_eq(get("DELETE", "/metrics", "", NULL).status, 405);
    cr_assert_eq(get("HEAD", "/healthz", "", NULL).status, 200);
}

Test(pages, unknown_pages_are_404)
{
    cr_assert_eq(get("GET", "/", "", NULL).status, 404);
    cr_assert_eq(get("GET", "/metrics/", "", NULL).status, 404);
    cr_assert_eq(get("GET", "/api/v1/events", "", NULL).status, 404);
}

struct token_case {
    const char *header;
    unsigned status;
};

Test(pages, the_token_is_compared_whole)
{
    const struct token_case cases[] = {
        {"Bearer s3cret-token", 200},
        {"bearer s3cret-token", 200},
        {"Bearer   s3cret-token ", 200},
        {"Bearer s3cret-toke", 401},
        {"Bearer s3cret-tokenx", 401},
        {"Bearer S3cret-token", 401},
        {"Bearer ", 401},
        {"Bearer", 401},
        {"Basic s3cret-token", 401},
        {"s3cret-token", 401},
        {"", 401},
        {NULL, 401},
    };
    config.admin_token = SLICE("s3cret-token");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct page page = get("GET", "/metrics", "", cases[i].header);
        cr_assert_eq(page.status, cases[i].status, "case %zu", i);
        cr_assert_eq(page.challenge, cases[i].status == 401, "case %zu", i);
        cr_assert(!said("s3cret"));
    }
}

/* Who may not read the metrics may not learn which pages there are. Health is open: probes have no
 * token. */
Test(pages, without_the_token_only_health_is_told)
{
    config.admin_token = SLICE("s3cret-token");
    cr_assert_eq(get("GET", "/nothing", "", NULL).status, 401);
    cr_assert_eq(get("GET", "/readyz", "verbose", NULL).status, 200);
    cr_assert_eq(get("GET", "/livez", "", NULL).status, 200);
}

/* ---- metrics ---- */

/* promtool's exit status: not 0 for what Prometheus would not read, and for a bad name. */
static int promtool_says(struct slice text)
{
    FILE *pipe = popen("promtool check metrics", "w");
    cr_assert_not_null(pipe);
    cr_assert_eq(fwrite(text.data, 1, text.len, pipe), text.len);
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(pages, metrics_pass_promtool)
{
    struct page page = get("GET", "/metrics", "", NULL);
    cr_assert_eq(page.status, 200);
    cr_assert(slice_eq(page.type, SLICE("text/plain; version=0.0.4; charset=utf-8")));
    struct slice text = buf_slice(&body);
    text.len--; /* the NUL */
    cr_assert_eq(promtool_says(text), 0);
}

Test(pages, metrics_tell_the_process)
{
    get("GET", "/metrics", "", NULL);
    cr_assert(said("\nprocess_resident_memory_bytes "));
    cr_assert(said("\nprocess_cpu_seconds_total "));
    cr_assert(said("\npostern_build_info{version=\"1.2.3\"} 1\n"));
    cr_assert(said("\npostern_ready 1\n"));
    state.draining = true;
    get("GET", "/metrics", "", NULL);
    cr_assert(said("\npostern_ready 0\n"));
}

Test(pages, metrics_larger_than_the_answer_are_500)
{
    buf_done(&body);
    buf_init(&body, 1024);
    cr_assert_eq(get("GET", "/metrics", "", NULL).status, 500);
    cr_assert(said("larger than"));
}
