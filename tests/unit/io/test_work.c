/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs off the loop: where they run and end, the bound, and the manual loop's turn.
 */
#include <criterion/criterion.h>
#include <postern/io/work.h>
#include <pthread.h>

#define LIMIT 3u

static struct loop loop;
static struct work_pool *pool;

struct job {
    struct work work;
    pthread_t ran_on;
    unsigned runs, dones;
    struct job *next; /* submitted from inside `done` */
};

static void run_job(struct work *work)
{
    struct job *job = container_of(work, struct job, work);
    job->ran_on = pthread_self();
    job->runs++;
}

static void end_job(struct work *work)
{
    struct job *job = container_of(work, struct job, work);
    job->dones++;
    if (job->next)
        cr_assert_eq(work_submit(pool, &job->next->work), STATUS_OK);
}

static struct job job_new(void)
{
    return (struct job){.work = {.run = run_job, .done = end_job}};
}

static void open_real(void)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(work_pool_open(&loop, LIMIT, &pool), STATUS_OK);
}

static void close_real(void)
{
    work_pool_close(pool);
    loop_close(&loop);
}

TestSuite(work, .init = open_real, .fini = close_real);

Test(work, runs_on_another_thread_and_ends_on_the_loop)
{
    struct job job = job_new();
    cr_assert_eq(work_submit(pool, &job.work), STATUS_OK);
    cr_assert_eq(job.dones, 0);
    loop_run(&loop); /* a job keeps the loop alive */
    cr_assert_eq(job.runs, 1);
    cr_assert_eq(job.dones, 1);
    cr_assert_not(pthread_equal(job.ran_on, pthread_self()));
}

Test(work, takes_no_more_than_its_limit)
{
    struct job jobs[LIMIT + 1];
    for (size_t i = 0; i <= LIMIT; i++)
        jobs[i] = job_new();
    for (size_t i = 0; i < LIMIT; i++)
        cr_assert_eq(work_submit(pool, &jobs[i].work), STATUS_OK);
    cr_assert_eq(work_submit(pool, &jobs[LIMIT].work), STATUS_FULL);
    loop_run(&loop);
    cr_assert_eq(jobs[LIMIT].dones, 0);
    cr_assert_eq(work_submit(pool, &jobs[LIMIT].work), STATUS_OK);
    loop_run(&loop);
    for (size_t i = 0; i <= LIMIT; i++)
        cr_assert_eq(jobs[i].dones, 1, "job %zu", i);
}

Test(work, its_place_is_free_when_the_end_is_told)
{
    struct job jobs[LIMIT], next = job_new();
    for (size_t i = 0; i < LIMIT; i++) {
        jobs[i] = job_new();
        cr_assert_eq(work_submit(pool, &jobs[i].work), STATUS_OK);
    }
    jobs[0].next = &next;
    loop_run(&loop);
    cr_assert_eq(next.dones, 1);
}

Test(work_manual, waits_for_its_turn)
{
    struct job first = job_new(), next = job_new();
    first.next = &next;
    loop_init_manual(&loop, 1000, 1000);
    cr_assert_eq(work_pool_open(&loop, 1, &pool), STATUS_OK);
    cr_assert_eq(work_submit(pool, &first.work), STATUS_OK);
    cr_assert_eq(work_submit(pool, &next.work), STATUS_FULL);
    cr_assert_eq(first.runs, 0);
    work_run_manual(pool);
    cr_assert_eq(first.dones, 1);
    cr_assert_eq(next.runs, 0);
    work_run_manual(pool);
    work_run_manual(pool);
    cr_assert_eq(first.dones, 1, "once");
    cr_assert_eq(next.dones, 1, "once");
    work_pool_close(pool);
}

Test(work_manual, nothing_is_closed_harmlessly)
{
    work_pool_close(NULL);
}
