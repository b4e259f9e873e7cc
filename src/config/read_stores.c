/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of the stores' URLs. A URL may hold a password: no message quotes one, and when one can't
 * be read its lines are not quoted either.
 */
#include "readers.h"
#include "url.h"
#include "values.h"

#define REDIS_PORT 6379u
#define REDIS_MAX_DATABASE 65535u

/* Takes the text or secret behind a URL setting. False: reported. */
static bool read_url(struct build *build, const struct setting *setting, struct node *node,
                     struct slice *ret_url)
{
    return build_is_value(build, setting, node) && secret_read(build, node, ret_url);
}

static void refuse_url(struct build *build, const struct setting *setting, struct node *node,
                       const char *problem)
{
    if (!secret_is_reference(node->text))
        report_conceal(build->report, node->at.line, node->end_line);
    build_refuse(build, node, "%s can't be read: %s", setting->path, problem);
    report_hint(build->report, "%s", setting->form);
}

static const char *parse_database(struct slice path, uint32_t *ret_database)
{
    uint64_t number = 0;
    struct slice text = slice_skip(path, 1);
    if (path.len > 0 && path.data[0] != '/')
        return "nothing may follow the database";
    if (text.len > 0 && (value_count(text, &number) || number > REDIS_MAX_DATABASE))
        return "its database is not a number from 0 to 65535";
    *ret_database = (uint32_t)number;
    return NULL;
}

static const char *check_redis_url(const struct url *url)
{
    if (!slice_eq(url->scheme, SLICE("redis")) && !slice_eq(url->scheme, SLICE("rediss")))
        return "its scheme is not redis:// or rediss://";
    if (url->has_user && !url->has_password)
        return "a user without a password; a password alone is written redis://:password@host";
    return NULL;
}

/* Decodes user or password to stay with the config, which wipes it in the end. */
static const char *decode(struct build *build, struct slice text, struct slice *ret_text)
{
    struct slice decoded;
    enum status status = url_decode(text, build->arena, &decoded);
    if (status == STATUS_INVALID)
        return "its user or password has a \"%\" that is not followed by two hex digits";
    build->no_memory |= status == STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        *ret_text = decoded;
    return NULL;
}

static const char *fill_redis(struct build *build, struct slice text, struct redis_opts *redis)
{
    struct url url;
    struct redis_opts filled = *redis;
    const char *problem = url_parse(text, &url);
    if (!problem)
        problem = check_redis_url(&url);
    if (!problem)
        problem = parse_database(url.rest, &filled.database);
    if (!problem)
        problem = decode(build, url.user, &filled.username);
    if (!problem)
        problem = decode(build, url.password, &filled.password);
    if (problem)
        return problem;
    filled.tls.enabled = slice_eq(url.scheme, SLICE("rediss"));
    filled.host = build_copy(build, url.host);
    filled.port = url.port ? url.port : REDIS_PORT;
    *redis = filled;
    return NULL;
}

SETTING_READER(read_redis_url)
{
    struct slice text;
    if (!read_url(build, setting, node, &text))
        return;
    const char *problem = fill_redis(build, text, target);
    if (problem)
        refuse_url(build, setting, node, problem);
}

/* libpq reads the rest when it connects; here only what can't be a connection string is caught. */
static bool is_conninfo(struct slice text)
{
    return slice_starts(text, SLICE("postgresql://")) || slice_starts(text, SLICE("postgres://")) ||
           memchr(text.data, '=', text.len);
}

SETTING_READER(read_postgres_url)
{
    struct slice *url = target;
    struct slice text;
    if (!read_url(build, setting, node, &text))
        return;
    if (is_conninfo(text) && text.len < 4096)
        *url = build_copy(build, text);
    else
        refuse_url(build, setting, node, "it is neither postgresql://… nor host=… dbname=…");
}
