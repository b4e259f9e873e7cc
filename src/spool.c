/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the spool. Two gateways on one machine with the default path take spool.db and
 * spool-2.db: an SQLite file belongs to one process. What a gateway that is gone has left in one of
 * them goes to the next that opens it.
 */
#include "spool.h"

#include <postern/store/backends.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPOOLS_MAX 8u /* gateways on one machine that share the default path */

/* "/a/spool.db" -> "/a/spool-2.db". */
static void numbered_path(struct slice path, unsigned number, char *ret_path, size_t size)
{
    size_t stem = path.len;
    if (stem > 3 && memcmp(path.data + stem - 3, ".db", 3) == 0)
        stem -= 3;
    if (number == 1)
        (void)snprintf(ret_path, size, "%.*s", (int)path.len, path.data);
    else
        (void)snprintf(ret_path, size, "%.*s-%u%.*s", (int)stem, path.data, number,
                       (int)(path.len - stem), path.data + stem);
}

static enum status open_numbered(const struct config *config, unsigned number, struct log *log,
                                 struct sqlite_store **ret_store, char ret_error[static 256])
{
    char path[4096];
    numbered_path(config->spool.path, number, path, sizeof path);
    struct sqlite_opts opts = config->spool;
    opts.path = slice_str(path);
    enum status status = sqlite_store_open(&opts, log, ret_store, ret_error);
    if (status == STATUS_OK)
        log_line(log, LOG_INFO, "spool", LOG_STR("path", path));
    return status;
}

/* Not one that another gateway has: nobody delivers what is in it. */
static void warn_if_passed_over(struct log *log, const char *reason)
{
    if (reason[0] != '\0')
        log_line(log, LOG_WARN, "a spool can't be opened: what it holds is not delivered",
                 LOG_STR("reason", reason));
}

int open_spool(const struct config *config, struct log *log, struct sqlite_store **ret_store)
{
    char error[256] = "", passed_over[256] = "";
    if (config->spool.path.len == 0)
        return EXIT_SUCCESS;
    unsigned tries = config->spool_given ? 1 : SPOOLS_MAX;
    for (unsigned number = 1; number <= tries; number++) {
        enum status status = open_numbered(config, number, log, ret_store, error);
        if (status == STATUS_OK) {
            warn_if_passed_over(log, passed_over);
            return EXIT_SUCCESS;
        }
        if (status != STATUS_UNAVAILABLE && passed_over[0] == '\0')
            memcpy(passed_over, error, sizeof passed_over);
    }
    if (config->spool_given) {
        (void)fprintf(stderr, "postern: journal.spool: %s\n", error);
        return EXIT_FAILURE;
    }
    log_line(log, LOG_WARN,
             "no spool: while the database is away, queue routes answer 503 (journal.spool.path)",
             LOG_STR("reason", error));
    return EXIT_SUCCESS;
}
