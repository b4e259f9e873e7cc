/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/outcome: the table is whole, its words are unique and fit where they go, and
 * the rows say what the enum's comments promise. */
#include <postern/policy/outcome.h>

#include "samples.h"

#include <criterion/criterion.h>

static bool is_word(const char *text, char joint)
{
    for (; *text; text++)
        if ((*text < 'a' || *text > 'z') && *text != joint)
            return false;
    return true;
}

Test(outcome, every_row_is_there)
{
    for (unsigned i = 0; i < OUTCOMES; i++) {
        const struct outcome_row *row = outcome_row((enum outcome)i);
        cr_assert(row->name && row->header && row->title && row->detail, "outcome %u", i);
        cr_assert(is_word(row->name, '_'), "%s", row->name);
        cr_assert(is_word(row->header, '-'), "%s", row->name);
        cr_assert(!row->type || is_word(row->type, '-'), "%s", row->name);
        cr_assert_lt(row->book, BOOKS, "%s", row->name);
    }
}

Test(outcome, names_and_types_are_unique)
{
    for (unsigned i = 0; i < OUTCOMES; i++) {
        for (unsigned j = 0; j < i; j++) {
            const struct outcome_row *a = outcome_row((enum outcome)i);
            const struct outcome_row *b = outcome_row((enum outcome)j);
            cr_assert_str_neq(a->name, b->name);
            cr_assert(!a->type || !b->type || strcmp(a->type, b->type) != 0, "%s", a->name);
        }
    }
}

/* heads.c puts them into JSON as they are. */
Test(outcome, texts_need_no_escapes)
{
    for (unsigned i = 0; i < OUTCOMES; i++) {
        const struct outcome_row *row = outcome_row((enum outcome)i);
        const char *const texts[] = {row->title, row->detail};
        for (size_t t = 0; t < COUNT_OF(texts); t++)
            for (const char *c = texts[t]; *c; c++)
                cr_assert(*c >= ' ' && *c < 0x7f && *c != '"' && *c != '\\', "%s", row->name);
        cr_assert_leq(strlen(row->title), 40, "%s", row->name);
    }
}

/* A title is short; a problem has a type, a status of an error, and a name that begins with its
 * book; no status means that nobody answers or that the upstream's answer is relayed. */
Test(outcome, rows_agree_with_themselves)
{
    for (unsigned i = OUTCOME_ACCEPTED; i < OUTCOMES; i++) {
        const struct outcome_row *row = outcome_row((enum outcome)i);
        bool problem = row->status >= 400;
        cr_assert_eq(problem, row->type != NULL, "%s", row->name);
        cr_assert(row->status == 0 || row->status == 200 || problem, "%s", row->name);
        cr_assert(row->retry_after_s == 0 || problem, "%s", row->name);
        cr_assert_eq(strncmp(row->name, book_name(row->book), strlen(book_name(row->book))), 0);
        cr_assert_eq(row->status == 503 && row->retry_after_s == 0, false, "%s", row->name);
    }
}

/* The header's word is the book's, with a hyphen for the underscore; who is not verified is told
 * so. */
Test(outcome, header_words_are_the_books)
{
    for (unsigned i = 0; i < OUTCOMES; i++) {
        const struct outcome_row *row = outcome_row((enum outcome)i);
        const char *book = i == OUTCOME_UNVERIFIED ? "unverified" : book_name(row->book);
        cr_assert_eq(strlen(row->header), strlen(book), "%s", row->name);
        for (size_t c = 0; book[c]; c++)
            cr_assert_eq(row->header[c], book[c] == '_' ? '-' : book[c], "%s", row->name);
    }
}

struct promise {
    enum outcome outcome;
    enum book book;
    uint16_t status;
    uint32_t retry_after_s;
    bool close;
};

