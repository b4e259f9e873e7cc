/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS contexts of a whole configuration: made where it asks for TLS, read again one by one, and
 * none left when one can't be made.
 */
#include <certificates.h>
#include <postern/gateway/secure.h>

static struct identity identity, other;
static struct tls_certificate files, other_files;
static struct listen_opts listeners[2];
static struct upstream_opts upstreams[2];
static struct config config;
static struct secure secure;
static struct log *logger;
static char error[SECURE_ERROR_SIZE];
static char logged[8192];
static int log_fd;

static void make_config(void)
{
    char path[64];
    identity_new(&identity, &(struct identity_wish){.common_name = "a"});
    identity_new(&other, &(struct identity_wish){.common_name = "b"});
    files = identity_files(&identity);
    other_files = identity_files(&other);
    listeners[1].tls = (struct tls_server_opts){.certificates = &files, .certificate_count = 1};
    upstreams[0].name = SLICE("plain");
    upstreams[1].name = SLICE("app");
    upstreams[1].tls = (struct tls_client_opts){.enabled = true, .ca = other_files.certificate};
    config = (struct config){
        .listen = listeners, .listen_count = 2, .upstreams = upstreams, .upstream_count = 2};
    log_fd = memory_file(path);
    cr_assert_eq(log_open(log_fd, LOG_FORMAT_JSON, LOG_DEBUG, &logger), STATUS_OK);
}

static void free_config(void)
{
    secure_close(&secure);
    identity_free(&identity);
    identity_free(&other);
}

TestSuite(secure, .init = make_config, .fini = free_config);

/* What was logged; ends the log. */
static const char *log_text(void)
{
    log_close(logger);
    ssize_t len = pread(log_fd, logged, sizeof logged - 1, 0);
    cr_assert_geq(len, 0);
    logged[len] = '\0';
    return logged;
}

Test(secure, contexts_where_they_are_asked_for)
{
    cr_assert_eq(secure_open(&config, &secure, error), STATUS_OK, "%s", error);
    cr_assert_null(secure.listeners[0]);
    cr_assert_not_null(secure.listeners[1]);
    cr_assert_null(upstreams[0].tls_context);
    cr_assert_not_null(upstreams[1].tls_context);
    cr_assert_null(config.redis.tls_context);
    secure_close(&secure);
    cr_assert_null(upstreams[1].tls_context);
    log_close(logger);
}

Test(secure, redis_as_well)
{
    config.redis.tls = (struct tls_client_opts){.enabled = true, .ca = files.certificate};
    cr_assert_eq(secure_open(&config, &secure, error), STATUS_OK, "%s", error);
    cr_assert_not_null(config.redis.tls_context);
    log_close(logger);
}

Test(secure, one_that_fails_leaves_none)
{
    upstreams[1].tls.ca = SLICE("/nowhere/ca.pem");
    cr_assert_eq(secure_open(&config, &secure, error), STATUS_IO);
    cr_assert_str_eq(error, "upstreams.app.tls: ca /nowhere/ca.pem: No such file or directory");
    cr_assert_null(secure.listeners);
    cr_assert_null(upstreams[1].tls_context);
    log_close(logger);
}

Test(secure, reading_again)
{
    cr_assert_eq(secure_open(&config, &secure, error), STATUS_OK, "%s", error);
    struct tls_context *before = secure.listeners[1];
    cr_assert(secure_reload(&secure, logger));
    cr_assert_eq(secure.listeners[1], before, "whoever has it sees the new files");
    rewrite(identity.certificate_fd, "x", 1);
    cr_assert_not(secure_reload(&secure, logger));
    const char *text = log_text();
    cr_assert_not_null(strstr(text, "\"contexts\":2,\"failed\":0"), "%s", text);
    cr_assert_not_null(strstr(text, "\"contexts\":1,\"failed\":1"), "%s", text);
    cr_assert_not_null(strstr(text, "\"tls\":\"listen[1].tls\""), "%s", text);
}

Test(secure, insecure_is_said)
{
    upstreams[1].tls.insecure = true;
    config.redis.host = SLICE("cache.test");
    config.redis.tls = (struct tls_client_opts){.enabled = true, .insecure = true};
    secure_warn(&config, logger);
    const char *text = log_text();
    cr_assert_not_null(strstr(text, "\"upstream\":\"app\""), "%s", text);
    cr_assert_not_null(strstr(text, "\"host\":\"cache.test\""), "%s", text);
    cr_assert_null(strstr(text, "plain"), "%s", text);
}
