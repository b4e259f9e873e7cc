/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_stores: the URLs' parts, what is refused, and that no password is
 * told. */
#include "parsing.h"

#include <stdlib.h>

static struct parsed parse_redis(const char *url)
{
    char top[512];
    snprintf(top, sizeof(top), "dedup: {redis: {url: \"%s\"}}\n", url);
    return parse_with(top, "", "");
}

static bool is(struct slice slice, const char *text)
{
    return slice_eq(slice, slice_str(text));
}

Test(read_stores, the_least_redis_url)
{
    struct parsed parsed = parse_redis("redis://h");
    assert_clean(parsed);
    const struct redis_opts *redis = &parsed.config->redis;
    cr_assert(is(redis->host, "h") && redis->port == 6379 && redis->database == 0);
    cr_assert(redis->username.len == 0 && redis->password.len == 0);
    cr_assert(is(redis->prefix, "postern") && redis->timeout_ms == 250);
    cr_assert_eq(parsed.config->dedup, DEDUP_REDIS);
    parsed_done(&parsed);
}

Test(read_stores, the_whole_redis_url)
{
    struct parsed parsed = parse_redis("redis://me:p%40ss@[::1]:6380/65535");
    assert_clean(parsed);
    const struct redis_opts *redis = &parsed.config->redis;
    cr_assert(is(redis->host, "::1") && redis->port == 6380 && redis->database == 65535);
    cr_assert(is(redis->username, "me") && is(redis->password, "p@ss"));
    parsed_done(&parsed);
}

Test(read_stores, a_password_without_a_user)
{
    struct parsed parsed = parse_redis("redis://:hush@h/");
    assert_clean(parsed);
    cr_assert(parsed.config->redis.username.len == 0 && is(parsed.config->redis.password, "hush"));
    parsed_done(&parsed);
}

Test(read_stores, redis_with_tls)
{
    struct parsed parsed = parse_redis("rediss://:hush@h");
    assert_clean(parsed);
    cr_assert(parsed.config->redis.tls.enabled && !parsed.config->redis.tls.insecure);
    cr_assert_eq(parsed.config->redis.port, 6379);
    parsed_done(&parsed);
    parsed = parse_redis("rediss://h:6380/3");
    assert_clean(parsed);
    cr_assert(parsed.config->redis.port == 6380 && parsed.config->redis.database == 3);
    parsed_done(&parsed);
    parsed = parse_redis("redis://h");
    cr_assert_not(parsed.config->redis.tls.enabled);
    parsed_done(&parsed);
}

Test(read_stores, redis_urls_that_are_refused)
{
    const struct {
        const char *url, *words;
    } cases[] = {
        {"http://h", "its scheme is not redis:// or rediss://"},
        {"redisss://:hush@h", "its scheme is not redis:// or rediss://"},
        {"hush:6379", "it has no scheme"},
        {"redis://", "it has no host"},
        {"redis://hush@h", "a user without a password"},
        {"redis://:hush@h/65536", "its database is not a number from 0 to 65535"},
        {"redis://:hush@h/x", "its database is not a number"},
        {"redis://:hush@h?a=b", "nothing may follow the database"},
        {"redis://:hush@h/0?a=b", "its database is not a number"},
        {"redis://:hush%zz@h", "not followed by two hex digits"},
        {"redis://:hush@h:99999", "its port is not a number from 1 to 65535"},
        {"redis://:hu/sh@h", "it has no host"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed = parse_redis(cases[i].url);
        assert_one_error(parsed, cases[i].words);
        cr_assert(strstr(parsed.report, "f.yaml:9:22: error: dedup.redis.url can't be read: "));
        cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
        parsed_done(&parsed);
    }
}

Test(read_stores, urls_out_of_the_environment)
{
    setenv("POSTERN_TEST_URL", "redis://:hush@h:7", 1);
    struct parsed parsed = parse_redis("env:POSTERN_TEST_URL");
    assert_clean(parsed);
    cr_assert(parsed.config->redis.port == 7 && is(parsed.config->redis.password, "hush"));
    parsed_done(&parsed);
    setenv("POSTERN_TEST_URL", "hush", 1);
    parsed = parse_redis("env:POSTERN_TEST_URL");
    assert_one_error(parsed, "it has no scheme");
    cr_assert(strstr(parsed.report, "env:POSTERN_TEST_URL"), "where it is may be told");
    cr_assert_null(strstr(parsed.report, "hush"));
    parsed_done(&parsed);
}

static struct parsed parse_postgres(const char *url)
{
    char top[8192];
    snprintf(top, sizeof(top),
             "journal: {postgres: {url: \"%s\"}}\ndedup: {redis: {url: \"%s\"}}\n", url,
             "redis://h");
    return parse_with(top, "", "");
}

Test(read_stores, postgres_urls)
{
    const char *const urls[] = {"postgresql://me:hush@h/db", "postgres://h", "host=h dbname=d",
                                "postgresql://"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct parsed parsed = parse_postgres(urls[i]);
        assert_clean(parsed);
        cr_assert(is(parsed.config->postgres.url, urls[i]));
        cr_assert_eq(parsed.config->journal, JOURNAL_POSTGRES);
        parsed_done(&parsed);
    }
}

Test(read_stores, postgres_urls_that_are_refused)
{
    const char *const urls[] = {"hush", "mysql://me:hush@h/db", "h:5432"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct parsed parsed = parse_postgres(urls[i]);
        assert_one_error(parsed, "journal.postgres.url can't be read: it is neither");
        cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
        parsed_done(&parsed);
    }
}

Test(read_stores, a_postgres_url_at_and_above_its_longest)
{
    char url[4097] = "postgresql://";
    memset(url + 13, 'h', sizeof(url) - 14);
    struct parsed parsed = parse_postgres(url);
    assert_one_error(parsed, "can't be read");
    parsed_done(&parsed);
    url[4095] = '\0';
    parsed = parse_postgres(url);
    assert_clean(parsed);
    parsed_done(&parsed);
}
