/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads log into a pipe that is read only once it is full, while another asks for the
 * number of dropped lines and changes the level; for ThreadSanitizer. Afterwards each line is
 * either in the output, whole, or counted as dropped.
 */
#include <postern/base/log.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WRITERS 4
#define LINES_PER_WRITER 20000

static struct log *postern_log;
static atomic_bool done; /* the writers have */
static atomic_bool full; /* lines were dropped */

static void *run_writer(void *argument)
{
    (void)argument;
    for (int i = 0; i < LINES_PER_WRITER; i++)
        log_line(postern_log, LOG_ERROR, "line", LOG_INT("n", i), LOG_STR("text", "a \"b\""));
    return NULL;
}

static void *run_observer(void *argument)
{
    uint64_t *ret_dropped = argument;
    for (bool info = true; !atomic_load(&done); info = !info) {
        log_set_level(postern_log, info ? LOG_INFO : LOG_ERROR);
        *ret_dropped = log_dropped(postern_log);
        if (*ret_dropped > 0)
            atomic_store(&full, true);
        (void)log_wants(postern_log, LOG_WARN);
    }
    return NULL;
}

struct reader {
    int fd;
    uint64_t lines;
    uint64_t notes;
    bool broken;
};

/* Counts a line that ended; each is an object that begins and ends as it should. */
static void count_line(struct reader *reader, struct slice line)
{
    if (!slice_starts(line, SLICE("{\"time\":\"")) || line.data[line.len - 1] != '}')
        reader->broken = true;
    if (memmem(line.data, line.len, "log lines dropped", 17))
        reader->notes++;
    else
        reader->lines++;
}

static void *run_reader(void *argument)
{
    struct reader *reader = argument;
    /* The pipe and the ring fill first, so that the writers meet a full ring. */
    while (!atomic_load(&full))
        sched_yield();
    FILE *in = fdopen(reader->fd, "r");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while (in && (length = getline(&line, &capacity, in)) > 1)
        count_line(reader, slice_of(line, (size_t)length - 1));
    free(line);
    if (in)
        fclose(in);
    return NULL;
}

static void run_all(struct reader *reader, int write_fd, uint64_t *ret_dropped)
{
    pthread_t writers[WRITERS], observer_thread, reader_thread;
    uint64_t observed = 0;
    pthread_create(&reader_thread, NULL, run_reader, reader);
    pthread_create(&observer_thread, NULL, run_observer, &observed);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&writers[i], NULL, run_writer, NULL);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&done, true);
    atomic_store(&full, true);
    pthread_join(observer_thread, NULL);
    *ret_dropped = log_dropped(postern_log);
    log_close(postern_log);
    close(write_fd);
    pthread_join(reader_thread, NULL);
}

int main(void)
{
    int fds[2];
    if (pipe(fds) != 0 || log_open(fds[1], LOG_FORMAT_JSON, LOG_INFO, &postern_log) != STATUS_OK)
        return 1;
    struct reader reader = {.fd = fds[0]};
    uint64_t dropped;
    run_all(&reader, fds[1], &dropped);
    printf("%llu lines, %llu dropped, %llu notes\n", (unsigned long long)reader.lines,
           (unsigned long long)dropped, (unsigned long long)reader.notes);
    bool balanced = reader.lines + dropped == WRITERS * LINES_PER_WRITER;
    return balanced && dropped > 0 && !reader.broken ? 0 : 1;
}
