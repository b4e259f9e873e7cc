/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a log line from any thread to the descriptor, which may be blocked or broken without
 * anybody but the writer thread noticing:
 *
 *   log_write (any thread)          ring (1 MiB)              writer thread
 *   formats on its stack  ── lock ──► whole lines ── lock ──► chunk ── poll, write ──► fd
 *                                       │ full                  │ error
 *                                       └─► dropped, counted ◄──┘ and told in a line of its own
 *
 * The lock is only held to copy bytes. What a line looks like is in log_format.c.
 */
#include <postern/base/log.h>

#include "log_format.h"

#include <postern/base/clock.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A write of this size to a pipe that poll calls writable does not block and is not torn. */
#define CHUNK_BYTES PIPE_BUF
static_assert(LOG_LINE_MAX <= CHUNK_BYTES, "a chunk holds at least one whole line");

#define CLOSE_US 2000000u /* what log_close gives a blocked descriptor, as its contract says */
#define POLL_MS 50        /* how soon a writer that waits for the descriptor sees the closing */
#define CLOSE_MARGIN_US                                                                            \
    (2u * POLL_MS * 1000u) /* for the writer to end in before CLOSE_US is up                       \
                            */

struct log {
    int fd;
    enum log_format format;
    _Atomic enum log_level level;
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t changed;      /* lines came, closing began, or the writer finished */
    _Atomic uint64_t dropped;    /* lines, since log_open */
    _Atomic uint64_t give_up_us; /* monotonic; the writer stops then */
    /* Under the lock: */
    uint64_t dropped_untold; /* lines, since the last line that told */
    size_t head;             /* bytes ever put in; modulo LOG_RING_BYTES the place of the next */
    size_t tail;             /* bytes ever taken out */
    bool closing;            /* log_close waits */
    bool finished;           /* the writer will not touch the log again, unless abandoned */
    bool abandoned;          /* log_close has left: the writer frees the log */
    /* The writer's own: */
    bool torn; /* the last write ended inside a line */
    char ring[LOG_RING_BYTES];
};

static uint64_t now_us(void)
{
    struct clock clock;
    clock_refresh(&clock);
    return clock.mono_us;
}

static void free_log(struct log *log)
{
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* ---- the ring; the lock is held ---- */

static size_t ring_room(const struct log *log)
{
    return LOG_RING_BYTES - (log->head - log->tail);
}

static void ring_put(struct log *log, struct slice line)
{
    size_t at = log->head % LOG_RING_BYTES;
    size_t until_end = LOG_RING_BYTES - at;
    size_t first = line.len < until_end ? line.len : until_end;
    memcpy(log->ring + at, line.data, first);
    memcpy(log->ring, line.data + first, line.len - first);
    log->head += line.len;
}

/* Copies as many whole lines as fit into `chunk`. */
static size_t ring_take(struct log *log, char chunk[static CHUNK_BYTES])
{
    size_t held = log->head - log->tail;
    size_t size = held < CHUNK_BYTES ? held : CHUNK_BYTES;
    size_t at = log->tail % LOG_RING_BYTES;
    size_t until_end = LOG_RING_BYTES - at;
    size_t first = size < until_end ? size : until_end;
    memcpy(chunk, log->ring + at, first);
    memcpy(chunk + first, log->ring, size - first);
    while (chunk[size - 1] != '\n')
        size--;
    log->tail += size;
    return size;
}

/* ---- callers ---- */

bool log_wants(const struct log *log, enum log_level level)
{
    return log && level >= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, level, memory_order_relaxed);
}

uint64_t log_dropped(const struct log *log)
{
    return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}

static void count_dropped(struct log *log, uint64_t lines)
{
    log->dropped_untold += lines;
    atomic_fetch_add_explicit(&log->dropped, lines, memory_order_relaxed);
}

/* Puts `line` into the ring, behind a line that tells what was dropped before it. Both or none. */
static void push_telling(struct log *log, struct slice line, uint64_t wall_ms)
{
    struct log_field field = LOG_INT("lines", log->dropped_untold);
    struct log_entry note = {.wall_ms = wall_ms,
                             .level = LOG_WARN,
                             .message = "log lines dropped",
                             .count = 1,
                             .fields = &field};
    char text[LOG_LINE_MAX];
    size_t length = log_format_entry(log->format, &note, text);
    if (length + line.len > ring_room(log)) {
        count_dropped(log, 1);
        return;
    }
    ring_put(log, slice_of(text, length));
    ring_put(log, line);
    log->dropped_untold = 0;
}

static void push(struct log *log, struct slice line, uint64_t wall_ms)
{
    pthread_mutex_lock(&log->lock);
    if (log->dropped_untold > 0)
        push_telling(log, line, wall_ms);
    else if (line.len > ring_room(log))
        count_dropped(log, 1);
    else
        ring_put(log, line);
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->lock);
}

