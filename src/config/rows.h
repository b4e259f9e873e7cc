/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short names for the bounds and targets in rows of the schema, so that a row reads like a line of
 * the reference page. For the schema files only.
 */
#ifndef POSTERN_SRC_CONFIG_ROWS_H
#define POSTERN_SRC_CONFIG_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define AT(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* The rows of a struct tls_client_opts below `path`; at(member) is its target, `host` the one that
 * is connected to. */
#define TLS_CLIENT_ROWS(path_, at, host)                                                           \
    {.path = path_ ".ca",                                                                          \
     .kind = SETTING_CUSTOM,                                                                       \
     at(ca),                                                                                       \
     .read = read_tls_file,                                                                        \
     .otherwise = "the system's store",                                                            \
     .form = "a PEM file",                                                                         \
     .help = "Who may have signed the server's certificate."},                                     \
        {.path = path_ ".certificate",                                                             \
         .kind = SETTING_CUSTOM,                                                                   \
         at(certificate),                                                                          \
         .read = read_tls_file,                                                                    \
         .form = "a PEM file, the leaf first",                                                     \
         .help = "Certificate shown to the server, for those that ask; with its `key`."},          \
        {.path = path_ ".key",                                                                     \
         .kind = SETTING_CUSTOM,                                                                   \
         at(key),                                                                                  \
         .read = read_tls_file,                                                                    \
         .form = "a PEM file",                                                                     \
         .help = "Key of that certificate."},                                                      \
        {.path = path_ ".server_name",                                                             \
         .kind = SETTING_CUSTOM,                                                                   \
         at(server_name),                                                                          \
         .read = read_server_name,                                                                 \
         .otherwise = host,                                                                        \
         .form = "a host name or numeric address",                                                 \
         .help = "Whom the server's certificate has to name, among its alternative names (a "      \
                 "common name does not count); asked for by SNI."},                                \
    {                                                                                              \
        .path = path_ ".verify", .kind = SETTING_WORD, at(insecure), .words = TLS_VERIFY_WORDS,    \
        .standard = "true", .help = "`false`: whoever answers is believed. For tests only."        \
    }

#endif
