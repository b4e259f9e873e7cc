/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of policy/key: requests, rules, and what is expected of them. A suite that includes
 * it runs with `set_up` and `tear_down`. */
#ifndef POSTERN_TESTS_POLICY_KEY_REQUEST_H
#define POSTERN_TESTS_POLICY_KEY_REQUEST_H

#include <postern/policy/key.h>

#include "samples.h"

#include <criterion/criterion.h>

#define MAX_TEST_PATHS 20u

struct header {
    const char *name;
    struct slice value;
};

/* What a request holds; unset parts are empty. */
struct request {
    const char *route;
    struct header headers[4];
    struct slice method;
    struct slice path;
    struct slice query;
    struct slice body;
    const struct key_scope *scope;
    size_t scope_count;
    struct buf *decoded;
};

static struct arena arena;
static struct digester *digester;

static inline void set_up(void)
{
    arena_init(&arena, 65536, 1u << 20);
    cr_assert_eq(digester_open(&digester), STATUS_OK);
}

static inline void tear_down(void)
{
    digester_close(digester);
    arena_done(&arena);
}

static inline size_t find_header(const void *headers, struct slice name, struct slice *ret_value)
{
    const struct header *header = headers;
    size_t found = 0;
    for (; header->name; header++)
        if (slice_ieq(slice_str(header->name), name) && found++ == 0)
            *ret_value = header->value;
    return found;
}

static inline struct key_result make(const struct key_rule *rules, size_t count,
                                     const struct request *request)
{
    struct key_input input = {
        .route = slice_str(request->route ? request->route : "r"),
        .method = request->method,
        .path = request->path,
        .query = request->query,
        .body = request->body,
        .scope = request->scope,
        .scope_count = request->scope_count,
        .decoded = request->decoded,
        .headers = request->headers,
        .header = find_header,
    };
    return key_make(rules, count, &input, digester, &arena);
}

static inline struct key_rule named(enum key_kind kind, const char *name)
{
    return (struct key_rule){.kind = kind, .name = slice_str(name)};
}

/* A json or fields rule; the paths are separated by spaces. */
static inline struct key_rule pathed(enum key_kind kind, const char *texts)
{
    struct json_path *paths = arena_alloc(&arena, MAX_TEST_PATHS * sizeof *paths);
    size_t count = 0;
    while (*texts) {
        size_t len = strcspn(texts, " ");
        cr_assert_lt(count, MAX_TEST_PATHS);
        cr_assert(json_path_parse(slice_of(texts, len), &arena, &paths[count++]));
        texts += len + (texts[len] == ' ');
    }
    return (struct key_rule){.kind = kind, .paths = paths, .path_count = count};
}

static inline struct event_key expect_key(struct key_rule rule, const struct request *request)
{
    struct key_result result = make(&rule, 1, request);
    cr_assert(result.found, "%s: %s", key_kind_text(rule.kind), key_miss_text(result.miss));
    cr_assert_eq(result.miss, KEY_MISS_NONE);
    cr_assert_eq(result.rule, 0);
    return result.key;
}

static inline void expect_miss(struct key_rule rule, const struct request *request,
                               enum key_miss miss)
{
    struct key_result result = make(&rule, 1, request);
    cr_assert_not(result.found);
    cr_assert_eq(result.value_count, 0);
    cr_assert_eq(result.miss, miss, "%s: %s, not %s", key_kind_text(rule.kind),
                 key_miss_text(result.miss), key_miss_text(miss));
}

static inline bool same(struct event_key a, struct event_key b)
{
    return memcmp(a.digest, b.digest, sizeof a.digest) == 0;
}

static inline struct request with_body(const char *body)
{
    return (struct request){.body = slice_str(body)};
}

static inline struct event_key body_key(struct key_rule rule, const char *body)
{
    struct request request = with_body(body);
    return expect_key(rule, &request);
}

#endif
