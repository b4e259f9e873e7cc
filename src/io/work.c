/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs over uv_queue_work. Each place has its request from the start, so that a submit allocates
 * nothing and can fail for one reason only: all places are taken.
 */
#include "loop_impl.h"

#include <assert.h>
#include <postern/io/work.h>
#include <stdlib.h>

struct place {
    uv_work_t request;
    struct list link; /* of the free or the manual ones */
    struct work_pool *pool;
    struct work *work;
};

struct work_pool {
    struct loop *loop;
    size_t pending;
    struct list free;
    struct list manual; /* submitted on a manual loop, in order */
    struct place places[];
};

enum status work_pool_open(struct loop *loop, size_t limit, struct work_pool **ret_pool)
{
    assert(limit > 0);
    struct work_pool *pool = calloc(1, sizeof *pool + limit * sizeof(struct place));
    if (!pool)
        return STATUS_NO_MEMORY;
    pool->loop = loop;
    list_init(&pool->free);
    list_init(&pool->manual);
    for (size_t i = 0; i < limit; i++) {
        pool->places[i].pool = pool;
        list_push_back(&pool->free, &pool->places[i].link);
    }
    *ret_pool = pool;
    return STATUS_OK;
}

void work_pool_close(struct work_pool *pool)
{
    assert(!pool || pool->pending == 0);
    free(pool);
}

/* The place is free again before the owner is told: it may submit the next from there. */
static void finish(struct place *place)
{
    struct work *work = place->work;
    place->work = NULL;
    place->pool->pending--;
    list_push_front(&place->pool->free, &place->link);
    work->done(work);
}

static void on_run(uv_work_t *request)
{
    struct place *place = container_of(request, struct place, request);
    place->work->run(place->work);
}

static void on_done(uv_work_t *request, int result)
{
    struct place *place = container_of(request, struct place, request);
    assert(result == 0); /* nobody cancels */
    (void)result;
    loop_enter(place->pool->loop);
    finish(place);
}

enum status work_submit(struct work_pool *pool, struct work *work)
{
    struct list *link = list_pop_front(&pool->free);
    if (!link)
        return STATUS_FULL;
    struct place *place = container_of(link, struct place, link);
    place->work = work;
    pool->pending++;
    if (!pool->loop->impl) {
        list_push_back(&pool->manual, &place->link);
        return STATUS_OK;
    }
    int result = uv_queue_work(loop_uv(pool->loop), &place->request, on_run, on_done);
    assert(result == 0); /* fails only without a function to run */
    (void)result;
    return STATUS_OK;
}

void work_run_manual(struct work_pool *pool)
{
    for (size_t count = pool->pending; count > 0; count--) {
        struct list *link = list_pop_front(&pool->manual);
        struct place *place = container_of(link, struct place, link);
        place->work->run(place->work);
        finish(place);
    }
}
