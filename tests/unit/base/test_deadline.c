/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/deadline: single deadlines at the borders of ticks and rounds, callbacks that
 * change the wheel, and random operations against a model that knows only a list of times. */
#include <postern/base/deadline.h>

#include <criterion/criterion.h>
#include <stdio.h>

#define ROUND_MS (DEADLINE_TICK_MS * DEADLINE_SLOTS)

struct owner {
    struct deadline deadline;
    unsigned fired;
    struct deadlines *wheel;
    struct deadline *other;
    uint64_t again_at_ms;
};

static void count(struct deadline *deadline)
{
    container_of(deadline, struct owner, deadline)->fired++;
}

static void assert_nothing_set(const struct deadlines *wheel)
{
    cr_assert_eq(wheel->count, 0);
    cr_assert_eq(deadlines_next(wheel), UINT64_MAX);
}

Test(deadline, never_early_and_at_most_a_tick_late)
{
    for (uint64_t start = 1000; start < 1000 + DEADLINE_TICK_MS; start++) {
        for (uint64_t after = 0; after < 3 * ROUND_MS; after += after < 40 ? 1 : 97) {
            struct deadlines wheel;
            deadlines_init(&wheel, start);
            struct owner owner = {.deadline.expired = count};
            deadline_set(&wheel, &owner.deadline, start + after);
            cr_assert(deadline_is_set(&owner.deadline));
            if (after > 0) {
                deadlines_advance(&wheel, start + after - 1);
                cr_assert_eq(owner.fired, 0);
            }
            deadlines_advance(&wheel, start + after + DEADLINE_TICK_MS - 1);
            cr_assert_eq(owner.fired, 1);
            cr_assert_not(deadline_is_set(&owner.deadline));
            assert_nothing_set(&wheel);
        }
    }
}

Test(deadline, the_past_fires_at_the_next_advance_even_of_the_same_instant)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 5000);
    struct owner owner = {.deadline.expired = count};
    deadline_set(&wheel, &owner.deadline, 3);
    cr_assert_leq(deadlines_next(&wheel), 5000);
    deadlines_advance(&wheel, 5000);
    cr_assert_eq(owner.fired, 1);
}

Test(deadline, clear_and_move)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner owner = {.deadline.expired = count};
    deadline_clear(&wheel, &owner.deadline);
    deadline_set(&wheel, &owner.deadline, 100);
    deadline_clear(&wheel, &owner.deadline);
    deadline_clear(&wheel, &owner.deadline);
    assert_nothing_set(&wheel);
    deadline_set(&wheel, &owner.deadline, 100);
    deadline_set(&wheel, &owner.deadline, 200);
    cr_assert_eq(wheel.count, 1);
    deadlines_advance(&wheel, 150);
    cr_assert_eq(owner.fired, 0);
    deadlines_advance(&wheel, 208);
    cr_assert_eq(owner.fired, 1);
}

Test(deadline, a_clock_that_steps_back_runs_nothing_twice)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 10000);
    struct owner owner = {.deadline.expired = count};
    deadline_set(&wheel, &owner.deadline, 10100);
    deadlines_advance(&wheel, 9000);
    cr_assert_eq(owner.fired, 0);
    deadlines_advance(&wheel, 10104);
    deadlines_advance(&wheel, 10000);
    cr_assert_eq(owner.fired, 1);
}

Test(deadline, one_long_pause_fires_everything)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner owners[100] = {0};
    for (uint64_t i = 0; i < 100; i++) {
        owners[i].deadline.expired = count;
        deadline_set(&wheel, &owners[i].deadline, i * i * 13);
    }
    deadlines_advance(&wheel, 10 * 60 * 60 * 1000);
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(owners[i].fired, 1);
    assert_nothing_set(&wheel);
}

static void fire_and_set_again(struct deadline *deadline)
{
    struct owner *owner = container_of(deadline, struct owner, deadline);
    owner->fired++;
    deadline_set(owner->wheel, deadline, owner->again_at_ms);
}

