/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers and text checks that rows of the schema name, for settings that are more than one
 * number or word. See struct setting: a reader reports what is wrong, marks the node, and leaves
 * the target's default.
 */
#ifndef POSTERN_SRC_CONFIG_READERS_H
#define POSTERN_SRC_CONFIG_READERS_H

#include "build.h"

#define SETTING_READER(name)                                                                       \
    void name(struct build *build, const struct setting *setting, struct node *node, void *target)

/* read_process.c: the process as a whole */
SETTING_READER(read_workers);    /* to a uint32_t */
SETTING_READER(read_address);    /* to a struct address */
SETTING_READER(read_listeners);  /* to the struct config */
SETTING_READER(read_proxies);    /* to the struct config */
SETTING_READER(read_log_format); /* to the struct config */
SETTING_READER(read_token);      /* to a slice */

/* read_stores.c */
SETTING_READER(read_redis_url);    /* to a struct redis_opts */
SETTING_READER(read_postgres_url); /* to a slice */

/* read_tls.c */
SETTING_READER(read_tls_file);     /* to a slice */
SETTING_READER(read_server_name);  /* to a slice */
SETTING_READER(read_certificates); /* to a struct tls_server_opts */

/* read_upstreams.c */
SETTING_READER(read_upstreams); /* to the struct config */
SETTING_READER(read_endpoints); /* to a struct upstream_opts */

/* read_routes.c: to a struct route_opts each, but for the first */
SETTING_READER(read_routes); /* to the struct config */
SETTING_READER(read_host);
SETTING_READER(read_methods);
SETTING_READER(read_upstream_name);
SETTING_READER(read_duplicate);
SETTING_READER(read_replay_headers); /* to a struct replay_opts */
SETTING_READER(read_success);

/* read_preset.c: to a slice */
SETTING_READER(read_preset);

/* read_signature.c */
SETTING_READER(read_scheme);          /* to an enum verify_scheme */
SETTING_READER(read_verify_secrets);  /* to a struct verify_opts, whose scheme was read */
SETTING_READER(read_public_url);      /* to a slice */
SETTING_READER(read_separator);       /* to a char */
SETTING_READER(read_parts);           /* to a struct verify_hmac */
SETTING_READER(read_handshake);       /* to an enum handshake_kind */
SETTING_READER(read_handshake_token); /* to a slice */

/* read_limits.c: to a struct rate_opts */
SETTING_READER(read_route_rate);
SETTING_READER(read_duplicate_rate);
SETTING_READER(read_per);

/* read_delivery.c */
SETTING_READER(read_rate);     /* to a struct pace_opts, its default burst too */
SETTING_READER(read_sign_key); /* to a slice */

/* read_keys.c: to a struct route_opts */
SETTING_READER(read_keys);
SETTING_READER(read_scope);
SETTING_READER(read_header_name); /* to a slice */

/* Copies the name of a header, which `node` has to be. False: reported. */
bool header_name_read(struct build *build, struct node *node, struct slice *ret_name);

/* True for a host name, "*." in front allowed. */
bool host_is_name(struct slice host);

/* Text checks: NULL, or what the text has to be. */
const char *check_name(struct slice text);
const char *check_file_path(struct slice text);
const char *check_route_path(struct slice text);
const char *check_affix(struct slice text);

#endif
