/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desk's one machine, turned by a deferred hook: an answer is settled, then the next step
 * begun. Submits, answers and the link's ups and downs only arm the hook, so that nothing is ever
 * ended from inside a submit, and no callback runs inside another.
 */
#include "archive_desk.h"

#include <assert.h>

/* ---- ids ---- */

#define ID_TIME_MAX_MS (((uint64_t)1 << 48) - 1)

static struct uuid first_id(uint64_t ms)
{
    struct uuid id = {{0}};
    if (ms > ID_TIME_MAX_MS)
        ms = ID_TIME_MAX_MS;
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return id;
}

static struct uuid last_id(void)
{
    struct uuid id;
    memset(id.bytes, 0xff, sizeof(id.bytes));
    return id;
}

static bool is_less(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) < 0;
}

struct uuid archive_next_id(const struct uuid *id)
{
    struct uuid next = *id;
    for (size_t i = sizeof(next.bytes); i > 0 && ++next.bytes[i - 1] == 0; i--)
        ;
    return next;
}

struct archive_range archive_range_of(const struct archive_filter *filter)
{
    if (filter->has_event_id)
        return (struct archive_range){filter->event_id, archive_next_id(&filter->event_id)};
    return (struct archive_range){first_id(filter->from_ms),
                                  filter->until_ms ? first_id(filter->until_ms) : last_id()};
}

/* Time and version of the request, the random bits of both mixed: those of different originals
 * differ, so their copies' do, and the same request makes the same ones again. */
static struct uuid copy_id(const struct uuid *original, const struct uuid *request)
{
    struct uuid id = *request;
    id.bytes[6] ^= original->bytes[6] & 0x0f;
    id.bytes[7] ^= original->bytes[7];
    id.bytes[8] ^= original->bytes[8] & 0x3f;
    for (size_t i = 9; i < sizeof(id.bytes); i++)
        id.bytes[i] ^= original->bytes[i];
    return id;
}

/* ---- ending ---- */

static void end_find(struct archive_find *find, enum status status)
{
    find->status = status;
    find->ended(find);
}

static void end_show(struct archive_show *show, enum status status)
{
    show->status = status;
    show->ended(show);
}

static void end_change(struct archive_change *change, enum status status)
{
    change->status = status;
    change->ended(change);
}

/* What is submitted meanwhile has its own turn. */
static void end_waiting(struct archive_desk *desk)
{
    struct list finds, shows, changes, *link;
    list_init(&finds);
    list_init(&shows);
    list_init(&changes);
    list_move_all(&finds, &desk->finds);
    list_move_all(&shows, &desk->shows);
    list_move_all(&changes, &desk->changes);
    if (desk->change)
        list_push_front(&changes, &desk->change->link);
    desk->change = NULL;
    while ((link = list_pop_front(&finds)))
        end_find(container_of(link, struct archive_find, link), STATUS_UNAVAILABLE);
    while ((link = list_pop_front(&shows)))
        end_show(container_of(link, struct archive_show, link), STATUS_UNAVAILABLE);
    while ((link = list_pop_front(&changes)))
        end_change(container_of(link, struct archive_change, link), STATUS_UNAVAILABLE);
}

/* ---- a change, page by page ---- */

/* By filter, what is received from now on is left alone. Copies have the time of their request: one
 * that is sent again must not meet them. */
static void begin_change(struct archive_desk *desk)
{
    struct archive_change *change = desk->change;
    struct archive_plan *plan = &desk->plan;
    bool named = change->has_request && change->verb == ARCHIVE_REPLAY_NEW;
    *plan = (struct archive_plan){
        .range = archive_range_of(&change->filter),
        .request = named ? change->request : uuid_v7(&desk->ids, desk->loop->clock.wall_ms)};
    struct uuid end = first_id(uuid_time_ms(&plan->request) + !named);
    if (!change->filter.has_event_id && is_less(&end, &plan->range.high))
        plan->range.high = end;
    change->count = change->skipped = 0;
}

