/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON scanner and the canonical form against oracle_json.h: the same texts are accepted, the
 * same values found, the same form written; the form of a form is itself; and what the scanner
 * refuses has no form.
 *
 * Input: a line of paths to include (and to find), separated by spaces, a line of paths to exclude,
 * the text.
 */
#include "fuzz.h"
#include "oracle_json.h"

#define MEMORY_CEILING ((size_t)1 << 26)
#define PATHS_MAX 8u /* of each line */

struct form {
    struct canonical_sink sink;
    struct buf bytes;
};

static bool append(struct canonical_sink *sink, struct slice piece)
{
    struct form *form = container_of(sink, struct form, sink);
    FUZZ_CHECK(buf_append(&form->bytes, piece) == STATUS_OK);
    return true;
}

/* The text in a block of its own, and what is made of it. */
struct trial {
    struct arena arena;
    struct slice text;
    struct json_path paths[2 * PATHS_MAX];
    struct json_selection selection;
    struct oracle_value *root; /* NULL: no JSON */
};

static size_t read_paths(struct trial *trial, size_t count, struct slice line)
{
    size_t end = count + PATHS_MAX;
    while (line.len > 0 && count < end) {
        const char *space = memchr(line.data, ' ', line.len);
        struct slice word = slice_of(line.data, space ? (size_t)(space - line.data) : line.len);
        count += json_path_parse(word, &trial->arena, &trial->paths[count]);
        line = slice_skip(line, word.len + 1);
    }
    return count;
}

static void check_found(const struct trial *trial, const struct json_value *values, size_t i)
{
    bool repeated = false;
    const struct oracle_value *wanted = oracle_find(trial->root, &trial->paths[i], &repeated);
    if (!wanted) {
        FUZZ_CHECK(values[i].kind == JSON_ABSENT);
        return;
    }
    FUZZ_CHECK(values[i].kind == wanted->kind);
    FUZZ_CHECK(values[i].raw.data == wanted->raw.data && values[i].raw.len == wanted->raw.len);
    FUZZ_CHECK(slice_eq(values[i].text, wanted->text));
}

static bool any_repeated(const struct trial *trial)
{
    bool repeated = false;
    for (size_t i = 0; i < trial->selection.path_count; i++)
        oracle_find(trial->root, &trial->paths[i], &repeated);
    return repeated;
}

static void try_finding(struct trial *trial)
{
    struct json_value values[2 * PATHS_MAX];
    size_t count = trial->selection.path_count;
    enum json_result result = json_find(trial->text, trial->paths, count, &trial->arena, values);
    if (!trial->root) {
        FUZZ_CHECK(result != JSON_OK);
    } else if (any_repeated(trial)) {
        FUZZ_CHECK(result == JSON_DUPLICATE_KEY);
    } else {
        FUZZ_CHECK(result == JSON_OK);
        for (size_t i = 0; i < count; i++)
            check_found(trial, values, i);
        return;
    }
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(values[i].kind == JSON_ABSENT);
}

/* The form of all of `text` again; `form` itself is one already. */
static void check_form_of_form(struct slice form)
{
    const struct json_selection all = {0};
    struct form again = {.sink.write = append};
    char *block = fuzz_block(form);
    size_t weight;
    buf_init(&again.bytes, MEMORY_CEILING);
    enum json_result result =
        canonical_write(slice_of(block, form.len), &all, &again.sink, &weight);
    /* A number at its bounds may have grown by a point, or its exponent by a digit. */
    FUZZ_CHECK(result == JSON_OK || result == JSON_TOO_LARGE);
    FUZZ_CHECK(result != JSON_OK || slice_eq(buf_slice(&again.bytes), form));
    buf_done(&again.bytes);
    free(block);
}

static void check_form(struct trial *trial, const struct json_selection *selection,
                       struct slice form, size_t weight)
{
    struct buf wanted;
    buf_init(&wanted, MEMORY_CEILING);
    FUZZ_CHECK(weight == oracle_select(trial->root, selection));
    FUZZ_CHECK(oracle_write(trial->root, &wanted));
    FUZZ_CHECK(slice_eq(form, buf_slice(&wanted)));
    buf_done(&wanted);
}

static bool has_form(struct trial *trial, const struct json_selection *selection)
{
    struct buf unread;
    if (!trial->root || oracle_has_repeated_names(trial->root))
        return false;
    buf_init(&unread, MEMORY_CEILING);
    oracle_select(trial->root, selection);
    bool written = oracle_write(trial->root, &unread);
    buf_done(&unread);
    return written;
}

static void try_form(struct trial *trial, const struct json_selection *selection)
{
    struct form form = {.sink.write = append};
    size_t weight;
    buf_init(&form.bytes, MEMORY_CEILING);
    enum json_result result = canonical_write(trial->text, selection, &form.sink, &weight);
    FUZZ_CHECK((result == JSON_OK) == has_form(trial, selection));
    if (result == JSON_OK) {
        check_form(trial, selection, buf_slice(&form.bytes), weight);
        if (selection->path_count == 0)
            check_form_of_form(buf_slice(&form.bytes));
    }
    buf_done(&form.bytes);
}

static void try_text(struct trial *trial)
{
    const struct json_selection all = {0};
    enum json_result wanted = oracle_read(trial->text, &trial->arena, &trial->root);
    FUZZ_CHECK(json_find(trial->text, NULL, 0, &trial->arena, NULL) == wanted);
    try_finding(trial);
    try_form(trial, &all);
    if (trial->selection.path_count > 0)
        try_form(trial, &trial->selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct slice include = fuzz_line(&input);
    struct slice exclude = fuzz_line(&input);
    struct trial trial = {0};
    char *block = fuzz_block(input);
    arena_init(&trial.arena, 4096, MEMORY_CEILING);
    trial.text = slice_of(block, input.len);
    trial.selection.paths = trial.paths;
    trial.selection.include_count = read_paths(&trial, 0, include);
    trial.selection.path_count = read_paths(&trial, trial.selection.include_count, exclude);
    try_text(&trial);
    arena_done(&trial.arena);
    free(block);
    return 0;
}
