/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conninfo taken apart and put together again for one host at a time: every option as given, but
 * host, port and hostaddr those of this attempt.
 */
#include "pg_target.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PORT 5432u
#define KEYWORDS_MAX 64u /* libpq 17 has 50 */

static struct slice option(const struct pg_target *target, const char *keyword)
{
    for (const PQconninfoOption *o = target->options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return slice_str(o->val);
    return (struct slice){0};
}

/* The `index`th of a comma-separated list; a list of one serves for all. */
static struct slice list_item(struct slice list, size_t index)
{
    if (list.len == 0 || !memchr(list.data, ',', list.len))
        return list;
    for (;; index--) {
        const char *comma = list.len ? memchr(list.data, ',', list.len) : NULL;
        size_t len = comma ? (size_t)(comma - list.data) : list.len;
        if (index == 0)
            return slice_of(list.data, len);
        list = slice_skip(list, comma ? len + 1 : len);
    }
}

static size_t list_length(struct slice list)
{
    size_t count = 1;
    for (size_t i = 0; i < list.len; i++)
        count += list.data[i] == ',';
    return count;
}

static bool copy_text(char *ret_text, size_t size, struct slice text)
{
    if (text.len >= size)
        return false;
    if (text.len > 0)
        memcpy(ret_text, text.data, text.len);
    ret_text[text.len] = '\0';
    return true;
}

static bool is_socket(const char *name)
{
    return name[0] == '/' || name[0] == '@' || name[0] == '\0';
}

static void on_resolved(struct resolver *resolver);

static enum status init_host(struct pg_target *target, struct loop *loop, size_t index)
{
    struct pg_host *host = &target->hosts[index];
    if (!copy_text(host->name, sizeof(host->name), list_item(option(target, "host"), index)) ||
        !copy_text(host->address, sizeof(host->address),
                   list_item(option(target, "hostaddr"), index)) ||
        !copy_text(host->port, sizeof(host->port), list_item(option(target, "port"), index)))
        return STATUS_INVALID;
    if (host->address[0] || is_socket(host->name))
        return STATUS_OK;
    /* The port is libpq's business; the resolver only gives the address. */
    host->looked_up = true;
    return resolver_init(&host->resolver, loop, slice_str(host->name), DEFAULT_PORT, on_resolved);
}

static enum status parse(struct pg_target *target, struct slice url)
{
    char *text = strndup(url.data ? url.data : "", url.len);
    if (!text)
        return STATUS_NO_MEMORY;
    target->options = PQconninfoParse(text, NULL);
    free(text);
    return target->options ? STATUS_OK : STATUS_INVALID;
}

/* The resolver says which host; the target it belongs to follows from the index it was given. */
static struct pg_target *owner(struct resolver *resolver)
{
    struct pg_host *host = container_of(resolver, struct pg_host, resolver);
    return container_of(host - host->index, struct pg_target, hosts[0]);
}

static void on_resolved(struct resolver *resolver)
{
    struct pg_target *target = owner(resolver);
    if (resolver == &target->hosts[target->turn].resolver)
        target->resolved(target);
}

enum status pg_target_init(struct pg_target *target, struct loop *loop, struct slice url,
                           void (*resolved)(struct pg_target *target))
{
    *target = (struct pg_target){.resolved = resolved};
    enum status status = parse(target, url);
    if (status != STATUS_OK)
        return status;
    struct slice hosts = option(target, "host"), addresses = option(target, "hostaddr");
    target->count = list_length(hosts.len ? hosts : addresses);
    if (target->count > PG_TARGET_HOSTS)
        return STATUS_INVALID;
    for (size_t i = 0; status == STATUS_OK && i < target->count; i++) {
        target->hosts[i].index = i;
        status = init_host(target, loop, i);
    }
    return status;
}

void pg_target_done(struct pg_target *target)
{
    for (size_t i = 0; i < target->count && i < PG_TARGET_HOSTS; i++)
        if (target->hosts[i].looked_up)
            resolver_done(&target->hosts[i].resolver);
    PQconninfoFree(target->options);
    target->options = NULL;
    target->count = 0;
}

void pg_target_advance(struct pg_target *target)
{
    target->turn = (target->turn + 1) % target->count;
}

enum pg_target_state pg_target_prepare(struct pg_target *target)
{
    struct pg_host *host = &target->hosts[target->turn];
    if (!host->looked_up || resolver_refresh(&host->resolver))
        return PG_TARGET_READY;
    return host->resolver.running ? PG_TARGET_WAITING : PG_TARGET_FAILED;
}

struct keywords {
    const char *names[KEYWORDS_MAX + 1], *values[KEYWORDS_MAX + 1];
    size_t count;
};

static void add_keyword(struct keywords *keywords, const char *name, const char *value)
{
    if (!value || !value[0] || keywords->count == KEYWORDS_MAX)
        return;
    keywords->names[keywords->count] = name;
    keywords->values[keywords->count++] = value;
}

static bool is_ours(const char *name)
{
    return strcmp(name, "host") == 0 || strcmp(name, "hostaddr") == 0 ||
           strcmp(name, "port") == 0 || strcmp(name, "client_encoding") == 0;
}

struct pg_conn *pg_target_connect(struct pg_target *target)
{
    struct pg_host *host = &target->hosts[target->turn];
    struct keywords keywords = {.count = 0};
    const struct address *resolved = host->looked_up ? resolver_next(&host->resolver) : NULL;
    char address[ADDRESS_TEXT_SIZE];
    if (resolved)
        address_format_host(resolved, address);
    add_keyword(&keywords, "host", host->name);
    add_keyword(&keywords, "hostaddr", resolved ? address : host->address);
    add_keyword(&keywords, "port", host->port);
    add_keyword(&keywords, "client_encoding", "UTF8");
    add_keyword(&keywords, "fallback_application_name", "postern");
    for (const PQconninfoOption *o = target->options; o->keyword; o++)
        if (!is_ours(o->keyword))
            add_keyword(&keywords, o->keyword, o->val);
    return PQconnectStartParams(keywords.names, keywords.values, 0);
}
