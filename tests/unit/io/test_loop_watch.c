/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wake-ups from other threads, signals, and readiness of foreign descriptors.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <postern/io/loop.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WAKES 1000

static struct loop loop;

struct counter {
    struct loop_waker waker;
    atomic_int sent;
    int seen; /* of `sent`, at the last wake */
    int runs;
};

static void on_woken(struct loop_waker *waker)
{
    struct counter *counter = container_of(waker, struct counter, waker);
    counter->runs++;
    counter->seen = atomic_load(&counter->sent);
    if (counter->seen == WAKES) {
        loop_waker_close(waker);
        memset(waker, 0xee, sizeof *waker); /* the struct may go at once */
    }
}

static void *wake_often(void *arg)
{
    struct counter *counter = arg;
    /* The last wake may close the waker, so nothing of it is touched after it. */
    for (int i = 0; i < WAKES - 1; i++) {
        atomic_fetch_add(&counter->sent, 1);
        loop_wake(&counter->waker);
    }
    return NULL;
}

Test(loop_watch, waker_runs_after_the_last_wake_of_another_thread)
{
    struct counter counter = {.waker.woken = on_woken};
    pthread_t thread;
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(loop_waker_open(&loop, &counter.waker), STATUS_OK);
    cr_assert_eq(pthread_create(&thread, NULL, wake_often, &counter), 0);
    pthread_join(thread, NULL);
    atomic_fetch_add(&counter.sent, 1);
    loop_wake(&counter.waker);
    loop_run(&loop); /* returns because the closed waker was the last handle */
    cr_assert_eq(counter.seen, WAKES);
    cr_assert_geq(counter.runs, 1);
    loop_close(&loop);
}

static void must_not_wake(struct loop_waker *waker)
{
    (void)waker;
    cr_assert_fail("woken after close");
}

Test(loop_watch, closed_waker_is_not_told_of_an_earlier_wake)
{
    struct loop_waker waker = {.woken = must_not_wake};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(loop_waker_open(&loop, &waker), STATUS_OK);
    loop_wake(&waker);
    loop_waker_close(&waker);
    loop_run(&loop);
    loop_close(&loop);
}

struct caught {
    struct loop_signal signal;
    int number;
};

static void on_caught(struct loop_signal *signal, int number)
{
    struct caught *caught = container_of(signal, struct caught, signal);
    caught->number = number;
    loop_signal_close(signal);
}

Test(loop_watch, signal_is_told_on_the_loop)
{
    struct caught caught = {.signal.caught = on_caught};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(loop_signal_open(&loop, &caught.signal, SIGUSR1), STATUS_OK);
    cr_assert_eq(kill(getpid(), SIGUSR1), 0);
    cr_assert_eq(caught.number, 0, "not from inside the signal handler");
    loop_run(&loop);
    cr_assert_eq(caught.number, SIGUSR1);
    loop_close(&loop);
}

Test(loop_watch, impossible_signal_is_refused)
{
    struct caught caught = {.signal.caught = on_caught};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(loop_signal_open(&loop, &caught.signal, SIGKILL), STATUS_IO);
    loop_close(&loop);
}

struct watched {
    struct loop_poll poll;
    int fd;
    int readable, writable;
    int close_after;
};

static void on_ready(struct loop_poll *poll, bool readable, bool writable)
{
    struct watched *watched = container_of(poll, struct watched, poll);
    watched->readable += readable;
    watched->writable += writable;
    if (watched->readable + watched->writable >= watched->close_after) {
        loop_poll_close(poll);
        memset(poll, 0xee, sizeof *poll);
    }
}

