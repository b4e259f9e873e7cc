/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/log: the way of a line to the descriptor, with descriptors that are slow,
 * full, broken or blocked for good. */
#include <postern/base/log.h>

#include <postern/base/clock.h>

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATIENCE_MS 20000u /* for things that take milliseconds; beyond it they never come */

static uint64_t now_ms(void)
{
    struct clock clock;
    clock_refresh(&clock);
    return clock_mono_ms(&clock);
}

static struct log *open_log(int fd, enum log_format format)
{
    struct log *log = NULL;
    cr_assert_eq(log_open(fd, format, LOG_INFO, &log), STATUS_OK);
    return log;
}

/* Everything from the current offset of `fd` to its end, NUL-terminated; the caller's to free. */
static char *read_all(int fd)
{
    size_t capacity = 4 * LOG_RING_BYTES, len = 0;
    char *text = malloc(capacity);
    ssize_t n;
    while ((n = read(fd, text + len, capacity - 1 - len)) > 0)
        len += (size_t)n;
    cr_assert_eq(n, 0);
    text[len] = '\0';
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    while ((text = strstr(text, what))) {
        text += strlen(what);
        count++;
    }
    return count;
}

static void wait_until_dropped(const struct log *log, uint64_t lines)
{
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    while (log_dropped(log) < lines) {
        cr_assert_lt(now_ms(), until_ms);
        sched_yield();
    }
}

Test(log, lines_arrive_in_order)
{
    int fd = memfd_create("log", 0);
    struct log *log = open_log(fd, LOG_FORMAT_JSON);
    for (int i = 0; i < 1000; i++)
        log_line(log, LOG_INFO, "numbered", LOG_INT("n", i));
    log_close(log);
    lseek(fd, 0, SEEK_SET);
    char *text = read_all(fd), *at = text;
    for (int i = 0; i < 1000; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "\"n\":%d}\n", i);
        at = strstr(at, expected);
        cr_assert_not_null(at);
    }
    cr_assert_eq(count_of(text, "\n"), 1000);
    free(text);
    close(fd);
}

Test(log, levels)
{
    int fd = memfd_create("log", 0);
    struct log *log = open_log(fd, LOG_FORMAT_TEXT);
    cr_assert_not(log_wants(log, LOG_DEBUG));
    cr_assert(log_wants(log, LOG_INFO));
    log_write(log, LOG_DEBUG, "not this", 0, NULL);
    log_write(log, LOG_ERROR, "first", 0, NULL);
    log_set_level(log, LOG_DEBUG);
    log_write(log, LOG_DEBUG, "second", 0, NULL);
    log_set_level(log, LOG_ERROR);
    log_write(log, LOG_WARN, "not that", 0, NULL);
    log_close(log);
    lseek(fd, 0, SEEK_SET);
    char *text = read_all(fd);
    cr_assert_eq(count_of(text, "\n"), 2);
    cr_assert_not_null(strstr(text, " error first\n"));
    cr_assert_not_null(strstr(text, " debug second\n"));
    free(text);
    close(fd);
}

Test(log, no_log_swallows_everything)
{
    cr_assert_not(log_wants(NULL, LOG_ERROR));
    log_line(NULL, LOG_ERROR, "nowhere", LOG_INT("n", 1));
    log_close(NULL);
}

Test(log, an_unused_log_closes_at_once)
{
    int fd = memfd_create("log", 0);
    log_close(open_log(fd, LOG_FORMAT_JSON));
    cr_assert_eq(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

struct reader {
    int fd;
    char *text;
};

static void *run_reader(void *argument)
{
    struct reader *reader = argument;
    reader->text = read_all(reader->fd);
    return NULL;
}

Test(log, a_blocked_descriptor_costs_lines_which_are_told_and_never_time)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct log *log = open_log(fds[1], LOG_FORMAT_JSON);
    uint64_t written = 0;
    /* Nobody reads: this ends only because log_write doesn't wait. */
    for (; log_dropped(log) < 10; written++)
        log_line(log, LOG_INFO, "line", LOG_INT("n", written));
    uint64_t dropped = log_dropped(log);
    struct reader reader = {.fd = fds[0]};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, run_reader, &reader), 0);
    /* Until a line fits again, and with it the note; each try may be dropped and counted. */
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    for (bool fits = false; !fits;) {
        cr_assert_lt(now_ms(), until_ms);
        log_line(log, LOG_INFO, "line", LOG_INT("n", written));
        written++;
        fits = log_dropped(log) == dropped;
        dropped = log_dropped(log);
    }
    log_close(log);
    close(fds[1]);
    pthread_join(thread, NULL);
    cr_assert_eq(count_of(reader.text, "\"msg\":\"line\""), written - dropped);
    char note[80];
    snprintf(note, sizeof(note), "\"level\":\"warn\",\"msg\":\"log lines dropped\",\"lines\":%llu}",
             (unsigned long long)dropped);
    cr_assert_not_null(strstr(reader.text, note));
    cr_assert_eq(count_of(reader.text, "log lines dropped"), 1);
    free(reader.text);
    close(fds[0]);
}

