/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/forward_head: which forwarding fields an upstream gets of an untrusted peer
 * and of a trusted proxy. What else is in the head is shown in tests/sim/test_forward.c.
 */
#include "forward_head.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <strings.h>

#define FIELDS_MAX 16u

static struct http_field fields[FIELDS_MAX];
static struct http_head request;
static struct forward forward;
static char text[4096];

/* A POST from 192.0.2.7 without TLS, to hooks.example.com, from nobody who is trusted. */
static void prepare(void)
{
    request = (struct http_head){
        .method = SLICE("POST"),
        .target = SLICE("/hook"),
        .host = SLICE("hooks.example.com"),
        .fields = fields,
    };
    forward = (struct forward){
        .request = &request,
        .body = SLICE("{}"),
        .client = SLICE("192.0.2.7"),
        .attempt = 1,
        .marked = OUTCOME_NONE,
    };
}

TestSuite(forward_head, .init = prepare);

static void add_field(enum http_field_id id, const char *name, const char *value)
{
    cr_assert_lt(request.field_count, FIELDS_MAX);
    fields[request.field_count++] = (struct http_field){
        .name = slice_str(name),
        .value = slice_str(value),
        .id = id,
    };
}

static void write_head(void)
{
    struct buf buf;
    buf_init(&buf, sizeof text - 1);
    cr_assert_eq(write_forward_head(&buf, &forward), STATUS_OK);
    struct slice head = buf_slice(&buf);
    memcpy(text, head.data, head.len);
    text[head.len] = '\0';
    buf_done(&buf);
}

/* How many lines of the head begin with `start` (a name and a colon). */
static unsigned count_lines(const char *start)
{
    unsigned count = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        count += strncasecmp(at + 1, start, strlen(start)) == 0;
    return count;
}

static bool has_line(const char *line)
{
    char whole[256];
    snprintf(whole, sizeof whole, "\n%s\r\n", line);
    return strstr(text, whole) != NULL;
}

/* The head has this line, and no other of that name. */
static void has_only(const char *line)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s:", (int)strcspn(line, ":"), line);
    cr_expect(has_line(line), "no %s in\n%s", line, text);
    cr_expect_eq(count_lines(name), 1, "%s in\n%s", name, text);
}

static void add_all(void)
{
    add_field(FIELD_X_FORWARDED_FOR, "X-Forwarded-For", "203.0.113.9, 10.0.0.2");
    add_field(FIELD_X_FORWARDED_HOST, "x-forwarded-host", "public.example.com");
    add_field(FIELD_X_FORWARDED_PROTO, "X-FORWARDED-PROTO", "https");
    add_field(FIELD_X_FORWARDED_PORT, "X-Forwarded-Port", "443");
    add_field(FIELD_X_REAL_IP, "X-Real-IP", "203.0.113.9");
    add_field(FIELD_FORWARDED, "Forwarded", "for=203.0.113.9;host=public.example.com");
    add_field(FIELD_OTHER, "X-Other", "stays");
}

/* ---- from anyone ---- */

Test(forward_head, what_nobody_vouches_for_is_overwritten)
{
    add_all();
    write_head();
    has_only("X-Forwarded-For: 192.0.2.7");
    has_only("X-Forwarded-Host: hooks.example.com");
    has_only("X-Forwarded-Proto: http");
    has_only("X-Other: stays");
    cr_expect_eq(count_lines("X-Forwarded-Port:"), 0);
    cr_expect_eq(count_lines("X-Real-IP:"), 0);
    cr_expect_eq(count_lines("Forwarded:"), 0);
    cr_expect_null(strstr(text, "203.0.113.9"));
    cr_expect_null(strstr(text, "public"));
}

Test(forward_head, fields_of_our_own)
{
    forward.secure = true;
    write_head();
    has_only("X-Forwarded-For: 192.0.2.7");
    has_only("X-Forwarded-Host: hooks.example.com");
    has_only("X-Forwarded-Proto: https");
    cr_expect_eq(count_lines("Forwarded:"), 0);
}