static const struct promise promises[] = {
    {OUTCOME_NONE, BOOK_UNKNOWN, 0, 0, false},
    {OUTCOME_ACCEPTED, BOOK_ACCEPTED, 0, 0, false},
    {OUTCOME_BYPASSED_NO_KEY, BOOK_BYPASSED, 0, 0, false},
    {OUTCOME_BYPASSED_STORE, BOOK_BYPASSED, 0, 0, false},
    {OUTCOME_BYPASSED_HANDSHAKE, BOOK_BYPASSED, 200, 0, false},
    {OUTCOME_DUPLICATE, BOOK_DUPLICATE, 200, 0, false},
    {OUTCOME_IN_FLIGHT, BOOK_IN_FLIGHT, 409, 1, false},
    {OUTCOME_REJECTED_SYNTAX, BOOK_REJECTED, 400, 0, true},
    {OUTCOME_REJECTED_HOST, BOOK_REJECTED, 400, 0, true},
    {OUTCOME_REJECTED_TARGET, BOOK_REJECTED, 400, 0, true},
    {OUTCOME_REJECTED_FRAMING, BOOK_REJECTED, 400, 0, true},
    {OUTCOME_REJECTED_CHUNK, BOOK_REJECTED, 400, 0, true},
    {OUTCOME_REJECTED_NO_KEY, BOOK_REJECTED, 400, 0, false},
    {OUTCOME_UNVERIFIED, BOOK_REJECTED, 401, 0, false},
    {OUTCOME_REJECTED_NO_ROUTE, BOOK_REJECTED, 404, 0, false},
    {OUTCOME_REJECTED_SLOW, BOOK_REJECTED, 408, 0, true},
    {OUTCOME_REJECTED_BODY_TOO_LARGE, BOOK_REJECTED, 413, 0, true},
    {OUTCOME_REJECTED_TARGET_TOO_LONG, BOOK_REJECTED, 414, 0, true},
    {OUTCOME_REJECTED_EXPECTATION, BOOK_REJECTED, 417, 0, true},
    {OUTCOME_REJECTED_MISMATCH, BOOK_REJECTED, 422, 0, false},
    {OUTCOME_REJECTED_RATE, BOOK_REJECTED, 429, 0, false},
    {OUTCOME_REJECTED_HEAD_TOO_LARGE, BOOK_REJECTED, 431, 0, true},
    {OUTCOME_REJECTED_METHOD, BOOK_REJECTED, 501, 0, true},
    {OUTCOME_REJECTED_CODING, BOOK_REJECTED, 501, 0, true},
    {OUTCOME_REJECTED_VERSION, BOOK_REJECTED, 505, 0, true},
    {OUTCOME_REJECTED_CLIENT_GONE, BOOK_REJECTED, 0, 0, true},
    {OUTCOME_REJECTED_BUSY, BOOK_REJECTED, 503, 1, false},
    {OUTCOME_REJECTED_MEMORY_FULL, BOOK_REJECTED, 503, 5, false},
    {OUTCOME_REJECTED_JOURNAL, BOOK_REJECTED, 503, 5, false},
    {OUTCOME_REJECTED_QUEUE, BOOK_REJECTED, 503, 5, false},
    {OUTCOME_FAILED_STATUS, BOOK_FAILED, 0, 0, false},
    {OUTCOME_FAILED_CONNECT, BOOK_FAILED, 502, 5, false},
    {OUTCOME_FAILED_BROKEN, BOOK_FAILED, 502, 0, false},
    {OUTCOME_FAILED_BAD_RESPONSE, BOOK_FAILED, 502, 0, false},
    {OUTCOME_FAILED_TIMEOUT, BOOK_FAILED, 504, 0, false},
    {OUTCOME_FAILED_JOURNAL, BOOK_FAILED, 503, 5, false},
    {OUTCOME_UNKNOWN_STORE, BOOK_UNKNOWN, 503, 5, false},
    {OUTCOME_UNKNOWN_QUEUE, BOOK_UNKNOWN, 503, 5, false},
};

Test(outcome, rows_keep_the_promises_of_the_enum)
{
    cr_assert_eq(COUNT_OF(promises), OUTCOMES);
    for (unsigned i = 0; i < OUTCOMES; i++) {
        const struct promise *want = &promises[i];
        const struct outcome_row *row = outcome_row(want->outcome);
        cr_assert_eq(want->outcome, i);
        cr_assert_eq(row->book, want->book, "%s", row->name);
        cr_assert_eq(row->status, want->status, "%s", row->name);
        cr_assert_eq(row->retry_after_s, want->retry_after_s, "%s", row->name);
        cr_assert_eq(row->close, want->close, "%s", row->name);
    }
}
