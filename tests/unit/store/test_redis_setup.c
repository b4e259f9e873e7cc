/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set-up's commands and what it makes of the answers.
 */
#include "redis_setup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define RUN_ID "fedcba9876543210fedcba9876543210fedcba98"
#define SERVER "# Server\r\nredis_version:7.0.15\r\nrun_id:" RUN_ID "\r\n"
#define MEMORY "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"

static struct redis_opts opts;
static struct redis_script scripts[2];
static struct redis_setup setup;
static struct buf out;

static void begin(void)
{
    scripts[0].source = SLICE("one");
    scripts[1].source = SLICE("two");
    buf_init(&out, 65536);
    cr_assert_eq(redis_setup_begin(&setup, &opts, scripts, 2, &out), STATUS_OK);
}

static void end(void)
{
    buf_done(&out);
    opts = (struct redis_opts){0};
}

TestSuite(redis_setup, .fini = end);

static enum setup_progress take(enum redis_reply_type type, const char *text)
{
    struct redis_reply reply = {.type = type, .integer = 42, .text = slice_str(text)};
    return redis_setup_take(&setup, &reply);
}

/* The answers of a good server to what is left after INFO server and INFO memory. */
static enum setup_progress take_rest(void)
{
    cr_assert_eq(take(REDIS_INTEGER, ""), SETUP_MORE);
    cr_assert_eq(take(REDIS_STRING, SHA), SETUP_MORE);
    return take(REDIS_STRING, SHA);
}

Test(redis_setup, asks_only_what_is_needed)
{
    begin();
    cr_assert(
        slice_eq(buf_slice(&out), SLICE("*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"
                                        "*2\r\n$4\r\nINFO\r\n$6\r\nmemory\r\n"
                                        "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n"
                                        "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$3\r\none\r\n"
                                        "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$3\r\ntwo\r\n")));
}

Test(redis_setup, logs_in_and_selects)
{
    opts.password = SLICE("secret");
    opts.database = 15;
    begin();
    cr_assert(slice_starts(buf_slice(&out), SLICE("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
                                                  "*2\r\n$6\r\nSELECT\r\n$2\r\n15\r\n")));
    cr_assert_eq(take(REDIS_STATUS, "OK"), SETUP_MORE);
    cr_assert_eq(take(REDIS_STATUS, "OK"), SETUP_MORE);
    cr_assert_eq(take(REDIS_STRING, SERVER), SETUP_MORE);
}

Test(redis_setup, logs_in_as_a_user)
{
    opts.username = SLICE("me");
    opts.password = SLICE("secret");
    begin();
    cr_assert(
        slice_starts(buf_slice(&out), SLICE("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n")));
}

Test(redis_setup, a_good_server)
{
    begin();
    cr_assert_eq(take(REDIS_STRING, SERVER), SETUP_MORE);
    cr_assert_eq(take(REDIS_STRING, MEMORY), SETUP_MORE);
    cr_assert_eq(take_rest(), SETUP_READY);
    cr_assert_eq(setup.finding, REDIS_FINDING_NONE);
    cr_assert_str_eq(setup.detail, "");
    cr_assert_eq(setup.client_id, 42);
    cr_assert_arr_eq(setup.run_id, RUN_ID, REDIS_RUN_ID_LEN);
    cr_assert_arr_eq(scripts[1].sha, SHA, REDIS_SHA_LEN);
}

