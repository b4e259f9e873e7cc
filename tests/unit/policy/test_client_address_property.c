/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random chains, written in many ways (kind of field, lines, white space, ports, brackets, quotes):
 * client_find must find the client that a plain loop over the chain finds. And random bytes left of
 * what a proxy appended change nothing. Seeded, so that every failure can be repeated.
 */
#include "forwarding_lines.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHAINS 20000u
#define MAX_ENTRIES 40u
#define MAX_LINES 5u
#define TEXT_SIZE 4096u

enum kind { TRUSTED, OUTSIDE, UNREADABLE, EMPTY };

struct entry {
    enum kind kind;
    char address[CLIENT_TEXT_SIZE]; /* without port and brackets */
    bool is_v6;
};

struct chain {
    struct entry entries[MAX_ENTRIES];
    size_t count;
};

/* The fields as they are written down. */
struct writing {
    char texts[MAX_LINES][TEXT_SIZE];
    struct line lines[MAX_LINES];
    struct lines all;
};

static unsigned seed;

static unsigned roll(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

static struct entry random_entry(void)
{
    struct entry entry = {.is_v6 = roll(2) == 1};
    entry.kind = roll(4) > 0 ? TRUSTED : (enum kind)(1 + roll(3));
    unsigned a = 1 + roll(254), b = 1 + roll(254);
    if (entry.is_v6)
        snprintf(entry.address, sizeof entry.address,
                 entry.kind == TRUSTED ? "fd00::%x:%x" : "2001:db8::%x:%x", a, b);
    else
        snprintf(entry.address, sizeof entry.address,
                 entry.kind == TRUSTED ? "10.%u.0.%u" : "203.0.%u.%u", a, b);
    return entry;
}

static struct chain random_chain(void)
{
    struct chain chain = {.count = roll(4) == 0 ? roll(MAX_ENTRIES + 1) : roll(6)};
    for (size_t i = 0; i < chain.count; i++)
        chain.entries[i] = random_entry();
    return chain;
}

/* What client_find has to find: the address, or the peer's. */
static const char *oracle(const struct chain *chain, const char *peer)
{
    const char *client = peer;
    for (size_t looked_at = 0; looked_at < chain->count && looked_at < CLIENT_MAX_HOPS;
         looked_at++) {
        const struct entry *entry = &chain->entries[chain->count - 1 - looked_at];
        if (entry->kind == UNREADABLE)
            break;
        if (entry->kind == EMPTY)
            continue;
        client = entry->address;
        if (entry->kind == OUTSIDE)
            break;
    }
    return client;
}

/* ---- writing a chain down ---- */

static void add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char *text, const char *format, ...)
{
    va_list arguments;
    size_t len = strlen(text);
    va_start(arguments, format);
    int more = vsnprintf(text + len, TEXT_SIZE - len, format, arguments);
    va_end(arguments);
    cr_assert_lt(len + (size_t)more, TEXT_SIZE);
}

static const char *random_space(void)
{
    static const char *const spaces[] = {"", " ", "\t", " \t "};
    return spaces[roll(4)];
}

/* The address as a node; only IPv4 without brackets may be bare in both kinds. */
static void add_node(char *text, const struct entry *entry)
{
    static const char *const unreadable[] = {"unknown", "_hidden", "1.2.3", "300.1.1.1"};
    static const char *const ports[] = {"", ":80", ":65535", ":_x"};
    if (entry->kind == UNREADABLE)
        add(text, "%s", unreadable[roll(4)]);
    else if (entry->is_v6)
        add(text, "[%s]%s", entry->address, ports[roll(4)]);
    else
        add(text, "%s%s", entry->address, ports[roll(4)]);
}

static void add_plain(char *text, const struct entry *entry)
{
    if (entry->kind != EMPTY && entry->is_v6 && entry->kind != UNREADABLE && roll(2) == 0)
        add(text, "%s", entry->address);
    else if (entry->kind != EMPTY)
        add_node(text, entry);
}

