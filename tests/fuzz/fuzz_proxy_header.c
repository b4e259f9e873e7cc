/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol's header, versions 1 and 2. Properties: the same octets end the same way and
 * leave the same rest however they are cut; the source is an address; a good header needs its last
 * byte, and every beginning of it asks for more.
 *
 * Input: the octets, and what follows them on the connection.
 */
#include "fuzz.h"
#include "proxy_header.h"

/* How a run ended. */
struct ending {
    enum proxy_step step;
    size_t taken;
    char source[ADDRESS_TEXT_SIZE]; /* empty: none */
};

static struct ending run(struct slice bytes, struct fuzz_cutting cutting)
{
    struct proxy_header header = {0};
    struct ending ending = {.step = PROXY_MORE};
    while (ending.step == PROXY_MORE && bytes.len > ending.taken) {
        size_t len = fuzz_piece_len(&cutting, bytes.len - ending.taken);
        char *block = fuzz_block(slice_of(bytes.data + ending.taken, len));
        struct slice input = slice_of(block, len);
        ending.step = proxy_header_take(&header, &input);
        FUZZ_CHECK(input.len <= len && (ending.step != PROXY_MORE || input.len == 0));
        ending.taken += len - input.len;
        free(block);
    }
    if (ending.step == PROXY_DONE && header.has_source)
        address_format(&header.source, ending.source);
    return ending;
}

static void check_same(const struct ending *one, const struct ending *other)
{
    FUZZ_CHECK(one->step == other->step);
    FUZZ_CHECK(strcmp(one->source, other->source) == 0);
    FUZZ_CHECK(one->step == PROXY_BAD || one->taken == other->taken);
}

static void check_source(const struct ending *ending)
{
    struct address address;
    if (ending->source[0])
        FUZZ_CHECK(address_parse(slice_str(ending->source), &address) == STATUS_OK);
}

static void check_needs_all(struct slice bytes, size_t taken)
{
    struct ending cut = run(slice_of(bytes.data, taken - 1), (struct fuzz_cutting){0});
    FUZZ_CHECK(cut.step == PROXY_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct ending whole = run(bytes, (struct fuzz_cutting){0});
    struct ending single = run(bytes, (struct fuzz_cutting){.most = 1});
    struct ending pieces = run(bytes, (struct fuzz_cutting){.most = 9, .seed = (uint32_t)size});
    check_same(&whole, &single);
    check_same(&whole, &pieces);
    check_source(&whole);
    if (whole.step == PROXY_DONE)
        check_needs_all(bytes, whole.taken);
    return 0;
}