Test(redis_setup, versions)
{
    static const struct {
        const char *info;
        enum setup_progress progress;
    } rows[] = {
        {"redis_version:7.0.0\r\n", SETUP_MORE},
        {"redis_version:7", SETUP_MORE},
        {"redis_version:10.1\r\n", SETUP_MORE},
        {"x:1\nredis_version:8.0\n", SETUP_MORE},
        {"redis_version:6.2.14\r\nvalkey_version:7.2.5\r\n", SETUP_MORE},
        {"redis_version:6.2.14\r\n", SETUP_FAILED},
        {"redis_version:\r\n", SETUP_FAILED},
        {"redis_version", SETUP_FAILED},
        {"not_redis_version:7.0\r\n", SETUP_FAILED},
        {"", SETUP_FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        cr_expect_eq(take(REDIS_STRING, rows[i].info), rows[i].progress, "%s", rows[i].info);
        if (rows[i].progress == SETUP_FAILED)
            cr_expect_eq(setup.finding, REDIS_FINDING_TOO_OLD);
        buf_done(&out);
    }
}

Test(redis_setup, eviction)
{
    static const char *const policies[] = {"allkeys-lru", "allkeys-random", "volatile-lru",
                                           "volatile-ttl"};
    char info[64];
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        for (int strict = 0; strict <= 1; strict++) {
            opts.strict = strict;
            begin();
            cr_assert_eq(take(REDIS_STRING, SERVER), SETUP_MORE);
            snprintf(info, sizeof info, "maxmemory_policy:%s\r\n", policies[i]);
            cr_expect_eq(take(REDIS_STRING, info), strict ? SETUP_FAILED : SETUP_MORE);
            cr_expect_eq(setup.finding, REDIS_FINDING_EVICTING);
            cr_expect_not_null(strstr(setup.detail, policies[i]));
            buf_done(&out);
        }
    }
}

Test(redis_setup, a_later_failure_is_the_one_that_is_told)
{
    begin();
    cr_assert_eq(take(REDIS_STRING, SERVER), SETUP_MORE);
    cr_assert_eq(take(REDIS_STRING, "maxmemory_policy:allkeys-lru\r\n"), SETUP_MORE);
    cr_assert_eq(take(REDIS_ERROR, "NOPERM no CLIENT for you"), SETUP_MORE);
    cr_assert_eq(setup.client_id, 0);
    cr_assert_eq(take(REDIS_ERROR, "LOADING wait"), SETUP_FAILED);
    cr_assert_eq(setup.finding, REDIS_FINDING_NONE);
    cr_assert_str_eq(setup.detail, "LOADING wait");
}

Test(redis_setup, refusals)
{
    static const char *const errors[] = {"NOAUTH Authentication required.", "NOPERM no INFO"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin();
        cr_expect_eq(take(REDIS_ERROR, errors[i]), SETUP_FAILED);
        cr_expect_eq(setup.finding, REDIS_FINDING_AUTH);
        buf_done(&out);
    }
    begin();
}

Test(redis_setup, a_refused_login_does_not_tell_the_secret)
{
    opts.password = SLICE("secret");
    begin();
    cr_assert_eq(
        take(REDIS_ERROR, "ERR unknown command 'AUTH', with args beginning with: 'secret'"),
        SETUP_FAILED);
    cr_assert_eq(setup.finding, REDIS_FINDING_AUTH);
    cr_assert_null(strstr(setup.detail, "secret"));
}

Test(redis_setup, answers_of_the_wrong_type)
{
    begin();
    cr_assert_eq(take(REDIS_NIL, ""), SETUP_FAILED);
    cr_assert_str_eq(setup.detail, "unexpected answer to INFO server");
    buf_done(&out);
    begin();
    cr_assert_eq(take(REDIS_STRING, SERVER), SETUP_MORE);
    cr_assert_eq(take(REDIS_STATUS, "OK"), SETUP_FAILED);
    cr_assert_str_eq(setup.detail, "unexpected answer to INFO memory");
    buf_done(&out);
    begin();
    cr_assert_eq(take(REDIS_STRING, SERVER), SETUP_MORE);
    cr_assert_eq(take(REDIS_STRING, MEMORY), SETUP_MORE);
    cr_assert_eq(take(REDIS_INTEGER, ""), SETUP_MORE);
    cr_assert_eq(take(REDIS_STRING, "short"), SETUP_FAILED);
    cr_assert_str_eq(setup.detail, "unexpected answer to SCRIPT LOAD");
}

Test(redis_setup, no_room)
{
    opts = (struct redis_opts){0};
    buf_init(&out, 10);
    cr_assert_eq(redis_setup_begin(&setup, &opts, scripts, 2, &out), STATUS_NO_MEMORY);
}
