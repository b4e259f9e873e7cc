/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query strings of the admin API, by every kind of question. Properties: read or refused with a
 * reason; the same twice; whatever was read is within its bounds; an unnarrowed question never
 * comes from a query that names a filter.
 *
 * Input: the query.
 */
#include "fuzz.h"
#include "question.h"
#include "when.h"

#define NOW_MS UINT64_C(1795262400000) /* 2026-11-21T12:00:00Z */
#define MEMORY_CEILING ((size_t)1 << 24)

static void check_bounds(const struct question *question, enum question_kind kind)
{
    uint32_t most = kind == QUESTION_FIND ? ARCHIVE_FIND_MAX : ARCHIVE_CHANGE_MAX;
    bool lists = kind == QUESTION_FIND || kind == QUESTION_REPLAY_MANY ||
                 kind == QUESTION_CANCEL_MANY;
    FUZZ_CHECK(!lists || (question->limit >= 1 && question->limit <= most));
    FUZZ_CHECK(kind != QUESTION_REPLAY_MANY ||
               (question->per_second >= 1 && question->per_second <= QUESTION_RATE_MAX));
    FUZZ_CHECK(!question->has_request || question->request.bytes[6] >> 4 == 7);
    FUZZ_CHECK(lists || !question->is_narrowed);
    bool filtered = question->filter.route.len > 0 || question->filter.state.len > 0 ||
                    question->filter.has_key || question->filter.from_ms > 0 ||
                    question->filter.until_ms > 0;
    FUZZ_CHECK(filtered == question->is_narrowed);
}

/* Empty pairs are none. */
static bool asks_nothing(struct slice query)
{
    for (size_t i = 0; i < query.len; i++)
        if (query.data[i] != '&')
            return false;
    return true;
}

static void try_kind(enum question_kind kind, struct slice query)
{
    struct arena arena;
    struct question question = {0};
    struct question again = {0};
    char problem[QUESTION_PROBLEM_BYTES] = "";
    char same[QUESTION_PROBLEM_BYTES] = "";
    arena_init(&arena, 4096, MEMORY_CEILING);
    bool ok = question_read(&question, kind, query, NOW_MS, &arena, problem);
    FUZZ_CHECK(question_read(&again, kind, query, NOW_MS, &arena, same) == ok);
    if (ok) {
        FUZZ_CHECK(kind != QUESTION_PLAIN || asks_nothing(query));
        check_bounds(&question, kind);
    } else {
        size_t len = strnlen(problem, sizeof problem);
        FUZZ_CHECK(len > 0 && len < sizeof problem && strcmp(problem, same) == 0);
    }
    arena_done(&arena);
}

static void try_when(struct slice text)
{
    uint64_t at_ms = 0;
    if (when_parse(text, NOW_MS, &at_ms))
        FUZZ_CHECK(at_ms > 0);
    else
        FUZZ_CHECK(at_ms == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = fuzz_block(slice_of(data, size));
    for (unsigned kind = QUESTION_PLAIN; kind <= QUESTION_CANCEL_MANY; kind++)
        try_kind((enum question_kind)kind, slice_of(block, size));
    try_when(slice_of(block, size));
    free(block);
    return 0;
}
