/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/check_tls: what belongs together, what does nothing, the PROXY protocol. */
#include "tls_files.h"

TestSuite(check_tls, .init = make_files, .fini = remove_files);

static void listener_errs(const char *settings, const char *words)
{
    struct parsed parsed = parse_listener(settings);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

static void upstream_errs(const char *settings, const char *words)
{
    struct parsed parsed = parse_upstream(settings);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

static void upstream_warns(const char *settings, const char *words)
{
    struct parsed parsed = parse_upstream(settings);
    assert_one_warning(parsed, words);
    parsed_done(&parsed);
}

Test(check_tls, a_certificate_and_its_key)
{
    listener_errs("tls: {certificate: %1}", "tls.certificate needs a tls.key");
    listener_errs("tls: {key: %1}", "tls.key needs a tls.certificate");
    listener_errs("tls: {}", "f.yaml:3:38: error: tls has no certificate");
    listener_errs("tls: ", "tls has no certificate");
    listener_errs("tls: {client_ca: %1}", "tls has no certificate");
    listener_errs("tls: {certificate: %1, key: %2, certificates: [{certificate: %1, key: %2}]}",
                  "tls.certificate and tls.certificates are both given");
    listener_errs("tls: {certificate: /no, key: %1}", "can't read /no");
}

Test(check_tls, client_certificates_need_who_signed_them)
{
    listener_errs("tls: {certificate: %1, key: %2, client_auth: optional}",
                  "tls.client_auth needs a tls.client_ca");
    listener_errs("tls: {certificate: %1, key: %2, client_ca: %1, client_auth: maybe}",
                  "tls.client_auth must be required | optional, not \"maybe\"");
    listener_errs("tls: {certificate: %1, key: %2, min_version: 1.1}",
                  "tls.min_version must be 1.2 | 1.3, not \"1.1\"");
}

Test(check_tls, the_proxy_protocol_needs_proxies)
{
    listener_errs("proxy_protocol: true",
                  "f.yaml:3:49: error: proxy_protocol needs trusted_proxies");
    struct parsed parsed = parse_listener("proxy_protocol: false");
    assert_clean(parsed);
    parsed_done(&parsed);
    parsed = parse(SLICE("listen: [{address: 127.0.0.1:1, proxy_protocol: true}]\n"
                         "trusted_proxies: [10.0.0.0/8]\n"
                         "upstreams: {a: {endpoints: http://h}}\n"
                         "routes: [{name: r, upstream: a, match: {path: /}}]\n"));
    assert_clean(parsed);
    cr_assert(parsed.config->listen[0].proxy_protocol);
    parsed_done(&parsed);
}

Test(check_tls, an_upstream)
{
    upstream_errs("endpoints: https://h, tls: {certificate: %1}",
                  "tls.certificate needs a tls.key");
    upstream_errs("endpoints: https://h, tls: {key: %1}", "tls.key needs a tls.certificate");
    upstream_errs("endpoints: https://h, tls: {verify: no}", "tls.verify must be true | false");
    upstream_warns("endpoints: https://h, tls: {verify: false}",
                   "tls.verify is false: whoever answers is believed");
    upstream_warns("endpoints: http://h, tls: {verify: false}",
                   "tls does nothing without an https:// endpoint");
    upstream_warns("endpoints: http://h, tls: {ca: %1}",
                   "tls does nothing without an https:// endpoint");
    upstream_errs("endpoints: ftp://h, tls: {ca: %1}", "its scheme is not http:// or https://");
    struct parsed parsed = parse_upstream("endpoints: http://h, tls: {}");
    assert_clean(parsed);
    parsed_done(&parsed);
}

Test(check_tls, redis)
{
    struct parsed parsed = parse_redis_tls("url: \"rediss://h\", tls: {verify: false}");
    assert_one_warning(parsed, "dedup.redis.tls.verify is false: whoever answers is believed");
    cr_assert(parsed.config->redis.tls.insecure);
    parsed_done(&parsed);
    parsed = parse_redis_tls("url: \"redis://h\", tls: {ca: %1}");
    assert_one_warning(parsed, "dedup.redis.tls does nothing without a rediss:// url");
    parsed_done(&parsed);
    parsed = parse_redis_tls("url: \"rediss://h\", tls: {certificate: %1}");
    assert_one_error(parsed, "dedup.redis.tls.certificate needs a dedup.redis.tls.key");
    parsed_done(&parsed);
    parsed = parse_redis_tls("url: \"http://h\", tls: {ca: %1}");
    assert_one_error(parsed, "its scheme is not redis://");
    parsed_done(&parsed);
}
