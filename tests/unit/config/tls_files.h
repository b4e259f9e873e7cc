/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of TLS settings: two files that can be read, and texts that name them. */
#ifndef POSTERN_TESTS_CONFIG_TLS_FILES_H
#define POSTERN_TESTS_CONFIG_TLS_FILES_H

#include "parsing.h"

#include <stdlib.h>
#include <unistd.h>

static char file_one[] = "/tmp/postern-tls-XXXXXX";
static char file_two[] = "/tmp/postern-tls-XXXXXX";

static inline void make_files(void)
{
    int one = mkstemp(file_one), two = mkstemp(file_two);
    cr_assert(one >= 0 && two >= 0);
    close(one);
    close(two);
}

static inline void remove_files(void)
{
    unlink(file_one);
    unlink(file_two);
}

/* Puts the file names into `text`, where "%1" and "%2" stand. */
static inline void put_files(const char *text, char *ret_text, size_t size)
{
    size_t len = 0;
    for (const char *at = text; *at; at++) {
        const char *file = at[0] != '%' ? NULL : at[1] == '1' ? file_one : file_two;
        cr_assert_lt(len + sizeof(file_one), size);
        if (file) {
            memcpy(ret_text + len, file, sizeof(file_one) - 1);
            len += sizeof(file_one) - 1;
            at++;
        } else {
            ret_text[len++] = *at;
        }
    }
    ret_text[len] = '\0';
}

/* A good file whose listener has these settings, e.g. "tls: {certificate: %1, key: %2}". */
static inline struct parsed parse_listener(const char *settings)
{
    static char listener[32768], text[33000];
    put_files(settings, listener, sizeof(listener));
    int len = snprintf(text, sizeof(text),
                       "upstreams: {a: {endpoints: http://h}}\n"
                       "routes: [{name: r, upstream: a, match: {path: /}}]\n"
                       "listen: [{address: 127.0.0.1:1, %s}]\n",
                       listener);
    cr_assert_lt(len, (int)sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

/* A good file whose upstream has these settings. */
static inline struct parsed parse_upstream(const char *settings)
{
    char upstream[1024], text[2048];
    put_files(settings, upstream, sizeof(upstream));
    int len = snprintf(text, sizeof(text),
                       "listen: [{address: 127.0.0.1:1}]\n"
                       "routes: [{name: r, upstream: a, match: {path: /}}]\n"
                       "upstreams: {a: {%s}}\n",
                       upstream);
    cr_assert_lt(len, (int)sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

/* A good file with these settings of Redis. */
static inline struct parsed parse_redis_tls(const char *settings)
{
    char redis[1024], top[2048];
    put_files(settings, redis, sizeof(redis));
    snprintf(top, sizeof(top), "dedup: {redis: {%s}}\n", redis);
    return parse_with(top, "", "");
}

#endif
