/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of admin/question: each parameter, who takes it, and every way to get it wrong. */
#include "question.h"

#include <criterion/criterion.h>

#define NOW 1795219200123u
#define ID "019f0000-0000-7000-8000-000000000001"
#define KEY "ABcd0000000000000000000000000009"

static struct arena arena;
static struct question question;
static char problem[QUESTION_PROBLEM_BYTES];

static void set_up(void)
{
    arena_init(&arena, 1024, 16384);
}

static void tear_down(void)
{
    arena_done(&arena);
}

static bool reads(enum question_kind kind, const char *query)
{
    return question_read(&question, kind, slice_str(query), NOW, &arena, problem);
}

static void refuses(enum question_kind kind, const char *query, const char *words)
{
    cr_expect(!reads(kind, query), "%s", query);
    cr_expect(strstr(problem, words), "%s: %s", query, problem);
}

TestSuite(question, .init = set_up, .fini = tear_down);

Test(question, defaults)
{
    cr_assert(reads(QUESTION_FIND, ""));
    cr_expect_eq(question.limit, QUESTION_FIND_DEFAULT);
    cr_expect(!question.is_narrowed && !question.has_before);
    cr_assert(reads(QUESTION_REPLAY_MANY, "&&"));
    cr_expect_eq(question.limit, QUESTION_CHANGE_DEFAULT);
    cr_expect_eq(question.per_second, QUESTION_RATE_DEFAULT);
    cr_expect(!question.as_new && !question.dry_run);
}

Test(question, a_whole_filter)
{
    cr_assert(reads(QUESTION_FIND,
                    "route=a%2fb%20c&state=dead&from=2h&until="
                    "2026-11-21T02:00:00.123%2B02:00&key=" KEY "&limit=7&before=" ID));
    cr_expect(slice_eq(question.filter.route, SLICE("a/b c")));
    cr_expect(slice_eq(question.filter.state, SLICE("dead")));
    cr_expect_eq(question.filter.from_ms, NOW - 7200000);
    cr_expect_eq(question.filter.until_ms, NOW);
    cr_expect(question.filter.has_key);
    cr_expect_eq(question.filter.key.digest[0], 0xab);
    cr_expect_eq(question.filter.key.digest[15], 9);
    cr_expect_eq(question.limit, 7);
    cr_expect(question.has_before && question.is_narrowed);
}

Test(question, a_plus_is_no_space)
{
    cr_assert(reads(QUESTION_FIND, "until=2026-11-21T02:00:00.123+02:00"));
    cr_expect_eq(question.filter.until_ms, NOW);
}

Test(question, how_a_replay_is_made)
{
    cr_assert(
        reads(QUESTION_REPLAY_MANY, "state=dead&as=new&rate=100000&limit=100000&dry_run=true"));
    cr_expect(question.as_new && question.dry_run);
    cr_expect_eq(question.per_second, 100000);
    cr_expect_eq(question.limit, 100000);
    cr_assert(reads(QUESTION_REPLAY_ONE, "request=" ID "&as=new"), "in any order");
    cr_expect(question.has_request && question.as_new);
    refuses(QUESTION_REPLAY_ONE, "as=same&request=" ID, "\"request\" belongs to as=new");
    refuses(QUESTION_REPLAY_MANY, "request=" ID, "\"request\" belongs to as=new");
    cr_assert(reads(QUESTION_REPLAY_ONE, "as=same"));
    cr_expect(!question.has_request && !question.as_new);
    cr_assert(reads(QUESTION_CANCEL_MANY, "route=a&dry_run=false&limit=1"));
    cr_expect(!question.dry_run);
}

Test(question, only_states_there_are)
{
    static const char *const queries[] = {"state=queued", "state=delivered", "state=dead",
                                          "state=parked", "state=cancelled"};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        cr_expect(reads(QUESTION_FIND, queries[i]), "%s", queries[i]);
    refuses(QUESTION_FIND, "state=deade", "\"state\" has to be queued");
    refuses(QUESTION_FIND, "state=DEAD", "\"state\" has to be");
}

Test(question, values_that_are_none)
{
    refuses(QUESTION_FIND, "route=", "\"route\" has to be a route's name");
    refuses(QUESTION_FIND, "route", "\"route\" has to be");
    refuses(QUESTION_FIND, "from=yesterday", "\"from\" has to be an instant");
    refuses(QUESTION_FIND, "until=2026", "\"until\" has to be an instant");
    refuses(QUESTION_FIND, "key=abc", "\"key\" has to be 32 hex digits");
    refuses(QUESTION_FIND, "key=0000000000000000000000000000000g", "\"key\" has to be");
    refuses(QUESTION_FIND, "key=000000000000000000000000000000000", "\"key\" has to be");
    refuses(QUESTION_FIND, "before=1", "\"before\" has to be an event's id");
    refuses(QUESTION_REPLAY_MANY, "as=old", "\"as\" has to be same or new");
    refuses(QUESTION_REPLAY_ONE, "request=1", "\"request\" has to be a UUID");
    refuses(QUESTION_REPLAY_ONE, "request=019f0000-0000-4000-8000-000000000001", "version 7");
    refuses(QUESTION_REPLAY_MANY, "dry_run=yes", "\"dry_run\" has to be true or false");
}

Test(question, numbers_at_their_bounds)
{
    static const char *const bad[] = {"limit=0",
                                      "limit=1001",
                                      "limit=-1",
                                      "limit=1x",
                                      "limit=",
                                      "limit=4294967297",
                                      "limit=18446744073709551617"};
    cr_expect(reads(QUESTION_FIND, "limit=1"));
    cr_expect(reads(QUESTION_FIND, "limit=1000"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuses(QUESTION_FIND, bad[i], "\"limit\" has to be a number");
    refuses(QUESTION_REPLAY_MANY, "limit=100001", "\"limit\" has to be");
    refuses(QUESTION_REPLAY_MANY, "rate=0", "\"rate\" has to be");
    refuses(QUESTION_REPLAY_MANY, "rate=100001", "\"rate\" has to be");
}

Test(question, unknown_and_misplaced_parameters_name_the_right_ones)
{
    refuses(QUESTION_FIND, "states=dead",
            "\"states\" is no parameter here; there are: route, state,"
            " from, until, key, limit, before");
    refuses(QUESTION_PLAIN, "limit=1", "\"limit\" is no parameter here; there are: nothing");
    refuses(QUESTION_REPLAY_ONE, "rate=1", "there are: as, request");
    refuses(QUESTION_CANCEL_MANY, "as=new",
            "there are: route, state, from, until, key, limit, dry_run");
    refuses(QUESTION_REPLAY_MANY, "before=" ID,
            "there are: route, state, from, until, key, limit, as, request, rate, dry_run");
    refuses(QUESTION_FIND, "=x", "\"\" is no parameter");
}

Test(question, twice_is_an_error_however_it_is_spelled)
{
    refuses(QUESTION_FIND, "state=dead&st%61te=dead", "\"state\" is given twice");
}

Test(question, broken_encoding)
{
    refuses(QUESTION_FIND, "route=%", "\"route\" can't be decoded");
    refuses(QUESTION_FIND, "route=%4", "can't be decoded");
    refuses(QUESTION_FIND, "route=%4g", "can't be decoded");
    refuses(QUESTION_FIND, "r%zz=1", "can't be decoded");
}

Test(question, a_long_name_is_cut)
{
    char query[300];
    memset(query, 'x', sizeof query - 1);
    query[sizeof query - 1] = '\0';
    refuses(QUESTION_FIND, query, "xxx\" is no parameter");
    cr_expect_lt(strlen(problem), 200);
}
