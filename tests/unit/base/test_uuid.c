/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/uuid: the bits of version 7, the order of ids, text both ways. */
#include <postern/base/uuid.h>

#include <criterion/criterion.h>

static int compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

Test(uuid, version_variant_and_time)
{
    struct uuid_source source;
    uuid_source_init(&source);
    for (uint64_t ms = 1000; ms < 3000; ms++) {
        struct uuid id = uuid_v7(&source, ms);
        cr_assert_eq(id.bytes[6] >> 4, 7);
        cr_assert_eq(id.bytes[8] >> 6, 2);
        cr_assert_eq(uuid_time_ms(&id), ms);
    }
}

Test(uuid, ids_of_one_source_increase_whatever_the_clock_does)
{
    struct uuid_source source;
    uuid_source_init(&source);
    struct uuid last = uuid_v7(&source, 0);
    uint64_t ms = 1000000;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned dice = i * 2654435761u >> 20;
        if (dice < 16)
            ms -= 500;
        else if (dice < 2000)
            ms += 1;
        struct uuid id = uuid_v7(&source, ms);
        cr_assert_lt(compare(&last, &id), 0);
        last = id;
    }
}

Test(uuid, a_used_up_millisecond_borrows_the_next)
{
    struct uuid_source source;
    uuid_source_init(&source);
    struct uuid first = uuid_v7(&source, 5000);
    struct uuid last = first;
    for (unsigned i = 0; i < 2048; i++) /* the room that every seed leaves */
        last = uuid_v7(&source, 5000);
    cr_assert_eq(uuid_time_ms(&last), 5000);
    for (unsigned i = 0; i < 4096; i++)
        last = uuid_v7(&source, 5000);
    cr_assert_gt(uuid_time_ms(&last), 5000);
    cr_assert_leq(uuid_time_ms(&last), 5003);
    /* The clock catches up, and is right again. */
    last = uuid_v7(&source, 6000);
    cr_assert_eq(uuid_time_ms(&last), 6000);
}

Test(uuid, a_time_beyond_48_bits_is_cut)
{
    struct uuid_source source;
    uuid_source_init(&source);
    struct uuid id = uuid_v7(&source, UINT64_MAX);
    cr_assert_eq(uuid_time_ms(&id), 0xffffffffffff);
}

Test(uuid, sources_differ)
{
    struct uuid_source a, b;
    uuid_source_init(&a);
    uuid_source_init(&b);
    for (int i = 0; i < 1000; i++) {
        struct uuid from_a = uuid_v7(&a, 1);
        struct uuid from_b = uuid_v7(&b, 1);
        /* The random half alone has to differ; the counters may meet. */
        cr_assert_neq(memcmp(from_a.bytes + 8, from_b.bytes + 8, 8), 0);
    }
}

Test(uuid, no_random_byte_serves_twice)
{
    struct uuid_source source;
    uuid_source_init(&source);
    struct uuid ids[300]; /* several pools */
    for (unsigned i = 0; i < 300; i++) {
        ids[i] = uuid_v7(&source, 1);
        for (unsigned j = 0; j < i; j++)
            cr_assert_neq(memcmp(ids[i].bytes + 9, ids[j].bytes + 9, 7), 0);
    }
}

Test(uuid, text_of_the_rfc_example)
{
    /* RFC 9562 A.6 */
    struct uuid id;
    cr_assert(uuid_parse(SLICE("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &id));
    cr_assert_eq(uuid_time_ms(&id), 0x017f22e279b0);
    char text[UUID_TEXT_LEN];
    uuid_format(&id, text);
    cr_assert(
        slice_eq(slice_of(text, sizeof(text)), SLICE("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")));
}

Test(uuid, text_and_back)
{
    struct uuid_source source;
    uuid_source_init(&source);
    for (int i = 0; i < 1000; i++) {
        struct uuid id = uuid_v7(&source, (uint64_t)i * 7919), back;
        char text[UUID_TEXT_LEN];
        uuid_format(&id, text);
        cr_assert(uuid_parse(slice_of(text, sizeof(text)), &back));
        cr_assert(uuid_eq(&id, &back));
        back.bytes[15] ^= 1;
        cr_assert_not(uuid_eq(&id, &back));
    }
}

Test(uuid, what_is_not_canonical_text_is_refused)
{
    static const char *const bad[] = {
        "",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e279b07cc398c4dc0c0c07398f",
        "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
        "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c40dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "g17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4--c0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398/",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398:",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398@",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398\xe6",
        " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct uuid id = {.bytes = {42}};
        cr_assert_not(uuid_parse(slice_str(bad[i]), &id), "%s", bad[i]);
        cr_assert_eq(id.bytes[0], 42);
    }
}

Test(uuid, hex)
{
    char text[6];
    hex_format(SLICE("\x00\x9f\xff"), text);
    cr_assert(slice_eq(slice_of(text, 6), SLICE("009fff")));
    hex_format(SLICE(""), text);
    cr_assert(slice_eq(slice_of(text, 6), SLICE("009fff")));
}
