/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per setting. From the rows alone come defaults, reading, range checks, "did you mean" and
 * the reference page; a new setting is one row and its use. schema.c has the rows of the file's top
 * level, schema_listeners.c, schema_upstreams.c and schema_routes.c those of one listener, upstream
 * and route.
 */
#ifndef POSTERN_SRC_CONFIG_SCHEMA_H
#define POSTERN_SRC_CONFIG_SCHEMA_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct build;
struct node;

/* Numbers go to a target of any unsigned width. min and max are in the smallest unit:
 * milliseconds, bytes, or just the count. */
enum setting_kind {
    SETTING_COUNT,
    SETTING_MS,      /* a duration, kept in milliseconds */
    SETTING_SECONDS, /* a duration, kept in whole seconds */
    SETTING_SIZE,    /* bytes */
    SETTING_FLAG,    /* true or false, to a bool */
    SETTING_WORD,    /* one of `words`, to an enum */
    SETTING_TEXT,    /* to a slice, after `check` */
    SETTING_CUSTOM,  /* `read` does it all */
};

/* One word of a SETTING_WORD; a list of them ends with a NULL text. */
struct word {
    const char *text;
    unsigned value;
    bool later; /* known, and refused by this version */
};

struct setting {
    const char *path; /* inside its scope, "dedup.redis.timeout" */
    enum setting_kind kind;
    size_t offset, width;  /* of the target in the scope's struct */
    const char *standard;  /* the default, as the file would write it; NULL: none, or `otherwise` */
    const char *otherwise; /* for the reference page: what holds without it, when no text can say;
                              with a default, what makes another one of it */
    bool required;
    uint64_t min, max;
    const struct word *words;
    /* NULL when the text is fine, or what it has to be: "… must be <that>". */
    const char *(*check)(struct slice text);
    /* Reports what is wrong; on success fills the target, which holds the default before. */
    void (*read)(struct build *build, const struct setting *setting, struct node *node,
                 void *target);
    const char *form; /* SETTING_CUSTOM, _TEXT: what may be written, for people */
    const char *help;
};

/* The settings of one map of the file, in the order they are read: what others look back at comes
 * first. */
struct scope {
    const char *title;  /* for the reference page */
    const char *prefix; /* of the paths on the reference page, "routes[]." */
    const struct setting *settings;
    size_t count;
};

extern const struct scope SCOPE_ROOT;        /* to struct config */
extern const struct scope SCOPE_LISTENER;    /* to struct listener_settings */
extern const struct scope SCOPE_CERTIFICATE; /* to struct tls_certificate */
extern const struct scope SCOPE_UPSTREAM;    /* to struct upstream_settings */
extern const struct scope SCOPE_ROUTE;       /* to struct route_opts */

/* "true", "false", the other way round: to tls_client_opts.insecure. */
extern const struct word TLS_VERIFY_WORDS[];

/* The row of exactly this path, or NULL. */
const struct setting *scope_find(const struct scope *scope, struct slice path);

/* True when rows lie below `path`: "dedup.redis". */
bool scope_is_section(const struct scope *scope, struct slice path);

#endif
