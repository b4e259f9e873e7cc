/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_tls: files that can be read and that can't, certificates by the list,
 * names of servers. */
#include "parsing.h"
#include "tls_files.h"

#include <sys/stat.h>
#include <unistd.h>

TestSuite(read_tls, .init = make_files, .fini = remove_files);

static void expect_listen_error(const char *tls, const char *words)
{
    char settings[16384];
    snprintf(settings, sizeof(settings), "tls: %s", tls);
    struct parsed parsed = parse_listener(settings);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

Test(read_tls, one_certificate)
{
    struct parsed parsed = parse_listener("tls: {certificate: %1, key: %2}");
    assert_clean(parsed);
    const struct tls_server_opts *tls = &parsed.config->listen[0].tls;
    cr_assert_eq(tls->certificate_count, 1);
    cr_assert(slice_eq(tls->certificates[0].certificate, slice_str(file_one)));
    cr_assert(slice_eq(tls->certificates[0].key, slice_str(file_two)));
    cr_assert(tls->client_ca.len == 0 && !tls->client_optional && !tls->at_least_1_3);
    cr_assert_eq(tls->handshake_ms, 10000);
    parsed_done(&parsed);
}

Test(read_tls, several_certificates)
{
    struct parsed parsed = parse_listener(
        "tls: {certificates: [{certificate: %1, key: %2}, {certificate: %2, key: %1}],"
        " client_ca: %1, client_auth: optional, min_version: 1.3, "
        "handshake_timeout: 3s}");
    assert_clean(parsed);
    const struct tls_server_opts *tls = &parsed.config->listen[0].tls;
    cr_assert_eq(tls->certificate_count, 2);
    cr_assert(slice_eq(tls->certificates[1].certificate, slice_str(file_two)));
    cr_assert(slice_eq(tls->client_ca, slice_str(file_one)) && tls->client_optional);
    cr_assert(tls->at_least_1_3 && tls->handshake_ms == 3000);
    parsed_done(&parsed);
}

Test(read_tls, a_plain_listener)
{
    struct parsed parsed = parse_with("", "", "");
    cr_assert_eq(parsed.config->listen[0].tls.certificate_count, 0);
    cr_assert_not(parsed.config->listen[0].proxy_protocol);
    parsed_done(&parsed);
}

Test(read_tls, files_that_can_not_be_read)
{
    char words[160];
    expect_listen_error("{certificate: /nonexistent/a.crt, key: %1}",
                        "tls.certificate: can't read /nonexistent/a.crt: No such file or dir");
    expect_listen_error("{certificate: %1, key: /tmp}",
                        "tls.key: can't read /tmp: it is not a file");
    expect_listen_error("{certificate: %1, key: ''}", "tls.key must be a file");
    expect_listen_error("{certificate: %1, key: }", "tls.key has no value");
    expect_listen_error("{certificates: [{certificate: %1, key: /no}]}", "key: can't read /no: No");
    /* A pipe nobody writes to: looked at, not waited for. */
    unlink(file_two);
    cr_assert_eq(mkfifo(file_two, 0600), 0);
    snprintf(words, sizeof(words), "tls.key: can't read %s: it is not a file", file_two);
    expect_listen_error("{certificate: %1, key: %2}", words);
}

Test(read_tls, paths_at_and_above_their_longest)
{
    char tls[5000], path[4097];
    memset(path, '/', sizeof(path));
    for (int len = 4095; len <= 4096; len++) {
        snprintf(tls, sizeof(tls), "{certificate: %%1, key: %.*s}", len, path);
        expect_listen_error(tls, len == 4095 ? "it is not a file" : "shorter than 4096 characters");
    }
}

Test(read_tls, lists_that_are_refused)
{
    expect_listen_error("{certificates: []}", "tls.certificates must be a list of 1 to 64");
    expect_listen_error("{certificates: {}}", "tls.certificates must be a list of 1 to 64");
    expect_listen_error("{certificates: [x]}", "a certificate must be a map");
    expect_listen_error("{certificates: [*a]}", "aliases are not allowed");
    expect_listen_error("{certificates: [{certificate: %1}]}", "key is missing");
    expect_listen_error("{certificates: [{key: %1}]}", "certificate is missing");
    expect_listen_error("{certificates: [{certificate: %1, key: %2, kee: 1}]}",
                        "unknown key \"kee\"");
}

Test(read_tls, certificates_at_and_above_their_most)
{
    static char tls[16384];
    for (unsigned count = TLS_MAX_CERTIFICATES; count <= TLS_MAX_CERTIFICATES + 1; count++) {
        size_t len = (size_t)snprintf(tls, sizeof(tls), "tls: {certificates: [");
        for (unsigned i = 0; i < count; i++)
            len += (size_t)snprintf(tls + len, sizeof(tls) - len, "{certificate: %%1, key: %%2}, ");
        snprintf(tls + len, sizeof(tls) - len, "]}");
        struct parsed parsed = parse_listener(tls);
        if (count == TLS_MAX_CERTIFICATES)
            assert_clean(parsed);
        else
            assert_one_error(parsed, "tls.certificates must be a list of 1 to 64 certificates");
        parsed_done(&parsed);
    }
}

Test(read_tls, towards_an_upstream)
{
    struct parsed parsed = parse_upstream("endpoints: https://h, tls: {ca: %1, certificate: %1, "
                                          "key: %2, server_name: App.example.com, verify: true}");
    assert_clean(parsed);
    const struct tls_client_opts *tls = &parsed.config->upstreams[0].tls;
    cr_assert(tls->enabled && !tls->insecure);
    cr_assert(slice_eq(tls->ca, slice_str(file_one)) && slice_eq(tls->key, slice_str(file_two)));
    cr_assert(slice_eq(tls->certificate, slice_str(file_one)));
    cr_assert(slice_eq(tls->server_name, SLICE("App.example.com")));
    parsed_done(&parsed);
}

Test(read_tls, towards_redis)
{
    struct parsed parsed = parse_redis_tls("url: \"rediss://h\", tls: {ca: %1, certificate: %1, "
                                           "key: %2, server_name: 10.0.0.1}");
    assert_clean(parsed);
    const struct tls_client_opts *tls = &parsed.config->redis.tls;
    cr_assert(tls->enabled && !tls->insecure && slice_eq(tls->key, slice_str(file_two)));
    cr_assert(slice_eq(tls->ca, slice_str(file_one)));
    cr_assert(slice_eq(tls->server_name, SLICE("10.0.0.1")));
    parsed_done(&parsed);
}

Test(read_tls, names_of_servers)
{
    const char *const right[] = {"app.example.com", "10.0.0.1", "\"::1\"", "\"2001:db8::5\""};
    char upstream[128];
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        snprintf(upstream, sizeof(upstream), "endpoints: https://h, tls: {server_name: %s}",
                 right[i]);
        struct parsed parsed = parse_upstream(upstream);
        assert_clean(parsed);
        cr_assert_gt(parsed.config->upstreams[0].tls.server_name.len, 0);
        parsed_done(&parsed);
    }
}

Test(read_tls, names_of_servers_that_are_refused)
{
    const char *const wrong[] = {"\"*.example.com\"", "\"a:443\"", "\"a b\"", "\"\"", "\"[::1]\""};
    char upstream[128];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(upstream, sizeof(upstream), "endpoints: https://h, tls: {server_name: %s}",
                 wrong[i]);
        struct parsed parsed = parse_upstream(upstream);
        assert_one_error(parsed, "tls.server_name must be a host name");
        parsed_done(&parsed);
    }
}