Test(deadline, a_callback_that_sets_itself_into_the_past_fires_once_an_advance)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner owner = {.deadline.expired = fire_and_set_again, .wheel = &wheel};
    deadline_set(&wheel, &owner.deadline, 80);
    for (unsigned i = 1; i < 5; i++) {
        deadlines_advance(&wheel, 1000);
        cr_assert_eq(owner.fired, i);
        cr_assert(deadline_is_set(&owner.deadline));
    }
    deadline_clear(&wheel, &owner.deadline);
    assert_nothing_set(&wheel);
}

static void clear_the_other(struct deadline *deadline)
{
    struct owner *owner = container_of(deadline, struct owner, deadline);
    owner->fired++;
    deadline_clear(owner->wheel, owner->other);
}

Test(deadline, a_callback_may_clear_one_that_is_due_with_it)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner a = {.deadline.expired = clear_the_other, .wheel = &wheel};
    struct owner b = {.deadline.expired = clear_the_other, .wheel = &wheel};
    a.other = &b.deadline;
    b.other = &a.deadline;
    deadline_set(&wheel, &a.deadline, 80);
    deadline_set(&wheel, &b.deadline, 80);
    deadlines_advance(&wheel, 100);
    cr_assert_eq(a.fired + b.fired, 1);
    assert_nothing_set(&wheel);
}

static void move_the_other(struct deadline *deadline)
{
    struct owner *owner = container_of(deadline, struct owner, deadline);
    owner->fired++;
    deadline_set(owner->wheel, owner->other, owner->again_at_ms);
}

Test(deadline, a_callback_may_move_one_that_is_due_with_it)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner a = {.deadline.expired = move_the_other, .wheel = &wheel, .again_at_ms = 500};
    struct owner b = {.deadline.expired = count};
    a.other = &b.deadline;
    deadline_set(&wheel, &a.deadline, 80);
    deadline_set(&wheel, &b.deadline, 80);
    deadlines_advance(&wheel, 100);
    cr_assert_eq(b.fired, 0);
    cr_assert_eq(deadlines_next(&wheel), 504);
    deadlines_advance(&wheel, 504);
    cr_assert_eq(b.fired, 1);
}

static uint64_t next_in_callback;

static void ask_next(struct deadline *deadline)
{
    next_in_callback = deadlines_next(container_of(deadline, struct owner, deadline)->wheel);
}

Test(deadline, next_asked_in_a_callback_leaves_out_what_runs_with_it)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner a = {.deadline.expired = ask_next, .wheel = &wheel};
    struct owner b = {.deadline.expired = count};
    deadline_set(&wheel, &a.deadline, 80);
    deadline_set(&wheel, &b.deadline, 80);
    deadlines_advance(&wheel, 100);
    cr_assert_eq(next_in_callback, UINT64_MAX);
    cr_assert_eq(b.fired, 1);
}

Test(deadline, next_skips_slots_that_were_emptied)
{
    struct deadlines wheel;
    deadlines_init(&wheel, 0);
    struct owner owners[3] = {0};
    for (size_t i = 0; i < 3; i++)
        owners[i].deadline.expired = count;
    deadline_set(&wheel, &owners[0].deadline, 16);
    deadline_set(&wheel, &owners[1].deadline, 24);
    deadline_set(&wheel, &owners[2].deadline, 3000);
    deadline_clear(&wheel, &owners[0].deadline);
    deadline_clear(&wheel, &owners[1].deadline);
    cr_assert_eq(deadlines_next(&wheel), 3000);
}

Test(deadline, next_finds_the_slot_one_full_round_ahead)
{
    for (uint64_t start = 0; start < 2 * ROUND_MS; start += DEADLINE_TICK_MS) {
        struct deadlines wheel;
        deadlines_init(&wheel, start);
        struct owner owner = {.deadline.expired = count};
        deadline_set(&wheel, &owner.deadline, start + ROUND_MS);
        cr_assert_eq(deadlines_next(&wheel), start + ROUND_MS);
    }
}