void log_write(struct log *log, enum log_level level, const char *message, size_t count,
               const struct log_field *fields)
{
    if (!log_wants(log, level))
        return;
    struct clock clock;
    clock_refresh(&clock);
    struct log_entry entry = {.wall_ms = clock.wall_ms,
                              .level = level,
                              .message = message,
                              .count = count,
                              .fields = fields};
    char line[LOG_LINE_MAX];
    size_t length = log_format_entry(log->format, &entry, line);
    push(log, slice_of(line, length), clock.wall_ms);
}

/* ---- the writer thread ---- */

static bool must_give_up(const struct log *log)
{
    uint64_t give_up_us = atomic_load(&log->give_up_us);
    return give_up_us != UINT64_MAX && now_us() >= give_up_us;
}

/* Waits until the descriptor takes bytes or has an error to tell; false when it is time to stop. */
static bool wait_writable(const struct log *log)
{
    struct pollfd poll_fd = {.fd = log->fd, .events = POLLOUT};
    int ready = 0;
    while (ready <= 0 && !must_give_up(log)) {
        ready = poll(&poll_fd, 1, POLL_MS);
        if (ready < 0 && errno != EINTR)
            return true; /* let write say what is wrong */
    }
    return ready > 0;
}

/* Writes to the end, waiting as long as needed; returns how much was written before an error or
 * before it was time to stop. */
static size_t write_fully(const struct log *log, struct slice bytes)
{
    size_t written = 0;
    while (written < bytes.len && wait_writable(log)) {
        ssize_t n = write(log->fd, bytes.data + written, bytes.len - written);
        if (n >= 0)
            written += (size_t)n;
        else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
            break;
    }
    return written;
}

static uint64_t count_lines(struct slice bytes)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < bytes.len; i++)
        lines += bytes.data[i] == '\n';
    return lines;
}

/* Writes a chunk of whole lines. A descriptor that fails loses it (a full disk, a reader that went)
 * and is tried again with the next one. */
static void write_chunk(struct log *log, struct slice chunk)
{
    if (log->torn && write_fully(log, SLICE("\n")) == 1)
        log->torn = false;
    size_t written = write_fully(log, chunk);
    if (written == chunk.len)
        return;
    if (written > 0)
        log->torn = chunk.data[written - 1] != '\n';
    pthread_mutex_lock(&log->lock);
    count_dropped(log, count_lines(slice_skip(chunk, written)));
    pthread_mutex_unlock(&log->lock);
}

/* Waits for lines; 0 when there will be none any more. */
static size_t take_chunk(struct log *log, char chunk[static CHUNK_BYTES])
{
    pthread_mutex_lock(&log->lock);
    while (log->head == log->tail && !log->closing)
        pthread_cond_wait(&log->changed, &log->lock);
    size_t size = log->head == log->tail ? 0 : ring_take(log, chunk);
    pthread_mutex_unlock(&log->lock);
    return size;
}

static void *run_writer(void *argument)
{
    struct log *log = argument;
    char chunk[CHUNK_BYTES];
    for (size_t size; !must_give_up(log) && (size = take_chunk(log, chunk)) > 0;)
        write_chunk(log, slice_of(chunk, size));
    pthread_mutex_lock(&log->lock);
    log->finished = true;
    bool abandoned = log->abandoned;
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->lock);
    if (abandoned)
        free_log(log);
    return NULL;
}

/* ---- opening and closing ---- */

static void init_sync(struct log *log)
{
    /* These can't fail on Linux with attributes that are valid. */
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&log->lock, NULL);
}

/* Signals belong to the main thread; and a SIGPIPE that stays blocked leaves write with EPIPE. */
static bool start_writer(struct log *log)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&log->writer, NULL, run_writer, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(log->writer, "postern-log");
    return error == 0;
}

enum status log_open(int fd, enum log_format format, enum log_level level, struct log **ret_log)
{
    /* Not calloc: the pages of the ring are only touched when lines come. */
    struct log *log = malloc(sizeof(*log));
    if (!log)
        return STATUS_NO_MEMORY;
    memset(log, 0, offsetof(struct log, ring));
    log->fd = fd;
    log->format = format;
    atomic_init(&log->level, level);
    atomic_init(&log->give_up_us, UINT64_MAX);
    init_sync(log);
    if (!start_writer(log)) {
        free_log(log);
        return STATUS_IO;
    }
    *ret_log = log;
    return STATUS_OK;
}

/* Waits for the writer to end by itself; false when `until_us` came first. The lock is held. */
static bool wait_finished(struct log *log, uint64_t until_us)
{
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000u),
                             .tv_nsec = (long)(until_us % 1000000u) * 1000};
    int error = 0;
    while (!log->finished && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&log->changed, &log->lock, &until);
    return log->finished;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    uint64_t until_us = now_us() + CLOSE_US;
    atomic_store(&log->give_up_us, until_us - CLOSE_MARGIN_US);
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_signal(&log->changed);
    bool finished = wait_finished(log, until_us);
    log->abandoned = !finished;
    pthread_t writer = log->writer;
    pthread_mutex_unlock(&log->lock);
    if (finished) {
        pthread_join(writer, NULL);
        free_log(log);
    } else {
        /* Stuck inside write (a stopped terminal): nothing can end that but the descriptor or the
         * process. From here the log is the writer's. */
        pthread_detach(writer);
    }
}