Test(log, the_ring_wraps_without_breaking_lines)
{
    int fd = memfd_create("log", 0);
    struct log *log = open_log(fd, LOG_FORMAT_JSON);
    static char padding[LOG_LINE_MAX];
    memset(padding, 'p', sizeof(padding));
    uint64_t written = 0;
    for (size_t bytes = 0; bytes < 3 * LOG_RING_BYTES; written++) {
        size_t length = written * 7919 % (LOG_LINE_MAX - 200);
        log_line(log, LOG_INFO, "line", LOG_TEXT("padding", slice_of(padding, length)));
        bytes += length;
    }
    uint64_t dropped = log_dropped(log);
    log_close(log);
    lseek(fd, 0, SEEK_SET);
    char *text = read_all(fd);
    size_t notes = count_of(text, "log lines dropped");
    cr_assert_eq(count_of(text, "\"msg\":\"line\",\"padding\":\""), written - dropped);
    cr_assert_eq(count_of(text, "{\"time\":\""), written - dropped + notes);
    cr_assert_eq(count_of(text, "}\n"), written - dropped + notes);
    free(text);
    close(fd);
}

Test(log, close_gives_a_blocked_descriptor_two_seconds)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct log *log = open_log(fds[1], LOG_FORMAT_JSON);
    while (log_dropped(log) == 0)
        log_line(log, LOG_INFO, "line", LOG_INT("n", 1));
    uint64_t begin_ms = now_ms();
    log_close(log);
    uint64_t took_ms = now_ms() - begin_ms;
    cr_assert_geq(took_ms, 1500);
    cr_assert_lt(took_ms, 2500);
    /* What did arrive is whole lines. */
    close(fds[1]);
    char *text = read_all(fds[0]);
    cr_assert_eq(text[strlen(text) - 1], '\n');
    free(text);
    close(fds[0]);
}

Test(log, flags_of_the_descriptor_stay)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    int flags = fcntl(fds[1], F_GETFL);
    struct log *log = open_log(fds[1], LOG_FORMAT_JSON);
    log_line(log, LOG_INFO, "line", LOG_INT("n", 1));
    cr_assert_eq(fcntl(fds[1], F_GETFL), flags);
    log_close(log);
    cr_assert_eq(fcntl(fds[1], F_GETFL), flags);
    close(fds[0]);
    close(fds[1]);
}

Test(log, a_reader_that_went_kills_nobody)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    signal(SIGPIPE, SIG_DFL);
    close(fds[0]);
    struct log *log = open_log(fds[1], LOG_FORMAT_JSON);
    for (uint64_t i = 1; i <= 3; i++) {
        log_line(log, LOG_INFO, "line", LOG_INT("n", i));
        wait_until_dropped(log, i);
    }
    log_close(log);
    close(fds[1]);
}

Test(log, a_descriptor_that_is_not_open_loses_lines_only)
{
    struct log *log = open_log(987, LOG_FORMAT_JSON);
    log_line(log, LOG_INFO, "line", LOG_INT("n", 1));
    wait_until_dropped(log, 1);
    log_close(log);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(log, after_a_full_disk_lines_are_whole_again)
{
    char path[] = "/tmp/postern-test-log-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    unlink(path);
    limit_file_size(100);
    struct log *log = open_log(fd, LOG_FORMAT_TEXT);
    log_line(log, LOG_INFO, "first", LOG_STR("reaches", "the end"));
    log_line(log, LOG_INFO, "second", LOG_STR("goes", "beyond the limit of one hundred"));
    wait_until_dropped(log, 1);
    limit_file_size(RLIM_INFINITY);
    log_line(log, LOG_INFO, "third", LOG_INT("n", 3));
    log_close(log);
    lseek(fd, 0, SEEK_SET);
    char *text = read_all(fd);
    cr_assert_eq(count_of(text, "\n"), 4, "%s", text);
    cr_assert_eq(text[100], '\n');
    cr_assert_not_null(strstr(text, " warn log lines dropped lines=1\n"));
    cr_assert_not_null(strstr(text, " info third n=3\n"));
    free(text);
    close(fd);
}

static size_t count_threads(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count - 2; /* without . and .. */
}

/* A terminal, unlike a pipe, may block a write although poll called it writable. */
Test(log, a_writer_stuck_in_write_is_left_behind_and_cleans_up_itself)
{
    size_t threads = count_threads();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert_geq(master, 0);
    cr_assert_eq(grantpt(master), 0);
    cr_assert_eq(unlockpt(master), 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    cr_assert_geq(terminal, 0);
    struct log *log = open_log(terminal, LOG_FORMAT_TEXT);
    while (log_dropped(log) == 0)
        log_line(log, LOG_INFO, "line", LOG_INT("n", 1));
    uint64_t begin_ms = now_ms();
    log_close(log);
    cr_assert_lt(now_ms() - begin_ms, 2500);
    close(master);
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    while (count_threads() > threads) {
        cr_assert_lt(now_ms(), until_ms);
        sched_yield();
    }
    close(terminal);
}

static void *run_counter(void *argument)
{
    struct log *log = argument;
    for (int i = 0; i < 500; i++)
        log_line(log, LOG_INFO, "from a thread", LOG_INT("n", i));
    return NULL;
}

Test(log, many_threads)
{
    int fd = memfd_create("log", 0);
    struct log *log = open_log(fd, LOG_FORMAT_JSON);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, run_counter, log), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(log_dropped(log), 0);
    log_close(log);
    lseek(fd, 0, SEEK_SET);
    char *text = read_all(fd);
    cr_assert_eq(count_of(text, "\n"), 2000);
    cr_assert_eq(count_of(text, "{\"time\":\""), 2000);
    cr_assert_eq(count_of(text, "\"n\":499}\n"), 4);
    free(text);
    close(fd);
}