Test(forward_head, without_a_host)
{
    request.host = SLICE("");
    write_head();
    cr_expect_eq(count_lines("X-Forwarded-Host:"), 0);
}

Test(forward_head, what_comes_from_the_journal_came_from_outside)
{
    add_all();
    forward.from_journal = true;
    write_head();
    has_only("X-Forwarded-For: 192.0.2.7");
    cr_expect_null(strstr(text, "203.0.113.9"));
}

/* ---- from a trusted proxy ---- */

Test(forward_head, a_trusted_proxy_is_believed_and_added)
{
    add_all();
    forward.trusted = true;
    write_head();
    has_only("X-Forwarded-For: 203.0.113.9, 10.0.0.2, 192.0.2.7");
    has_only("x-forwarded-host: public.example.com");
    has_only("X-FORWARDED-PROTO: https");
    has_only("X-Forwarded-Port: 443");
    has_only("X-Real-IP: 203.0.113.9");
    cr_expect(has_line("Forwarded: for=203.0.113.9;host=public.example.com"));
    cr_expect(has_line("Forwarded: for=192.0.2.7"));
    cr_expect_eq(count_lines("Forwarded:"), 2);
    cr_expect_lt(strstr(text, "for=203.0.113.9"), strstr(text, "for=192.0.2.7"), "ours is last");
}

Test(forward_head, what_a_trusted_proxy_left_out_is_ours)
{
    forward.trusted = true;
    write_head();
    has_only("X-Forwarded-For: 192.0.2.7");
    has_only("X-Forwarded-Host: hooks.example.com");
    has_only("X-Forwarded-Proto: http");
    cr_expect_eq(count_lines("Forwarded:"), 0, "only where it is in use");
}

Test(forward_head, several_lines_are_one_chain)
{
    forward.trusted = true;
    add_field(FIELD_X_FORWARDED_FOR, "X-Forwarded-For", "203.0.113.9");
    add_field(FIELD_X_FORWARDED_FOR, "X-Forwarded-For", "");
    add_field(FIELD_X_FORWARDED_FOR, "X-Forwarded-For", "10.0.0.2");
    write_head();
    has_only("X-Forwarded-For: 203.0.113.9, 10.0.0.2, 192.0.2.7");
}

/* A field named in Connection was for us alone; what goes on then is ours. */
Test(forward_head, fields_of_this_hop_are_not_passed)
{
    forward.trusted = true;
    add_all();
    for (size_t i = 0; i < request.field_count; i++)
        fields[i].hop_by_hop = true;
    write_head();
    has_only("X-Forwarded-For: 192.0.2.7");
    has_only("X-Forwarded-Host: hooks.example.com");
    has_only("X-Forwarded-Proto: http");
    cr_expect_eq(count_lines("Forwarded:"), 0);
    cr_expect_eq(count_lines("X-Forwarded-Port:"), 0);
}

static void check_node(const char *client, const char *line)
{
    prepare();
    forward.trusted = true;
    forward.secure = true;
    forward.client = slice_str(client);
    add_field(FIELD_FORWARDED, "Forwarded", "for=_hidden");
    write_head();
    cr_expect(has_line(line), "%s:\n%s", client, text);
}

Test(forward_head, our_node_in_forwarded)
{
    check_node("192.0.2.7", "Forwarded: for=192.0.2.7");
    check_node("2001:db8::1", "Forwarded: for=\"[2001:db8::1]\"");
    check_node("::ffff:192.0.2.7", "Forwarded: for=192.0.2.7");
    check_node("unix", "Forwarded: for=unknown");
    check_node("fe80::1%eth0", "Forwarded: for=unknown");
}

/* ---- no room ---- */

Test(forward_head, a_full_buffer_is_told_wherever_it_ends)
{
    forward.trusted = true;
    forward.client = SLICE("2001:db8::1");
    add_all();
    write_head();
    size_t whole = strlen(text);
    for (size_t room = 1; room < whole; room++) {
        struct buf buf;
        buf_init(&buf, room);
        cr_expect_eq(write_forward_head(&buf, &forward), STATUS_FULL, "%zu of %zu", room, whole);
        buf_done(&buf);
    }
}
