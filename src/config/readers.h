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
SETTING_READER(read_log_format); /* to the struct config */
SETTING_READER(read_token);      /* to a slice */

/* read_stores.c */
SETTING_READER(read_redis_url);    /* to a struct redis_opts */
SETTING_READER(read_postgres_url); /* to a slice */

/* read_upstreams.c */
SETTING_READER(read_upstreams); /* to the struct config */
SETTING_READER(read_endpoints); /* to a struct upstream_opts */

/* read_routes.c: to a struct route_opts each, but for the first */
SETTING_READER(read_routes); /* to the struct config */
SETTING_READER(read_host);
SETTING_READER(read_methods);
SETTING_READER(read_upstream_name);
SETTING_READER(read_duplicate);
SETTING_READER(read_success);

/* read_delivery.c */
SETTING_READER(read_rate);     /* to a struct pace_opts, its default burst too */
SETTING_READER(read_sign_key); /* to a slice */

/* read_keys.c: to a struct route_opts */
SETTING_READER(read_keys);
SETTING_READER(read_scope);

/* Text checks: NULL, or what the text has to be. */
const char *check_name(struct slice text);
const char *check_file_path(struct slice text);
const char *check_route_path(struct slice text);

#endif
