/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/checks: what follows from several settings, and what is wrong between
 * them. */
#include "parsing.h"

#define REDIS "dedup: {redis: {url: \"redis://h\"}}\n"
#define POSTGRES "journal: {postgres: {url: \"postgresql://h\"}}\n"

static void stores_are(const char *top, enum dedup_store dedup, enum journal_store journal)
{
    struct parsed parsed = parse_with(top, "", "");
    cr_assert_eq(parsed.status, STATUS_OK, "%s", parsed.report);
    cr_assert_eq(parsed.config->dedup, dedup);
    cr_assert_eq(parsed.config->journal, journal);
    parsed_done(&parsed);
}

Test(checks, stores_follow_from_their_urls)
{
    stores_are("", DEDUP_MEMORY, JOURNAL_SQLITE);
    stores_are(REDIS, DEDUP_REDIS, JOURNAL_SQLITE);
    stores_are(POSTGRES, DEDUP_MEMORY, JOURNAL_POSTGRES);
    stores_are(REDIS POSTGRES, DEDUP_REDIS, JOURNAL_POSTGRES);
}

Test(checks, a_store_needs_its_url)
{
    expect_error("dedup: {store: redis}\n", "", "",
                 "f.yaml:9:16: error: dedup.store is redis, and there is no dedup.redis.url");
    expect_error("journal: {store: postgres}\n", "", "",
                 "journal.store is postgres, and there is no journal.postgres.url");
    expect_clean("dedup: {store: memory}\njournal: {store: sqlite}\n", "", "");
}

Test(checks, an_unused_url_is_a_warning)
{
    expect_warning("dedup: {store: memory, redis: {url: \"redis://h\"}}\n", "", "",
                   "warning: dedup.redis.url is not used");
    expect_warning("journal: {store: sqlite, postgres: {url: \"postgresql://h\"}}\n", "", "",
                   "warning: journal.postgres.url is not used");
}

Test(checks, what_is_shared_between_the_stores)
{
    struct parsed parsed =
        parse_with("workers: 4\nstrict: true\njournal: {retention: 2d, buffer: 64MiB}\n", "", "");
    assert_clean(parsed);
    const struct config *config = parsed.config;
    cr_assert(config->sqlite.retention_s == 172800 && config->postgres.retention_s == 172800);
    cr_assert(config->sqlite.buffer_bytes == 64u << 20 &&
              config->postgres.buffer_bytes == 16u << 20);
    cr_assert(config->strict && config->redis.strict);
    cr_assert_eq(config->http.chunk_overhead_bytes, 16384);
    parsed_done(&parsed);
}

Test(checks, keys_in_memory_and_a_crash)
{
    expect_warning(POSTGRES, "", "", "warning: keys in memory with ack: async: a crash forgets");
    expect_error("strict: true\n" POSTGRES, "", "", "error: keys in memory with ack: async");
    expect_clean(POSTGRES, "", "    ack: durable\n");
    expect_clean(POSTGRES, "", "    mode: queue\n");
    expect_clean(POSTGRES REDIS, "", "");
}

#define POSTGRES_KEEPS(retention)                                                                  \
    "journal: {postgres: {url: \"postgresql://h\"}, retention: " retention "}\n"
#define DURABLE "    ack: durable\n"

Test(checks, keys_in_memory_and_a_restart)
{
    expect_warning(POSTGRES_KEEPS("23h"), "", DURABLE,
                   "f.yaml:10:57: warning: keys in memory with a retention shorter than a window");
    expect_warning(POSTGRES_KEEPS("23h"), "", DURABLE, "the longest window of a route is 24h");
    expect_clean(POSTGRES_KEEPS("24h"), "", DURABLE);
    expect_clean(POSTGRES_KEEPS("23h") REDIS, "", DURABLE);
    expect_warning(POSTGRES, "", DURABLE "    window: 8d\n", "shorter than a window");
    expect_error("strict: true\n" POSTGRES, "", DURABLE "    window: 8d\n",
                 "shorter than a window");
}

/* Its retention leaves rows whose window is open. */
Test(checks, sqlite_keeps_the_keys_whatever_its_retention)
{
    expect_clean("journal: {retention: 23h}\n", "", "");
    expect_clean("strict: true\njournal: {retention: 1m}\n", "", "    window: 30d\n");
}

/* ---- the spool ---- */

#define POSTGRES_AND(more) "journal: {postgres: {url: \"postgresql://h\"}, " more "}\n" REDIS

Test(checks, the_spool_stands_beside_postgres)
{
    struct parsed parsed = parse_with(POSTGRES_AND("retention: 5d, buffer: 64MiB"), "", "");
    assert_clean(parsed);
    const struct sqlite_opts *spool = &parsed.config->spool;
    cr_assert(slice_eq(spool->path, SLICE("/var/lib/postern/spool.db")));
    cr_assert(spool->spool && !parsed.config->spool_given && !parsed.config->sqlite.spool);
    cr_assert(spool->max_bytes == UINT64_C(4) << 30 && spool->min_free_bytes == 256u << 20);
    cr_assert(spool->buffer_bytes == 64u << 20 && spool->flush_interval_ms == 20);
    cr_assert_eq(spool->retention_s, 432000);
    cr_assert(parsed.config->sqlite.max_bytes == 0 && parsed.config->sqlite.min_free_bytes == 0);
    parsed_done(&parsed);
}

