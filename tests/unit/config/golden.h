/* SPDX-License-Identifier: Apache-2.0 */
/* Files beside the tests that hold what is expected. With POSTERN_UPDATE=1 in the environment a
 * test writes what it got instead of comparing: look at the difference before committing it. */
#ifndef POSTERN_TESTS_CONFIG_GOLDEN_H
#define POSTERN_TESTS_CONFIG_GOLDEN_H

#include <postern/base/buf.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define GOLDEN_BYTES (1u << 20)

/* The path of `name`, relative to the folder of this header; static storage. */
static inline const char *golden_path(const char *name)
{
    static char path[512];
    const char *slash = strrchr(__FILE__, '/');
    cr_assert_not_null(slash);
    snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - __FILE__), __FILE__, name);
    return path;
}

/* Appends the file to `buf`, with a NUL behind its content. */
static inline void golden_read(const char *name, struct buf *buf)
{
    FILE *file = fopen(golden_path(name), "rb");
    cr_assert_not_null(file, "%s", golden_path(name));
    char *room = buf_reserve(buf, GOLDEN_BYTES);
    cr_assert_not_null(room);
    size_t len = fread(room, 1, GOLDEN_BYTES - 1, file);
    room[len] = '\0';
    buf_commit(buf, len);
    fclose(file);
}

static inline bool golden_is_updated(void)
{
    const char *update = getenv("POSTERN_UPDATE");
    return update && strcmp(update, "1") == 0;
}

static inline void golden_write(const char *name, struct slice text)
{
    FILE *file = fopen(golden_path(name), "wb");
    cr_assert_not_null(file, "%s", golden_path(name));
    cr_assert_eq(fwrite(text.data, 1, text.len, file), text.len);
    cr_assert_eq(fclose(file), 0);
}

/* Compares `got` with the file `name`, or writes it there. */
static inline void golden_compare(const char *name, struct slice got)
{
    if (golden_is_updated()) {
        golden_write(name, got);
        return;
    }
    struct buf expected;
    buf_init(&expected, GOLDEN_BYTES);
    golden_read(name, &expected);
    cr_assert(slice_eq(buf_slice(&expected), got),
              "not as in %s (POSTERN_UPDATE=1 writes it anew):\n%.*s", golden_path(name),
              (int)got.len, got.data);
    buf_done(&expected);
}

#endif
