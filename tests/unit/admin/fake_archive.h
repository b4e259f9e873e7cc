/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive that a test writes: it tells the events and attempts it was given, notes what it was
 * asked, and answers from the loop, or when the test releases it.
 */
#ifndef POSTERN_TESTS_ADMIN_FAKE_ARCHIVE_H
#define POSTERN_TESTS_ADMIN_FAKE_ARCHIVE_H

#include <postern/io/loop.h>
#include <postern/store/archive.h>

#include <criterion/criterion.h>
#include <stdio.h>

/* Only one op at a time is asked of it here, but for those held. */
struct fake_archive {
    struct archive archive;
    struct loop *loop;
    struct loop_hook hook;
    struct list finds, shows, changes; /* not answered yet */
    bool held;
    /* what it answers */
    enum status status;
    const struct archive_event *events;
    size_t event_count;
    const struct archive_attempt *attempts;
    size_t attempt_count;
    bool more;
    uint64_t count, skipped;
    const struct uuid *new_id;
    /* what it was asked last */
    struct archive_find find;
    struct archive_change change;
    struct uuid shown_id;
    size_t asked;
    char route[64], state[32]; /* copies: the filter is borrowed */
};

static inline void fake_note_filter(struct fake_archive *fake, const struct archive_filter *filter)
{
    (void)snprintf(fake->route, sizeof fake->route, "%.*s", (int)filter->route.len,
                   filter->route.len ? filter->route.data : "");
    (void)snprintf(fake->state, sizeof fake->state, "%.*s", (int)filter->state.len,
                   filter->state.len ? filter->state.data : "");
}

static inline void fake_end_find(struct fake_archive *fake, struct archive_find *find)
{
    size_t count = fake->event_count < find->limit ? fake->event_count : find->limit;
    for (size_t i = 0; i < count && fake->status == STATUS_OK; i++)
        find->event(find, &fake->events[i]);
    find->status = fake->status;
    find->more = fake->more || count < fake->event_count;
    find->ended(find);
}

static inline void fake_end_show(struct fake_archive *fake, struct archive_show *show)
{
    for (size_t i = 0; i < fake->event_count && fake->status == STATUS_OK; i++) {
        if (!uuid_eq(&fake->events[i].event_id, &show->event_id))
            continue;
        show->event(show, &fake->events[i]);
        for (size_t j = 0; j < fake->attempt_count; j++)
            show->attempt(show, &fake->attempts[j]);
    }
    show->status = fake->status;
    show->ended(show);
}

static inline void fake_end_change(struct fake_archive *fake, struct archive_change *change)
{
    if (change->changed && fake->count > 0)
        change->changed(change, &change->filter.event_id,
                        change->verb == ARCHIVE_REPLAY_NEW ? fake->new_id : NULL);
    change->status = fake->status;
    change->count = fake->count;
    change->skipped = fake->skipped;
    change->ended(change);
}

/* Answers what is pending; what is asked meanwhile waits for the next time. */
static inline void fake_answer(struct fake_archive *fake)
{
    struct list finds, shows, changes, *link;
    list_init(&finds);
    list_init(&shows);
    list_init(&changes);
    list_move_all(&finds, &fake->finds);
    list_move_all(&shows, &fake->shows);
    list_move_all(&changes, &fake->changes);
    while ((link = list_pop_front(&finds)))
        fake_end_find(fake, container_of(link, struct archive_find, link));
    while ((link = list_pop_front(&shows)))
        fake_end_show(fake, container_of(link, struct archive_show, link));
    while ((link = list_pop_front(&changes)))
        fake_end_change(fake, container_of(link, struct archive_change, link));
}

static inline void fake_on_hook(struct loop_hook *hook)
{
    fake_answer(container_of(hook, struct fake_archive, hook));
}

static inline void fake_take(struct fake_archive *fake, struct list *list, struct list *link)
{
    fake->asked++;
    list_push_back(list, link);
    if (!fake->held)
        loop_defer(fake->loop, &fake->hook);
}

static inline void fake_find(struct archive *archive, struct archive_find *find)
{
    struct fake_archive *fake = container_of(archive, struct fake_archive, archive);
    fake->find = *find;
    fake_note_filter(fake, &find->filter);
    fake_take(fake, &fake->finds, &find->link);
}

static inline void fake_show(struct archive *archive, struct archive_show *show)
{
    struct fake_archive *fake = container_of(archive, struct fake_archive, archive);
    fake->shown_id = show->event_id;
    fake_take(fake, &fake->shows, &show->link);
}

static inline void fake_change(struct archive *archive, struct archive_change *change)
{
    struct fake_archive *fake = container_of(archive, struct fake_archive, archive);
    fake->change = *change;
    fake_note_filter(fake, &change->filter);
    fake_take(fake, &fake->changes, &change->link);
}

static const struct archive_backend fake_archive_backend = {
    .name = "fake", .find = fake_find, .show = fake_show, .change = fake_change};

static inline void fake_archive_init(struct fake_archive *fake, struct loop *loop)
{
    *fake = (struct fake_archive){.archive = {.backend = &fake_archive_backend, .up = true},
                                  .loop = loop,
                                  .hook.run = fake_on_hook};
    list_init(&fake->finds);
    list_init(&fake->shows);
    list_init(&fake->changes);
}

/* ---- events to tell ---- */

#define FAKE_ID "019f0000-0000-7000-8000-000000000001"
#define FAKE_OTHER_ID "019f0000-0000-7000-8000-000000000002"

static inline struct uuid fake_uuid(const char *text)
{
    struct uuid id;
    cr_assert(uuid_parse(slice_str(text), &id));
    return id;
}

/* An event that failed for good, with every member set. */
static inline struct archive_event fake_event(void)
{
    return (struct archive_event){
        .event_id = fake_uuid(FAKE_ID),
        .route = SLICE("billing"),
        .method = SLICE("POST"),
        .target = SLICE("/pay?x=1"),
        .content_type = SLICE("application/json"),
        .client = SLICE("10.0.0.9"),
        .mode = SLICE("queue"),
        .state = SLICE("dead"),
        .outcome = SLICE("accepted"),
        .headers = SLICE("Content-Type: application/json\r\nX-Gitlab-Token: hunter2\r\n"
                         "X-Hub-Signature-256: sha256=00\r\n"),
        .body = SLICE("{\"n\":1}\0\xff"),
        .body_bytes = 9,
        .has_key = true,
        .key = {{0xab, 0xcd}},
        .response_status = 503,
        .duration_ms = 17,
        .attempts = 2,
        .last_error = SLICE("status_503"),
        .error_category = SLICE("transient"),
        .duplicates = 3,
        .received_at_ms = 1795219200123,
        .last_replayed_at_ms = 1795219260000,
        .has_replay_of = true,
        .replay_of = fake_uuid(FAKE_OTHER_ID),
    };
}

#endif