Test(checks, a_spool_that_is_given)
{
    struct parsed parsed = parse_with(
        POSTGRES_AND("spool: {path: /s, max_size: 1MiB, min_free: 0B, enabled: true}"), "", "");
    assert_clean(parsed);
    const struct sqlite_opts *spool = &parsed.config->spool;
    cr_assert(slice_eq(spool->path, SLICE("/s")) && parsed.config->spool_given);
    cr_assert(spool->max_bytes == 1u << 20 && spool->min_free_bytes == 0);
    parsed_done(&parsed);
}

static void has_no_spool(const char *top)
{
    struct parsed parsed = parse_with(top, "", "");
    assert_clean(parsed);
    cr_assert(parsed.config->spool.path.len == 0 && !parsed.config->spool_given);
    parsed_done(&parsed);
}

Test(checks, no_spool)
{
    has_no_spool("");
    has_no_spool("journal: {spool: {}}\n");
    has_no_spool("journal: {spool: {enabled: false, path: /s}}\n");
    has_no_spool(POSTGRES_AND("spool: {enabled: false, path: /s}"));
}

Test(checks, a_spool_beside_sqlite_is_a_warning)
{
    expect_warning("journal: {spool: {path: /s}}\n", "", "",
                   "f.yaml:9:18: warning: journal.spool is not used");
    expect_warning("strict: true\njournal:\n  store: sqlite\n  spool: {max_size: 1GiB}\n", "", "",
                   "hint: it stands beside journal.store: postgres; SQLite is never away");
    struct parsed parsed = parse_with("journal: {spool: {path: ''}}\n", "", "");
    cr_assert(strstr(parsed.report, "journal.spool.path must be a file, shorter than 4096"));
    parsed_done(&parsed);
}

/* ---- limits ---- */

Test(checks, limits_among_each_other)
{
    expect_clean("limits: {body: 4MiB, body_memory: 4MiB}\n", "", "");
    expect_error("limits: {body: 4MiB, body_memory: 4095KiB}\n", "", "    limits: {body: 1KiB}\n",
                 "f.yaml:10:16: error: limits.body must not be larger than limits.body_memory");
    expect_error("limits: {body_memory: 512KiB}\n", "", "",
                 "f.yaml:9:23: error: limits.body must not be larger than limits.body_memory");
    expect_clean("limits: {target: 32KiB}\n", "", "");
    expect_error("limits: {target: 33KiB}\n", "", "",
                 "limits.target must not be larger than limits.headers");
}

Test(checks, a_refused_limit_is_told_once)
{
    expect_error("limits: {body: 2GiB}\n", "", "", "limits.body must be from 1B to 1GiB");
    expect_error("limits: {headers: 1B}\n", "", "", "limits.headers must be from 1KiB to 1MiB");
}

Test(checks, the_largest_event_fits_the_journals_buffer)
{
    expect_clean("journal: {buffer: 2MiB}\n", "", "");
    expect_clean("journal: {buffer: 1MiB}\n", "", "    limits: {body: 992KiB}\n");
    expect_warning("journal: {buffer: 1MiB}\n", "", "    limits: {body: 993KiB}\n",
                   "journal.buffer is too small for the largest event");
    expect_warning("workers: 2\n" REDIS
                   "journal: {buffer: 2MiB, postgres: {url: \"postgresql://h\"}}\n",
                   "", "    limits: {body: 993KiB}\n", "a worker's share is 1048576");
    expect_error("strict: true\njournal: {buffer: 1MiB}\n", "", "", "journal.buffer is too small");
}

Test(checks, admin_is_apart_from_the_listeners)
{
    expect_error("admin: {address: \"127.0.0.1:8080\"}\n", "", "",
                 "f.yaml:9:18: error: admin.address is the address of a listener");
    expect_clean("admin: {address: \"127.0.0.1:8080\", enabled: false}\n", "", "");
    expect_clean("admin: {address: \"127.0.0.1:8081\"}\n", "", "");
    expect_clean("admin: {address: \"127.0.0.1:0\"}\n", "", "");
    struct parsed parsed =
        parse(SLICE("listen: [{address: 127.0.0.1:0}, {address: 127.0.0.1:9901}]\n"
                    "upstreams: {app: {endpoints: [\"http://127.0.0.1:9000\"]}}\n"
                    "routes: [{name: a, match: {path: /a}, upstream: app, key: payload}]\n"));
    cr_assert_neq(parsed.status, STATUS_OK);
    cr_assert(
        strstr(parsed.report, "f.yaml:1:34: error: admin.address is the address of a listener"),
        "%s", parsed.report);
    parsed_done(&parsed);
}