static void open_watched(struct watched *watched, int fds[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    watched->poll.ready = on_ready;
    watched->fd = fds[0];
    cr_assert_eq(loop_poll_open(&loop, &watched->poll, fds[0]), STATUS_OK);
}

static void close_both(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

Test(loop_watch, poll_tells_what_was_asked_for)
{
    struct watched watched = {.close_after = 1};
    int fds[2];
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    open_watched(&watched, fds);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    cr_assert_eq(loop_poll_watch(&watched.poll, false, true), STATUS_OK);
    loop_run(&loop);
    cr_assert_eq(watched.writable, 1);
    cr_assert_eq(watched.readable, 0);
    close_both(fds);
    loop_close(&loop);
}

Test(loop_watch, poll_asked_for_nothing_tells_nothing)
{
    struct watched watched = {.close_after = 1};
    int fds[2];
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    open_watched(&watched, fds);
    cr_assert_eq(loop_poll_watch(&watched.poll, true, true), STATUS_OK);
    cr_assert_eq(loop_poll_watch(&watched.poll, false, false), STATUS_OK);
    loop_run(&loop); /* a poll that watches nothing doesn't keep the loop alive */
    cr_assert_eq(watched.readable + watched.writable, 0);
    loop_poll_close(&watched.poll);
    close_both(fds);
    loop_close(&loop);
}

Test(loop_watch, hang_up_shows_as_readable)
{
    struct watched watched = {.close_after = 1};
    int fds[2];
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    open_watched(&watched, fds);
    cr_assert_eq(loop_poll_watch(&watched.poll, true, false), STATUS_OK);
    close(fds[1]);
    loop_run(&loop);
    cr_assert_eq(watched.readable, 1);
    close(fds[0]);
    loop_close(&loop);
}

/* ---- standing still ---- */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int still_fd;

/* As SIGSTOP and SIGCONT do it: the sleep ends by a signal, late, and meanwhile something came. */
static void stand_still(int number)
{
    (void)number;
    uint64_t until_ms = now_ms() + 300;
    while (now_ms() < until_ms)
        continue;
    (void)!write(still_fd, "x", 1);
}

static struct watched *still_watched;
static int readable_before;

static void on_late(struct deadline *deadline)
{
    (void)deadline;
    readable_before = still_watched->readable;
}

/* The same, but what was asked for before comes only now: the question leaves after the standstill.
 */
static void stand_still_and_ask(int number)
{
    static const struct itimerval answer = {.it_value.tv_usec = 20000};
    static int asked;
    if (asked++) {
        (void)!write(still_fd, "x", 1);
        return;
    }
    uint64_t until_ms = now_ms() + 300;
    while (now_ms() < until_ms)
        continue;
    (void)setitimer(ITIMER_REAL, &answer, NULL);
    (void)number;
}

static void check_late_deadline(void (*handler)(int number))
{
    struct watched watched = {.close_after = 1};
    struct deadline deadline = {.expired = on_late};
    struct itimerval soon = {.it_value.tv_usec = 20000};
    struct sigaction action = {.sa_handler = handler};
    int fds[2];
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    open_watched(&watched, fds);
    cr_assert_eq(loop_poll_watch(&watched.poll, true, false), STATUS_OK);
    still_fd = fds[1];
    still_watched = &watched;
    readable_before = -1;
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    deadline_set(&loop.deadlines, &deadline, loop_now_ms(&loop) + 100);
    cr_assert_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    loop_run(&loop);
    cr_assert_eq(readable_before, 1);
    close_both(fds);
    loop_close(&loop);
}

Test(loop_watch, what_came_before_a_deadline_is_seen_before_it_however_late)
{
    check_late_deadline(stand_still);
}

Test(loop_watch, what_could_be_asked_only_late_has_a_grace)
{
    check_late_deadline(stand_still_and_ask);
}

/* libpq closes a socket and opens the next one under the same number between two calls. */
Test(loop_watch, watch_again_sees_a_descriptor_reopened_under_its_number)
{
    struct watched watched = {.close_after = 1};
    int fds[2], others[2];
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    open_watched(&watched, fds);
    cr_assert_eq(loop_poll_watch(&watched.poll, true, false), STATUS_OK);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    cr_assert_eq(dup2(others[0], fds[0]), fds[0]);
    cr_assert_eq(loop_poll_watch(&watched.poll, true, false), STATUS_OK);
    cr_assert_eq(write(others[1], "x", 1), 1);
    loop_run(&loop);
    cr_assert_eq(watched.readable, 1);
    close_both(fds);
    close_both(others);
    loop_close(&loop);
}

Test(loop_watch, poll_of_a_closed_descriptor_is_refused)
{
    struct loop_poll poll = {.ready = on_ready};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(loop_poll_open(&loop, &poll, 987654), STATUS_IO);
    loop_close(&loop);
}