void archive_desk_found(struct archive_desk *desk, const struct uuid *id, bool allowed,
                        uint64_t now_ms)
{
    struct archive_plan *plan = &desk->plan;
    struct archive_change *change = desk->change;
    assert(plan->count < plan->wanted);
    if (!allowed) {
        change->skipped = 1;
        return;
    }
    if (plan->now_ms == 0)
        plan->now_ms = now_ms;
    uint64_t number = change->count + plan->count;
    uint64_t wait_ms = change->verb == ARCHIVE_CANCEL ? 0 : number * 1000 / change->per_second;
    plan->targets[plan->count++] = (struct archive_target){
        .id = *id, .new_id = copy_id(id, &plan->request), .due_at_ms = plan->now_ms + wait_ms};
    plan->range.low = archive_next_id(id);
}

void archive_desk_changed(struct archive_desk *desk, const struct uuid *id)
{
    struct archive_target *targets = desk->plan.targets;
    size_t low = 0, high = desk->plan.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_less(&targets[middle].id, id))
            low = middle + 1;
        else
            high = middle;
    }
    if (low < desk->plan.count && uuid_eq(&targets[low].id, id))
        targets[low].changed = true;
}

static void count_changed(struct archive_desk *desk)
{
    struct archive_change *change = desk->change;
    for (size_t i = 0; i < desk->plan.count; i++) {
        const struct archive_target *target = &desk->plan.targets[i];
        if (!target->changed)
            continue;
        change->count++;
        if (change->changed)
            change->changed(change, &target->id,
                            change->verb == ARCHIVE_REPLAY_NEW ? &target->new_id : NULL);
    }
    if (change->filter.has_event_id && change->count == 0)
        change->skipped = 1;
}

static void end_this_change(struct archive_desk *desk, enum status status)
{
    struct archive_change *change = desk->change;
    desk->change = NULL;
    end_change(change, status);
}

/* A page that was not filled was the last one. */
static void turn_page(struct archive_desk *desk)
{
    struct archive_plan *plan = &desk->plan;
    plan->selected = false;
    if (plan->count < plan->wanted || desk->change->count >= desk->change->limit)
        end_this_change(desk, STATUS_OK);
}

static void settle_select(struct archive_desk *desk, enum status status)
{
    struct archive_plan *plan = &desk->plan;
    if (status != STATUS_OK) {
        end_this_change(desk, status);
        return;
    }
    plan->selected = plan->count > 0 && !desk->change->dry_run;
    if (plan->selected)
        return;
    desk->change->count += plan->count;
    turn_page(desk);
}

static void settle_apply(struct archive_desk *desk, enum status status)
{
    if (status != STATUS_OK) {
        end_this_change(desk, status);
        return;
    }
    count_changed(desk);
    turn_page(desk);
}

static void send_page(struct archive_desk *desk)
{
    struct archive_plan *plan = &desk->plan;
    if (!desk->change) {
        struct list *link = list_pop_front(&desk->changes);
        desk->change = container_of(link, struct archive_change, link);
        begin_change(desk);
    }
    if (plan->selected) {
        desk->step = ARCHIVE_APPLY;
        desk->steps->apply(desk);
        return;
    }
    uint64_t left = desk->change->limit - desk->change->count;
    bool copies = desk->change->verb == ARCHIVE_REPLAY_NEW && !desk->change->dry_run;
    size_t page = copies ? ARCHIVE_PAGE_COPIES : ARCHIVE_PAGE;
    plan->wanted = left < page ? (size_t)left : page;
    plan->count = 0;
    desk->step = ARCHIVE_SELECT;
    desk->steps->select(desk);
}

/* ---- the machine ---- */