static void add_forwarded(char *text, const struct entry *entry)
{
    static const char *const before[] = {"", "proto=http;", "by=\"_a,b\\\"\";", ";", "x=\"\"; "};
    static const char *const after[] = {"", ";by=_y", " ;host=\"a, b\"", ";", ";x=\"\\\\\""};
    bool quoted = entry->is_v6 || roll(2) == 0;
    if (entry->kind == EMPTY)
        return;
    add(text, "%s%s=%s", before[roll(5)], roll(2) ? "for" : "For", quoted ? "\"" : "");
    add_node(text, entry);
    add(text, "%s%s", quoted ? "\"" : "", after[roll(5)]);
}

/* Over one or several lines. A line that is empty has no entries, so none begins there: an empty
 * entry at the edge of a line would not be one. */
static void write_chain(const struct chain *chain, bool forwarded, struct writing *writing)
{
    size_t line = 0;
    memset(writing, 0, sizeof *writing);
    for (size_t i = 0; i < chain->count; i++) {
        const struct entry *entry = &chain->entries[i];
        bool edge = i == 0 || entry->kind == EMPTY || chain->entries[i - 1].kind == EMPTY;
        if (!edge && line + 1 < MAX_LINES && roll(4) == 0)
            line++;
        else if (i > 0)
            add(writing->texts[line], "%s,%s", random_space(), random_space());
        if (forwarded)
            add_forwarded(writing->texts[line], entry);
        else
            add_plain(writing->texts[line], entry);
    }
    writing->all = (struct lines){.lines = writing->lines, .count = line + 1};
    for (size_t i = 0; i <= line; i++)
        writing->lines[i] =
            (struct line){forwarded ? "Forwarded" : "X-Forwarded-For", writing->texts[i]};
}

/* ---- the check ---- */

static struct network network_of(const char *text)
{
    struct network network;
    cr_assert_eq(network_parse(slice_str(text), &network), STATUS_OK);
    return network;
}

static void check(const struct writing *writing, const char *peer, const char *expected)
{
    const struct network trusted[] = {network_of("10.0.0.0/8"), network_of("fd00::/8")};
    struct forwarded_fields fields = {.headers = &writing->all, .get = get_line};
    struct client_found found = client_find(slice_str(peer), trusted, 2, &fields);
    struct ip ip;
    cr_assert_eq(ip_parse(slice_str(expected), &ip), STATUS_OK);
    cr_assert(found.known && memcmp(&ip, &found.ip, sizeof ip) == 0, "seed %u: %s, in \"%s\"", seed,
              expected, writing->texts[0]);
}

static void check_random(bool forwarded)
{
    static struct writing writing;
    for (unsigned i = 1; i <= CHAINS; i++) {
        seed = i;
        struct chain chain = random_chain();
        write_chain(&chain, forwarded, &writing);
        check(&writing, "fd00::1", oracle(&chain, "fd00::1"));
    }
}

Test(client_address_property, x_forwarded_for)
{
    check_random(false);
}

Test(client_address_property, forwarded)
{
    check_random(true);
}

/* Whatever bytes a client sends: it is who the proxy says it is. */
Test(client_address_property, garbage_to_the_left_changes_nothing)
{
    static const char bytes[] = "\"\\,;= for10.[]:_\tx\x80";
    static struct writing writing;
    for (unsigned i = 1; i <= CHAINS; i++) {
        bool forwarded = i % 2 == 0;
        seed = i;
        memset(&writing, 0, sizeof writing);
        for (size_t at = 0, len = roll(60); at < len; at++)
            writing.texts[0][at] = bytes[roll(sizeof bytes - 1)];
        add(writing.texts[0], "%s",
            forwarded ? ", for=\"203.0.113.9:80\";proto=http" : ", 203.0.113.9");
        writing.lines[0] =
            (struct line){forwarded ? "Forwarded" : "X-Forwarded-For", writing.texts[0]};
        writing.all = (struct lines){.lines = writing.lines, .count = 1};
        check(&writing, "10.0.0.1", "203.0.113.9");
    }
}
