/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tree of nodes to the struct, row by row. A reader that refuses a value reports it, marks
 * the node and leaves the default in place, so that everything is looked at in one go; checks that
 * span settings pass over marked nodes rather than tell the same mistake twice.
 *
 *   yaml.c -> nodes -> settings.c (rows, readers) -> checks.c -> struct config
 *                            report.c gathers what is wrong on the way
 */
#ifndef POSTERN_SRC_CONFIG_BUILD_H
#define POSTERN_SRC_CONFIG_BUILD_H

#include "node.h"
#include "report.h"
#include "schema.h"
#include "suggest.h"

#include <postern/config/config.h>

#define BUILD_MAX_LISTENERS 16u
#define BUILD_MAX_PROXIES 256u
#define BUILD_MAX_UPSTREAMS 1024u
#define BUILD_MAX_ROUTES 400u /* with as many upstreams 76,400 cells, of METRICS_MAX_CELLS */

struct secret_note;

struct build {
    struct config *config;
    struct arena *arena;   /* the config's: what stays */
    struct arena *scratch; /* nodes, report and copies of secrets: gone after the build */
    struct report *report;
    struct node *root;
    struct node **listen_nodes;   /* by index, as config->listen */
    struct node **upstream_nodes; /* by index, as config->upstreams */
    struct node **route_nodes;    /* by index, as config->routes */
    struct secret_note *secrets;  /* to be wiped from `scratch` */
    bool no_memory;
};

/* What one listener's map is read into. */
struct listener_settings {
    struct listen_opts opts;
    struct tls_certificate single; /* of one that has no list of them */
};

/* What one upstream's map is read into; its parts go to two arrays of the config. */
struct upstream_settings {
    struct upstream_opts opts;
    struct lane_opts lane;
};

/* Reports that the value of `node` can't be used, and marks it. A hint may follow. */
void build_refuse(struct build *build, struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where a setting stands, or where its map begins when it was left out. */
struct mark build_mark(const struct node *node, const struct node *map);

/* Memory that stays with the config, zeroed; NULL after noting that there is none. */
void *build_alloc(struct build *build, size_t size);

/* Copies text to stay with the config; the empty slice after noting that there is no memory. */
struct slice build_copy(struct build *build, struct slice text);

/* Reads every setting of `scope` from `map` into `target`: defaults where nothing is given, errors
 * for unknown keys and missing settings. */
void settings_read(struct build *build, const struct scope *scope, struct node *map, void *target);

/* Puts the settings of the route's preset, if it names one, under those it gives itself. An unknown
 * name is left to the setting's reader. */
void preset_lay_under(struct build *build, struct node *route);

/* The part of it that refuses keys no row has: unknown.c. */
void unknown_keys_refuse(struct build *build, const struct scope *scope, struct node *map);

/* True when `node` is one value, not empty; else reports and marks. `setting` names it. */
bool build_is_value(struct build *build, const struct setting *setting, struct node *node);

/* Adds "did you mean" to the last finding, when a suggestion was found. */
void build_suggest(struct build *build, const struct suggestion *suggestion);

/* The node at `path` below `map`, when it was given and could be used; NULL otherwise. */
struct node *build_sound(struct node *map, const char *path);

/* As build_sound, but NULL also for what only a preset gives: nobody is told that a setting is of
 * no use when he did not write it. */
struct node *build_own(struct node *map, const char *path);

/* True when a node below `node`, or itself, was refused. */
bool build_has_refused(const struct node *node);

/* Reads one word out of `count`, text_of(0 …), into *ret_value. False: reported. */
bool build_read_named(struct build *build, const struct setting *setting, struct node *node,
                      unsigned count, const char *(*text_of)(unsigned value), unsigned *ret_value);

/* Reads a list of at most `max` values (one value stands for a list of one) by `read_item`, which
 * gets only values that are not empty. */
void build_read_items(struct build *build, const struct setting *setting, struct node *node,
                      size_t max,
                      void (*read_item)(struct build *build, struct node *item, void *target),
                      void *target);

/* Secrets: what `env:NAME` or `file:PATH` stands for, or the text itself, in scratch memory that is
 * wiped after the build. False: reported at the node. */
bool secret_read(struct build *build, struct node *node, struct slice *ret_secret);

/* True for text that says where a secret is. */
bool secret_is_reference(struct slice text);

/* Overwrites bytes that held a secret. */
void secret_wipe(struct slice secret);

/* Overwrites all that secret_read found. */
void secrets_wipe(const struct build *build);

/* Fills in what follows from other settings: checks.c. */
void build_derive(struct build *build);

/* The part of it that fits a route's retries to each other and to the journal's retention:
 * check_delivery.c. */
void build_derive_retry(struct build *build, size_t index);

/* The checks that span settings; they only add to the report. */
void checks_run(struct build *build);

/* Those of the routes: check_routes.c. */
void checks_run_routes(struct build *build);

/* Those of TLS and of the PROXY protocol: check_tls.c. */
void checks_run_tls(struct build *build);

/* Those of the routes' signatures: check_signature.c. */
void checks_run_signatures(struct build *build);

/* Those of the routes' handshakes, fingerprints, replays, rates and presets: check_door.c. */
void checks_run_door(struct build *build);

/* Those of deliveries, a route's and an upstream's: check_delivery.c. */
void checks_run_delivery(struct build *build);

#endif
