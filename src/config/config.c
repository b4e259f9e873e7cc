/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to the immutable struct: read, build, check, report. The figure of the way stands in
 * build.h.
 */
#include <postern/config/config.h>

#include "build.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_BYTES 16384u
/* Above what the caps of node.h let through: nodes of 200 bytes, routes and their keys. */
#define ARENA_CEILING_BYTES ((size_t)256 << 20)

static enum status build_tree(struct build *build)
{
    if (!build->root) {
        report_error(build->report, (struct mark){0, 0}, "the file is empty");
        report_hint(build->report, "it needs listen, upstreams and routes");
        return STATUS_INVALID;
    }
    if (build->root->kind != NODE_MAP) {
        report_error(build->report, build->root->at, "the file must be a map of settings");
        return STATUS_INVALID;
    }
    settings_read(build, &SCOPE_ROOT, build->root, build->config);
    if (build->no_memory)
        return STATUS_NO_MEMORY;
    build_derive(build);
    checks_run(build);
    return build->no_memory || build->report->no_memory ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status build_config(struct config *config, struct arena *scratch, struct report *report)
{
    struct build build = {
        .config = config, .arena = &config->arena, .scratch = scratch, .report = report};
    enum status status = node_read_yaml(report->source, scratch, report, &build.root);
    if (!status)
        status = build_tree(&build);
    secrets_wipe(&build);
    return !status && report->errors > 0 ? STATUS_INVALID : status;
}

/* A report cut at the caller's ceiling is still a report. */
static enum status tell(struct report *report, struct buf *buf, enum status status)
{
    enum status told = report_render(report, buf);
    return told == STATUS_NO_MEMORY ? told : status;
}

static enum status parse(struct config *config, const char *name, struct slice text,
                         struct buf *report_buf)
{
    struct arena scratch;
    arena_init(&scratch, CHUNK_BYTES, ARENA_CEILING_BYTES);
    struct report *report = arena_alloc(&scratch, sizeof(*report));
    enum status status = STATUS_NO_MEMORY;
    if (report) {
        report_init(report, name, text, &scratch);
        status = build_config(config, &scratch, report);
        status = tell(report, report_buf, status);
    }
    arena_done(&scratch);
    return status;
}

enum status config_parse(const char *name, struct slice text, struct buf *report,
                         struct config **ret_config)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return STATUS_NO_MEMORY;
    arena_init(&config->arena, CHUNK_BYTES, ARENA_CEILING_BYTES);
    enum status status = parse(config, name, text, report);
    if (status)
        config_free(config);
    else
        *ret_config = config;
    return status;
}

/* Reads one byte more than the largest file, so that a larger one is seen as such. */
static enum status read_file(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return STATUS_IO;
    size_t size = NODE_MAX_FILE_BYTES + 1;
    char *bytes = buf_reserve(text, size);
    enum status status = bytes ? STATUS_OK : STATUS_NO_MEMORY;
    size_t len = 0;
    while (!status && len < size) {
        ssize_t got = read(fd, bytes + len, size - len);
        if (got == 0)
            break;
        if (got > 0)
            len += (size_t)got;
        else if (errno != EINTR)
            status = STATUS_IO;
    }
    int failure = errno;
    close(fd);
    errno = failure;
    buf_commit(text, status ? 0 : len);
    return status;
}

/* The file's text may hold passwords. */
static void wipe(struct buf *text)
{
    secret_wipe(buf_slice(text));
    buf_done(text);
}

enum status config_load(const char *path, struct buf *report, struct config **ret_config)
{
    struct buf text;
    buf_init(&text, NODE_MAX_FILE_BYTES + 1);
    enum status status = read_file(path, &text);
    if (status == STATUS_IO) {
        struct text line = {.buf = report};
        text_put(&line, "%s: error: can't read it: %s\n", path, strerror(errno));
    } else if (!status) {
        status = config_parse(path, buf_slice(&text), report, ret_config);
    }
    wipe(&text);
    return status;
}

static void wipe_route(const struct route_opts *route)
{
    secret_wipe(route->sign_key);
    secret_wipe(route->handshake.token);
    for (size_t i = 0; i < route->verify.secret_count; i++)
        secret_wipe(route->verify.secrets[i]);
}

static void wipe_secrets(const struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        secret_wipe(config->lanes[i].sign_key);
    for (size_t i = 0; i < config->route_count; i++)
        wipe_route(&config->routes[i]);
    secret_wipe(config->admin_token);
    secret_wipe(config->redis.password);
    secret_wipe(config->postgres.url);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    wipe_secrets(config);
    arena_done(&config->arena);
    free(config);
}
