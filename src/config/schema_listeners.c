/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of one listener, and of one of its certificates.
 */
#include "readers.h"
#include "rows.h"
#include "schema.h"

#define LISTEN(member) AT(struct listener_settings, opts.member)

static const struct word CLIENT_AUTH[] = {
    {"required", false, false}, {"optional", true, false}, {NULL, 0, false}};
static const struct word MIN_VERSIONS[] = {
    {"1.2", false, false}, {"1.3", true, false}, {NULL, 0, false}};

static const struct setting LISTENER[] = {
    {.path = "address",
     .kind = SETTING_CUSTOM,
     LISTEN(address),
     .read = read_address,
     .required = true,
     .form = "\"0.0.0.0:8080\" or \"[::]:8080\"",
     .help = "Numeric address and port to accept clients on. `[::]` takes IPv4 as well."},
    {.path = "tls.certificate",
     .kind = SETTING_CUSTOM,
     AT(struct listener_settings, single.certificate),
     .read = read_tls_file,
     .form = "a PEM file, the leaf first",
     .help = "Certificate of a listener that has one."},
    {.path = "tls.key",
     .kind = SETTING_CUSTOM,
     AT(struct listener_settings, single.key),
     .read = read_tls_file,
     .form = "a PEM file",
     .help = "Key of that certificate."},
    {.path = "tls.certificates",
     .kind = SETTING_CUSTOM,
     LISTEN(tls),
     .read = read_certificates,
     .form = "a list: `- {certificate: /a.crt, key: /a.key}`",
     .help = "Several, chosen by the name a client asks for (SNI): the names are those in the "
             "certificates, and the first is for all others; 1 … 64."},
    {.path = "tls.client_ca",
     .kind = SETTING_CUSTOM,
     LISTEN(tls.client_ca),
     .read = read_tls_file,
     .form = "a PEM file",
     .help = "Given: clients have to show a certificate that it signed."},
    {.path = "tls.client_auth",
     .kind = SETTING_WORD,
     LISTEN(tls.client_optional),
     .words = CLIENT_AUTH,
     .standard = "required",
     .help = "`optional`: clients without a certificate are let in, too."},
    {.path = "tls.min_version",
     .kind = SETTING_WORD,
     LISTEN(tls.at_least_1_3),
     .words = MIN_VERSIONS,
     .standard = "1.2",
     .help = "The oldest TLS that is spoken."},
    {.path = "tls.handshake_timeout",
     .kind = SETTING_MS,
     LISTEN(tls.handshake_ms),
     .standard = "10s",
     .min = 10,
     .max = 10 * MINUTE,
     .help = "A client whose handshake takes longer is closed."},
    {.path = "proxy_protocol",
     .kind = SETTING_FLAG,
     LISTEN(proxy_protocol),
     .standard = "false",
     .help = "Connections begin with a PROXY header, version 1 or 2, and may only come from "
             "`trusted_proxies`."},
};

const struct scope SCOPE_LISTENER = {"Listeners", "listen[].", LISTENER, COUNT(LISTENER)};

static const struct setting CERTIFICATE[] = {
    {.path = "certificate",
     .kind = SETTING_CUSTOM,
     AT(struct tls_certificate, certificate),
     .read = read_tls_file,
     .required = true,
     .form = "a PEM file, the leaf first",
     .help = "The chain."},
    {.path = "key",
     .kind = SETTING_CUSTOM,
     AT(struct tls_certificate, key),
     .read = read_tls_file,
     .required = true,
     .form = "a PEM file",
     .help = "Its key."},
};

const struct scope SCOPE_CERTIFICATE = {
    "Certificates of a listener", "listen[].tls.certificates[].", CERTIFICATE, COUNT(CERTIFICATE)};