/* A read that came while the change was at work goes before its next page. */
static void begin_next(struct archive_desk *desk)
{
    bool reads = !list_is_empty(&desk->shows) || !list_is_empty(&desk->finds);
    bool changes = desk->change || !list_is_empty(&desk->changes);
    if (changes && !(reads && desk->change_was_last)) {
        desk->change_was_last = true;
        send_page(desk);
        return;
    }
    desk->change_was_last = false;
    struct list *link = list_pop_front(&desk->shows);
    if (link) {
        desk->show = container_of(link, struct archive_show, link);
        desk->step = ARCHIVE_SHOW;
        desk->steps->show(desk);
    } else if ((link = list_pop_front(&desk->finds))) {
        desk->find = container_of(link, struct archive_find, link);
        desk->find->more = false;
        desk->step = ARCHIVE_FIND;
        desk->steps->find(desk);
    }
}

static void settle(struct archive_desk *desk)
{
    enum archive_step step = desk->step;
    desk->step = ARCHIVE_IDLE;
    desk->answered = false;
    switch (step) {
    case ARCHIVE_FIND:
        end_find(desk->find, desk->status);
        break;
    case ARCHIVE_SHOW:
        end_show(desk->show, desk->status);
        break;
    case ARCHIVE_SELECT:
        settle_select(desk, desk->status);
        break;
    case ARCHIVE_APPLY:
        settle_apply(desk, desk->status);
        break;
    case ARCHIVE_IDLE:
        break;
    }
}

static void on_turn(struct loop_hook *hook)
{
    struct archive_desk *desk = container_of(hook, struct archive_desk, turn);
    if (desk->answered)
        settle(desk);
    if (desk->step != ARCHIVE_IDLE)
        return;
    if (desk->archive.up)
        begin_next(desk);
    else if (!desk->opening)
        end_waiting(desk);
    if (desk->closing) {
        loop_undefer(&desk->turn);
        desk->steps->finish(desk);
    }
}

static void arm(struct archive_desk *desk)
{
    loop_defer(desk->loop, &desk->turn);
}

void archive_desk_answered(struct archive_desk *desk, enum status status)
{
    assert(desk->step != ARCHIVE_IDLE && !desk->answered);
    desk->status = status;
    desk->answered = true;
    arm(desk);
}

void archive_desk_up(struct archive_desk *desk)
{
    desk->archive.up = true;
    desk->opening = false;
    arm(desk);
}

void archive_desk_down(struct archive_desk *desk)
{
    desk->archive.up = false;
    desk->opening = false;
    arm(desk);
}

/* ---- submitting ---- */

static struct archive_desk *desk_of(struct archive *archive)
{
    return container_of(archive, struct archive_desk, archive);
}

void archive_desk_find(struct archive *archive, struct archive_find *find)
{
    struct archive_desk *desk = desk_of(archive);
    assert(find->limit >= 1 && find->limit <= ARCHIVE_FIND_MAX);
    list_push_back(&desk->finds, &find->link);
    arm(desk);
}

void archive_desk_show(struct archive *archive, struct archive_show *show)
{
    struct archive_desk *desk = desk_of(archive);
    list_push_back(&desk->shows, &show->link);
    arm(desk);
}

void archive_desk_change(struct archive *archive, struct archive_change *change)
{
    struct archive_desk *desk = desk_of(archive);
    assert(change->limit >= 1 && change->limit <= ARCHIVE_CHANGE_MAX);
    assert(change->per_second >= 1 || change->verb == ARCHIVE_CANCEL);
    list_push_back(&desk->changes, &change->link);
    arm(desk);
}

/* ---- opening and closing ---- */

void archive_desk_init(struct archive_desk *desk, struct loop *loop,
                       const struct archive_steps *steps)
{
    desk->loop = loop;
    desk->steps = steps;
    desk->opening = true;
    desk->turn.run = on_turn;
    list_init(&desk->finds);
    list_init(&desk->shows);
    list_init(&desk->changes);
    uuid_source_init(&desk->ids);
}

void archive_desk_close(struct archive_desk *desk, void (*closed)(void *arg), void *arg)
{
    desk->closing = true;
    desk->closed = closed;
    desk->closed_arg = arg;
    archive_desk_down(desk);
}