/* ---- random operations against a model ---- */

#define MODEL_SIZE 64u
#define UNSET UINT64_MAX

struct modelled {
    struct deadline deadline;
    uint64_t at_ms;  /* UNSET when not set */
    uint64_t set_in; /* the advance in which it was set */
};

static struct deadlines wheel;
static struct modelled model[MODEL_SIZE];
static uint64_t now_ms;
static uint64_t advances; /* odd while one runs */
static uint64_t random_state;

/* Numerical Recipes' generator: the same numbers in every run. */
static unsigned random_below(unsigned limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % limit);
}

static uint64_t random_time(void)
{
    switch (random_below(5)) {
    case 0:
        return now_ms - random_below(100);
    case 1:
        return now_ms + random_below(2 * DEADLINE_TICK_MS);
    case 2:
        return now_ms + random_below(ROUND_MS);
    case 3:
        return now_ms + ROUND_MS * random_below(4);
    default:
        return now_ms + random_below(10 * ROUND_MS);
    }
}

static void change_one(void)
{
    struct modelled *one = &model[random_below(MODEL_SIZE)];
    if (random_below(3) == 0) {
        deadline_clear(&wheel, &one->deadline);
        one->at_ms = UNSET;
    } else {
        one->at_ms = random_time();
        one->set_in = advances;
        deadline_set(&wheel, &one->deadline, one->at_ms);
    }
}

static void on_modelled(struct deadline *deadline)
{
    struct modelled *one = container_of(deadline, struct modelled, deadline);
    cr_assert_neq(one->at_ms, UNSET, "fired without being set");
    cr_assert_leq(one->at_ms, now_ms, "fired early");
    cr_assert_neq(one->set_in, advances, "set in this advance, and fired in it");
    one->at_ms = UNSET;
    for (unsigned changes = random_below(4); changes > 0; changes--)
        change_one();
}

/* After an advance: what should have fired has, and the books balance. */
static void check_model(void)
{
    size_t set = 0;
    uint64_t earliest = UNSET;
    bool overdue = false;
    for (size_t i = 0; i < MODEL_SIZE; i++) {
        const struct modelled *one = &model[i];
        cr_assert_eq(deadline_is_set(&one->deadline), one->at_ms != UNSET);
        if (one->at_ms == UNSET)
            continue;
        set++;
        earliest = one->at_ms < earliest ? one->at_ms : earliest;
        overdue |= one->at_ms <= now_ms;
        cr_assert(one->set_in == advances || one->at_ms + DEADLINE_TICK_MS > now_ms, "is late");
    }
    cr_assert_eq(wheel.count, set);
    uint64_t next = deadlines_next(&wheel);
    cr_assert_eq(next == UINT64_MAX, set == 0);
    if (set > 0)
        cr_assert_lt(next, (earliest > now_ms ? earliest : now_ms) + DEADLINE_TICK_MS);
    if (!overdue)
        cr_assert_gt(next, now_ms, "would spin");
}

static void run_model(uint64_t seed)
{
    random_state = seed;
    now_ms = 100000 + random_below(1000);
    advances = 0;
    deadlines_init(&wheel, now_ms);
    for (size_t i = 0; i < MODEL_SIZE; i++)
        model[i] = (struct modelled){.deadline.expired = on_modelled, .at_ms = UNSET};
    for (int step = 0; step < 2000; step++) {
        for (unsigned changes = random_below(6); changes > 0; changes--)
            change_one();
        static const unsigned strides[] = {1, DEADLINE_TICK_MS, 100, ROUND_MS, 5 * ROUND_MS};
        now_ms += random_below(strides[random_below(5)] + 1);
        advances++;
        deadlines_advance(&wheel, now_ms);
        check_model();
        advances++;
    }
}

Test(deadline, random_operations_agree_with_a_model)
{
    for (uint64_t seed = 1; seed <= 100; seed++)
        run_model(seed);
}
