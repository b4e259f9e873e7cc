/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timing wheel: a deadline of tick t lies in slot t modulo DEADLINE_SLOTS, whatever its round,
 * and one whose tick has been run already in the overdue list.
 *
 *   overdue   slot tick+1   slot tick+2  …  slot tick+512 (= the slot of `tick`, next round)
 *      └─ runs at the next advance, so a callback that sets itself into the past can't spin
 *
 * An advance first collects what is due and then calls back: a callback that clears or moves a
 * deadline finds it in a list in either case. The bits in `used` are only cleared by an advance
 * over their slot, so a set bit may stand over an empty slot, an unset one never over a full one.
 */
#include <postern/base/deadline.h>

#include <assert.h>

/* The first tick at which a deadline for `at_ms` is not early. */
static uint64_t due_tick(uint64_t at_ms)
{
    return at_ms / DEADLINE_TICK_MS + (at_ms % DEADLINE_TICK_MS != 0);
}

static uint64_t slot_bit(uint64_t tick)
{
    return (uint64_t)1 << (tick % 64);
}

static uint64_t *used_word(struct deadlines *wheel, uint64_t tick)
{
    return &wheel->used[tick % DEADLINE_SLOTS / 64];
}

void deadlines_init(struct deadlines *wheel, uint64_t now_ms)
{
    *wheel = (struct deadlines){.tick = now_ms / DEADLINE_TICK_MS};
    list_init(&wheel->overdue);
    for (size_t i = 0; i < DEADLINE_SLOTS; i++)
        list_init(&wheel->slots[i]);
}

void deadline_set(struct deadlines *wheel, struct deadline *deadline, uint64_t at_ms)
{
    assert(deadline->expired);
    deadline_clear(wheel, deadline);
    deadline->at_ms = at_ms;
    wheel->count++;
    uint64_t tick = due_tick(at_ms);
    if (tick <= wheel->tick) {
        list_push_back(&wheel->overdue, &deadline->link);
        return;
    }
    list_push_back(&wheel->slots[tick % DEADLINE_SLOTS], &deadline->link);
    *used_word(wheel, tick) |= slot_bit(tick);
}

void deadline_clear(struct deadlines *wheel, struct deadline *deadline)
{
    if (!deadline_is_set(deadline))
        return;
    list_remove(&deadline->link);
    wheel->count--;
}

/* Moves those of the slot of `tick` that are due at `now_tick` to `due`; later rounds stay. */
static void collect_slot(struct deadlines *wheel, uint64_t tick, uint64_t now_tick,
                         struct list *due)
{
    if (!(*used_word(wheel, tick) & slot_bit(tick)))
        return;
    struct list *slot = &wheel->slots[tick % DEADLINE_SLOTS];
    for (struct list *link = slot->next, *next; link != slot; link = next) {
        next = link->next;
        if (due_tick(container_of(link, struct deadline, link)->at_ms) > now_tick)
            continue;
        list_remove(link);
        list_push_back(due, link);
    }
    if (list_is_empty(slot))
        *used_word(wheel, tick) &= ~slot_bit(tick);
}

static void collect_due(struct deadlines *wheel, uint64_t now_tick, struct list *due)
{
    list_move_all(due, &wheel->overdue);
    if (now_tick <= wheel->tick)
        return;
    /* After a pause longer than one revolution each slot is looked at once all the same. */
    uint64_t passed = now_tick - wheel->tick;
    for (uint64_t i = 1; i <= passed && i <= DEADLINE_SLOTS; i++)
        collect_slot(wheel, wheel->tick + i, now_tick, due);
    wheel->tick = now_tick;
}

void deadlines_advance(struct deadlines *wheel, uint64_t now_ms)
{
    struct list due;
    list_init(&due);
    collect_due(wheel, now_ms / DEADLINE_TICK_MS, &due);
    for (struct list *link; (link = list_pop_front(&due));) {
        struct deadline *deadline = container_of(link, struct deadline, link);
        wheel->count--;
        deadline->expired(deadline);
    }
}

uint64_t deadlines_next(const struct deadlines *wheel)
{
    if (wheel->count == 0)
        return UINT64_MAX;
    if (!list_is_empty(&wheel->overdue))
        return wheel->tick * DEADLINE_TICK_MS;
    for (uint64_t ahead = 1; ahead <= DEADLINE_SLOTS;) {
        uint64_t slot = (wheel->tick + ahead) % DEADLINE_SLOTS;
        uint64_t word = wheel->used[slot / 64] >> (slot % 64);
        if (word == 0) {
            ahead += 64 - slot % 64;
            continue;
        }
        unsigned skipped = (unsigned)__builtin_ctzll(word);
        ahead += skipped;
        if (ahead <= DEADLINE_SLOTS && !list_is_empty(&wheel->slots[slot + skipped]))
            return (wheel->tick + ahead) * DEADLINE_TICK_MS;
        ahead++;
    }
    return UINT64_MAX; /* asked from a callback, and all that is left is due after it */
}
