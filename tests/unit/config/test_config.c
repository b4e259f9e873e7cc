/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/config: whole files against golden reports, every default, files that can't
 * be read, reports that don't fit. */
#include <postern/config/config.h>

#include "golden.h"
#include "parsing.h"

#include <fcntl.h>
#include <unistd.h>

/* Parses data/<name>.yaml under its own name, whatever the folder is. */
static enum status parse_file(const char *name, struct buf *report, struct config **ret_config)
{
    char path[64];
    struct buf text;
    buf_init(&text, GOLDEN_BYTES);
    snprintf(path, sizeof(path), "data/%s.yaml", name);
    golden_read(path, &text);
    snprintf(path, sizeof(path), "%s.yaml", name);
    enum status status = config_parse(path, buf_slice(&text), report, ret_config);
    buf_done(&text);
    return status;
}

static bool holds(const struct buf *buf, const char *word)
{
    struct slice text = buf_slice(buf);
    return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

Test(config, many_errors_at_once)
{
    struct buf report;
    struct config *config = NULL;
    buf_init(&report, REPORT_BYTES);
    cr_assert_eq(parse_file("many_errors", &report, &config), STATUS_INVALID);
    cr_assert_null(config);
    cr_assert_not(holds(&report, "hush") || holds(&report, "hu@sh"), "a secret was told");
    golden_compare("data/many_errors.expected", buf_slice(&report));
    buf_done(&report);
}

Test(config, a_good_file_with_warnings)
{
    struct buf report;
    struct config *config = NULL;
    buf_init(&report, REPORT_BYTES);
    cr_assert_eq(parse_file("warnings", &report, &config), STATUS_OK);
    cr_assert_not(holds(&report, "hush"), "a secret was told");
    golden_compare("data/warnings.expected", buf_slice(&report));
    config_free(config);
    buf_done(&report);
}

Test(config, a_file_with_everything)
{
    struct buf text;
    struct config *config = NULL;
    buf_init(&text, REPORT_BYTES);
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
    cr_assert_eq(parse_file("full", &text, &config), STATUS_OK);
    cr_assert_eq(buf_len(&text), 0, "%.*s", (int)buf_len(&text), buf_slice(&text).data);
    cr_assert_eq(config_summary(config, &text), STATUS_OK);
    cr_assert_not(holds(&text, "hush"), "a secret was told");
    golden_compare("data/full.expected", buf_slice(&text));
    config_free(config);
    buf_done(&text);
}

Test(config, every_setting_reaches_its_field)
{
    struct buf report;
    struct config *c = NULL;
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
    buf_init(&report, REPORT_BYTES);
    cr_assert_eq(parse_file("full", &report, &c), STATUS_OK);
    cr_assert(c->workers == 3 && c->strict && c->listen_count == 2 && c->admin_enabled);
    cr_assert(c->redis.timeout_ms == 100 && slice_eq(c->redis.prefix, SLICE("hooks")));
    cr_assert(c->redis.pending_max == 10 && c->redis.l1_max_age_ms == 1000);
    cr_assert(c->memory_max_keys == 1000 && c->l1_max_keys == 100);
    cr_assert(c->postgres.timeout_ms == 1000 && c->postgres.flush_interval_ms == 50);
    cr_assert(c->postgres.retention_s == 1209600 && c->postgres.buffer_bytes == 32u << 20);
    cr_assert(slice_eq(c->sqlite.path, SLICE("/tmp/postern.db")));
    cr_assert(c->body_bytes == 2u << 20 && c->http.head_bytes == 16384);
    cr_assert(c->http.target_bytes == 4096 && c->http.fields == 50 && c->connections == 1000);
    cr_assert(c->body_memory_bytes == 512u << 20 && c->response_buffer_bytes == 131072);
    cr_assert(c->timeouts.header_ms == 1000 && c->timeouts.body_ms == 2000);
    cr_assert(c->timeouts.idle_ms == 3000 && c->timeouts.write_ms == 4000);
    cr_assert(c->drain_timeout_ms == 10000 && c->shutdown_delay_ms == 1000);
    cr_assert(c->log_format == LOG_FORMAT_TEXT && !c->log_format_auto);
    cr_assert(c->log_level == LOG_DEBUG && c->access_sample == 1);
    const struct upstream_opts *u = &c->upstreams[0];
    cr_assert(u->connect_timeout_ms == 500 && u->timeout_ms == 5000 && u->concurrency == 10);
    cr_assert(u->queue_max == 20 && u->idle_timeout_ms == 30000 && u->idle_max == 5);
    const struct route_opts *r = &c->routes[0];
    cr_assert(r->mode == ROUTE_OBSERVE && r->key_count == 5 && r->missing == MISSING_REJECT);
    cr_assert(r->window_ms == 43200000 && r->lease_ms == 20000 && r->in_flight_wait_ms == 1000);
    cr_assert(r->in_flight == IN_FLIGHT_CONFLICT && r->duplicate_status == 204);
    cr_assert(r->ack == ACK_DURABLE && r->on_store_error == STORE_ERROR_REJECT);
    cr_assert(r->on_timeout == TIMEOUT_HOLD && r->success_count == 2 && r->success[1].to == 404);
    cr_assert_eq(r->body_bytes, 10u << 20);
    const struct lane_opts *lane = &c->lanes[0];
    cr_assert(lane->pace.interval_us == 20000 && lane->pace.burst == 5);
    cr_assert(lane->breaker.failures == 3 && lane->breaker.cool_down_ms == 2000);
    cr_assert(slice_eq(lane->sign_key, SLICE("hush-hush-hush-hush")));
    cr_assert(slice_eq(c->spool.path, SLICE("/tmp/spool.db")) && c->spool_given);
    cr_assert(c->spool.max_bytes == 1u << 30 && c->spool.min_free_bytes == 64u << 20);
    cr_assert(c->spool.buffer_bytes == 96u << 20 && c->spool.flush_interval_ms == 50);
    cr_assert(r->fingerprint && r->on_mismatch == MISMATCH_NEW);
    r = &c->routes[1];
    cr_assert(r->mode == ROUTE_QUEUE && r->retry.max_attempts == 5);
    cr_assert(r->retry.max_age_ms == 86400000 && r->retry.base_ms == 1000);
    cr_assert(r->retry.cap_ms == 600000 && r->success[1].to == 410);
    cr_assert(slice_eq(r->sign_key, SLICE("hush-hush-hush-hush-hush")));
    config_free(c);
    buf_done(&report);
}

Test(config, every_setting_of_the_door_reaches_its_field)
{
    struct buf report;
    struct config *c = NULL;
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
    buf_init(&report, REPORT_BYTES);
    cr_assert_eq(parse_file("full", &report, &c), STATUS_OK);
    cr_assert(c->listen[0].proxy_protocol && !c->listen[1].proxy_protocol);
    cr_assert(c->listen[0].tls.certificate_count == 0 && c->trusted_proxy_count == 2);
    const struct tls_server_opts *server = &c->listen[1].tls;
    cr_assert(server->certificate_count == 1 && server->client_optional && server->at_least_1_3);
    cr_assert(slice_eq(server->client_ca, SLICE("/etc/passwd")) && server->handshake_ms == 5000);
    cr_assert(slice_eq(server->certificates[0].key, SLICE("/etc/group")));
    cr_assert(c->redis.tls.enabled && slice_eq(c->redis.tls.server_name, SLICE("redis.local")));
    cr_assert(c->memory_note_bytes == 2u << 20 && c->limit_cells == 500);
    const struct upstream_opts *u = &c->upstreams[0];
    cr_assert(u->tls.enabled && u->endpoints[1].secure && u->endpoints[1].port == 443);
    cr_assert(!u->tls.insecure && slice_eq(u->tls.key, SLICE("/etc/group")));
    const struct route_opts *r = &c->routes[1];
    cr_assert(slice_eq(r->preset, SLICE("zoom")) && r->keys[0].structured);
    cr_assert(r->verify.scheme == VERIFY_HMAC && r->verify.secret_count == 2);
    cr_assert(r->verify.tolerance_ms == 60000 && r->verify.status == 403);
    cr_assert(r->verify.hmac.digest == VERIFY_SHA512 && r->verify.hmac.part_count == 4);
    cr_assert(r->handshake.kind == HANDSHAKE_META && r->handshake.token.len == 19);
    cr_assert(r->replay.enabled && r->replay.body_bytes == 16384 && r->replay.header_count == 3);
    cr_assert(r->rate.interval_us == 20000 && r->rate.burst == 70 && r->rate.shared);
    cr_assert(r->rate.per == LIMIT_PER_HEADER && slice_eq(r->rate.header, SLICE("X-Tenant")));
    cr_assert(r->rate.duplicate_interval_us == 200000 && r->rate.duplicate_burst == 9);
    config_free(c);
    buf_done(&report);
}

Test(config, the_defaults)
{
    struct parsed parsed = parse_with("", "", "");
    assert_clean(parsed);
    const struct config *c = parsed.config;
    char admin[ADDRESS_TEXT_SIZE];
    address_format(&c->admin, admin);
    cr_assert_str_eq(admin, "127.0.0.1:9901");
    cr_assert(c->workers >= 1 && c->admin_enabled && c->admin_token.len == 0 && !c->strict);
    cr_assert(c->dedup == DEDUP_MEMORY && c->journal == JOURNAL_SQLITE);
    cr_assert(c->memory_max_keys == 10000000 && c->l1_max_keys == 200000);
    cr_assert(c->redis.timeout_ms == 250 && c->redis.l1_max_age_ms == 2000);
    cr_assert(slice_eq(c->redis.prefix, SLICE("postern")) && c->redis.pending_max == 100000);
    cr_assert(slice_eq(c->sqlite.path, SLICE("/var/lib/postern/postern.db")));
    cr_assert(c->sqlite.retention_s == 604800 && c->sqlite.buffer_bytes == 64u << 20);
    cr_assert(c->postgres.timeout_ms == 2000 && c->postgres.flush_interval_ms == 20);
    cr_assert(c->body_bytes == 1u << 20 && c->http.head_bytes == 32768);
    cr_assert(c->http.target_bytes == 8192 && c->http.fields == 100 && c->connections == 20000);
    cr_assert(c->body_memory_bytes == 1u << 30 && c->response_buffer_bytes == 262144);
    cr_assert(c->timeouts.header_ms == 10000 && c->timeouts.body_ms == 30000);
    cr_assert(c->timeouts.idle_ms == 75000 && c->timeouts.write_ms == 30000);
    cr_assert(c->drain_timeout_ms == 30000 && c->shutdown_delay_ms == 0);
    cr_assert(c->log_format_auto && c->log_level == LOG_INFO && c->access_sample == 100);
    cr_assert(c->memory_note_bytes == 64u << 20 && c->limit_cells == 100000);
    cr_assert(c->trusted_proxy_count == 0 && !c->redis.tls.enabled);
    parsed_done(&parsed);
}

Test(config, files_that_are_no_configuration)
{
    const struct {
        struct slice text;
        const char *words;
    } cases[] = {
        {SLICE(""), "f.yaml: error: the file is empty"},
        {SLICE("# nothing\n"), "f.yaml: error: the file is empty"},
        {SLICE("just text"), "f.yaml:1:1: error: the file must be a map of settings"},
        {SLICE("- a\n"), "f.yaml:1:1: error: the file must be a map of settings"},
        {SLICE("a: ["), "while parsing a flow node"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed = parse(cases[i].text);
        assert_one_error(parsed, cases[i].words);
        parsed_done(&parsed);
    }
}

Test(config, a_report_that_does_not_fit_is_cut)
{
    struct buf report;
    struct config *config = NULL;
    buf_init(&report, 100);
    cr_assert_eq(parse_file("many_errors", &report, &config), STATUS_INVALID);
    cr_assert_leq(buf_len(&report), 100);
    buf_done(&report);
    buf_init(&report, 0);
    cr_assert_eq(parse_file("warnings", &report, &config), STATUS_OK);
    config_free(config);
    buf_done(&report);
}

static char path[] = "/tmp/postern-config-XXXXXX";

static void make_file(void)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

static void fill_file(size_t comment_bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    fprintf(file, "listen: [{address: 127.0.0.1:1}]\nupstreams: {a: {endpoints: http://h}}\n"
                  "routes: [{name: r, upstream: a, match: {path: /}}]\n#");
    while ((size_t)ftell(file) < comment_bytes)
        fputc('x', file);
    cr_assert_eq(fclose(file), 0);
}

/* Loads `path`; the report has to hold `words`, NULL: nothing. */
static void load(const char *from, enum status expected, const char *words)
{
    struct buf report;
    struct config *config = NULL;
    buf_init(&report, REPORT_BYTES);
    cr_assert_eq(config_load(from, &report, &config), expected);
    cr_assert_eq(config != NULL, expected == STATUS_OK);
    cr_assert(words ? holds(&report, words) : buf_len(&report) == 0, "%.*s", (int)buf_len(&report),
              buf_slice(&report).data);
    config_free(config);
    buf_done(&report);
}

Test(config, from_a_file, .init = make_file, .fini = remove_file)
{
    fill_file(0);
    load(path, STATUS_OK, NULL);
    fill_file(1u << 20);
    load(path, STATUS_OK, NULL);
    fill_file((1u << 20) + 1);
    load(path, STATUS_INVALID, ": error: larger than 1048576 bytes");
}

Test(config, from_a_file_that_can_not_be_read)
{
    load("/nonexistent/postern.yaml", STATUS_IO,
         "/nonexistent/postern.yaml: error: can't read it: No such file or directory\n");
    load("/tmp", STATUS_IO, "/tmp: error: can't read it: Is a directory\n");
    load("/dev/null", STATUS_INVALID, "/dev/null: error: the file is empty");
}

Test(config, freeing_nothing_is_fine)
{
    config_free(NULL);
}
