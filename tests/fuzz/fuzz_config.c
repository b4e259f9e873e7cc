/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file, as a person or a template engine may get it wrong. Properties: it is good
 * or it is refused with a report; the same file ends the same way twice; a good one can be
 * summed up.
 *
 * Input: the file.
 */
#include "fuzz.h"

#include <postern/config/config.h>

#define REPORT_CEILING ((size_t)1 << 20)

static enum status parse(struct slice text, struct buf *told)
{
    struct config *config = NULL;
    enum status status = config_parse("fuzz.yaml", text, told, &config);
    FUZZ_CHECK(status == STATUS_OK || status == STATUS_INVALID);
    FUZZ_CHECK((status == STATUS_OK) == (config != NULL));
    FUZZ_CHECK(status == STATUS_OK || buf_len(told) > 0);
    if (!config)
        return status;
    FUZZ_CHECK(config->route_count > 0 && config->upstream_count > 0 && config->listen_count > 0);
    for (size_t i = 0; i < config->route_count; i++)
        FUZZ_CHECK(config->routes[i].upstream < config->upstream_count &&
                   config->routes[i].key_count > 0);
    FUZZ_CHECK(config_summary(config, told) == STATUS_OK);
    config_free(config);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = fuzz_block(slice_of(data, size));
    struct buf first;
    struct buf second;
    buf_init(&first, REPORT_CEILING);
    buf_init(&second, REPORT_CEILING);
    enum status status = parse(slice_of(block, size), &first);
    FUZZ_CHECK(parse(slice_of(block, size), &second) == status);
    FUZZ_CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_done(&first);
    buf_done(&second);
    free(block);
    return 0;
}
