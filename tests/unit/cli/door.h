/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the operators' commands: the real admin listener over a fake archive, on a
 * thread of its own, since a command blocks. What it answers is set before door_open, what it was
 * asked is looked at after door_close.
 */
#ifndef POSTERN_TESTS_CLI_DOOR_H
#define POSTERN_TESTS_CLI_DOOR_H

#include "console.h"

#include <unit/admin/fake_archive.h>

#include <postern/admin/admin.h>
#include <pthread.h>

static struct config door_config = {.workers = 1};
static struct loop door_loop;
static struct fake_archive fake;
static char door_url[ADDRESS_TEXT_SIZE + 8];
static struct {
    struct metrics *metrics;
    struct books *books;
    struct admin_state state;
    struct admin *admin;
    struct loop_waker closer;
    pthread_t thread;
    bool is_open;
} door;

static inline void door_prepare(void)
{
    cr_assert_eq(loop_open(&door_loop), STATUS_OK);
    fake_archive_init(&fake, &door_loop);
}

/* A port that was free a moment ago; admin_open tells nobody which one it got. */
static inline void door_choose_port(void)
{
    struct address any;
    struct listener probe = {.pending = (void (*)(struct listener *))abort};
    cr_assert_eq(address_parse(SLICE("127.0.0.1:0"), &any), STATUS_OK);
    cr_assert_eq(listener_open(&probe, &door_loop, &any, 1), STATUS_OK);
    door_config.admin = probe.address;
    listener_close(&probe);
    memcpy(door_url, "http://", 7);
    address_format(&door_config.admin, door_url + 7);
}

static inline void door_on_close(struct loop_waker *waker)
{
    admin_close(door.admin);
    loop_waker_close(waker);
}

static inline void *door_run(void *arg)
{
    (void)arg;
    loop_run(&door_loop);
    return NULL;
}

static inline void door_open(void)
{
    door_choose_port();
    door.metrics = metrics_new(1);
    cr_assert_eq(books_open(&door_config, door.metrics, &door.books), STATUS_OK);
    cr_assert_eq(metrics_seal(door.metrics), STATUS_OK);
    struct admin_opts opts = {
        .loop = &door_loop,
        .config = &door_config,
        .metrics = door.metrics,
        .books = door.books,
        .cells = metrics_row(door.metrics, 0),
        .state = &door.state,
        .version = "1.2.3",
        .archive = &fake.archive,
    };
    cr_assert_eq(admin_open(&opts, &door.admin), STATUS_OK);
    door.closer.woken = door_on_close;
    cr_assert_eq(loop_waker_open(&door_loop, &door.closer), STATUS_OK);
    cr_assert_eq(pthread_create(&door.thread, NULL, door_run, NULL), 0);
    door.is_open = true;
}

static inline void door_close(void)
{
    if (!door.is_open)
        return;
    loop_wake(&door.closer);
    cr_assert_eq(pthread_join(door.thread, NULL), 0);
    books_close(door.books);
    metrics_free(door.metrics);
    door.is_open = false;
}

static inline void door_done(void)
{
    door_close();
    loop_close(&door_loop);
    file_remove();
}

#endif
