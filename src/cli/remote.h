/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin listener of a running gateway, as the operators' commands talk to it: where it is, with
 * which token, and one call at a time.
 */
#ifndef POSTERN_SRC_CLI_REMOTE_H
#define POSTERN_SRC_CLI_REMOTE_H

#include "commands.h"

#include <postern/base/buf.h>
#include <stdint.h>

#define REMOTE_HOST_SIZE 256
#define REMOTE_TOKEN_SIZE 4097

struct remote {
    const struct cli_host *host; /* borrowed, as the name */
    const char *command;         /* for messages */
    char name[REMOTE_HOST_SIZE]; /* of its host, without brackets */
    uint16_t port;
    char authority[REMOTE_HOST_SIZE + 10]; /* "127.0.0.1:9901" */
    char token[REMOTE_TOKEN_SIZE];         /* empty: none */
};

/* What the options say; NULL: not given. */
struct remote_opts {
    const char *config, *admin, *token;
};

/* Rows of a command's option table for the members of `opts`. */
#define REMOTE_OPTION_COUNT 3
#define REMOTE_OPTIONS(opts)                                                                       \
    {.name = "config",                                                                             \
     .letter = 'c',                                                                                \
     .value = "FILE",                                                                              \
     .help = "the gateway's configuration: its admin address and token are taken",                 \
     .texts = &(opts)->config,                                                                     \
     .max = 1},                                                                                    \
        {.name = "admin",                                                                          \
         .value = "URL",                                                                           \
         .help = "the admin listener (http://127.0.0.1:9901)",                                     \
         .texts = &(opts)->admin,                                                                  \
         .max = 1},                                                                                \
    {                                                                                              \
        .name = "token", .value = "REF", .help = "its token: env:NAME or file:PATH",               \
        .texts = &(opts)->token, .max = 1                                                          \
    }

/* Finds out where it is. CLI_OK, or an exit status with all said; remote_done either way. */
int remote_init(struct remote *remote, const struct command *command, const struct cli_host *host,
                const struct remote_opts *opts);

/* Wipes the token. */
void remote_done(struct remote *remote);

/* Appends `?` or `&`, and a parameter, encoded; a failure shows in remote_call. */
void remote_add_parameter(struct buf *target, const char *name, const char *value);

/* Appends a segment of a path, encoded; the first stands behind "/api/v1". */
void remote_add_path(struct buf *target, const char *segment);

#define REMOTE_TARGET_BYTES 8192u
#define REMOTE_ANSWER_BYTES (64u * 1024 * 1024)

struct remote_answer {
    struct buf body;   /* with its ceiling; the caller's to free, whatever the outcome */
    bool is_uncertain; /* it was sent, and no answer tells what became of it */
};

/* Asks, and waits for the answer. CLI_OK: it was a 2xx, `answer` has its body. Otherwise an exit
 * status, and all is said: CLI_USAGE when the listener did not understand the parameters. */
int remote_call(const struct remote *remote, const char *method, const struct buf *target,
                struct remote_answer *answer);

/* As remote_call by POST, with a body of the media type `type`. */
int remote_post(const struct remote *remote, const struct buf *target, const char *type,
                struct slice body, struct remote_answer *answer);

#endif
