/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong between the settings of TLS, and of listeners behind a proxy. That files belong
 * together is for whoever reads them.
 */
#include "build.h"
#include "text.h"

#include <stdio.h>

static void check_together(struct build *build, const struct node *one, const char *name,
                           const struct node *other, const char *other_name)
{
    if (one && !other)
        report_error(build->report, one->at, "%s needs a %s", name, other_name);
}

/* ---- listeners ---- */

static void check_certificates(struct build *build, struct node *tls,
                               const struct tls_server_opts *opts)
{
    const struct node *certificate = node_find(tls, "certificate"), *key = node_find(tls, "key");
    const struct node *list = node_find(tls, "certificates");
    check_together(build, certificate, "tls.certificate", key, "tls.key");
    check_together(build, key, "tls.key", certificate, "tls.certificate");
    if (certificate && list)
        report_error(build->report, certificate->at,
                     "tls.certificate and tls.certificates are both given");
    if (!certificate && !key && opts->certificate_count == 0) {
        report_error(build->report, tls->at, "tls has no certificate");
        report_hint(build->report, "give tls: {certificate: /a.crt, key: /a.key}");
    }
}

static void check_listener(struct build *build, size_t index)
{
    const struct config *config = build->config;
    const struct listen_opts *opts = &config->listen[index];
    struct node *map = build->listen_nodes[index];
    struct node *tls = node_find(map, "tls");
    const struct node *proxy = build_sound(map, "proxy_protocol");
    if (tls && !build_has_refused(tls)) {
        check_certificates(build, tls, &opts->tls);
        check_together(build, node_find(tls, "client_auth"), "tls.client_auth",
                       node_find(tls, "client_ca"), "tls.client_ca");
    }
    if (!proxy || !opts->proxy_protocol || node_find(build->root, "trusted_proxies"))
        return;
    report_error(build->report, proxy->at, "proxy_protocol needs trusted_proxies");
    report_hint(build->report, "from anyone else a PROXY header would be believed by nobody");
}

/* ---- towards servers ---- */

/* `path`: of the section, for people. `secured_by`: what would turn TLS on. */
static void check_client(struct build *build, struct node *tls, const char *path,
                         const struct tls_client_opts *opts, const char *secured_by)
{
    char certificate_path[64], key_path[64];
    if (!tls || build_has_refused(tls))
        return;
    snprintf(certificate_path, sizeof(certificate_path), "%s.certificate", path);
    snprintf(key_path, sizeof(key_path), "%s.key", path);
    const struct node *certificate = node_find(tls, "certificate"), *key = node_find(tls, "key");
    check_together(build, certificate, certificate_path, key, key_path);
    check_together(build, key, key_path, certificate, certificate_path);
    if (!opts->enabled && tls->count > 0)
        report_finding(build->report, SEVERITY_WARNING, tls->at, "%s does nothing without %s", path,
                       secured_by);
    else if (opts->insecure)
        report_finding(build->report, SEVERITY_WARNING, node_find(tls, "verify")->at,
                       "%s.verify is false: whoever answers is believed", path);
}

void checks_run_tls(struct build *build)
{
    const struct config *config = build->config;
    for (size_t i = 0; i < config->listen_count; i++)
        check_listener(build, i);
    for (size_t i = 0; i < config->upstream_count; i++) {
        struct node *map = build->upstream_nodes[i];
        const struct node *endpoints = node_find(map, "endpoints");
        if (endpoints && !build_has_refused(endpoints))
            check_client(build, node_find(map, "tls"), "tls", &config->upstreams[i].tls,
                         "an https:// endpoint");
    }
    const struct node *url = node_find(build->root, "dedup.redis.url");
    if (!url || !build_has_refused(url))
        check_client(build, node_find(build->root, "dedup.redis.tls"), "dedup.redis.tls",
                     &config->redis.tls, "a rediss:// url");
}
