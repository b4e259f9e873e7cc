/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/fault: in a build with fault points a child dies at the visit that the
 * environment names; in one without, the macro is nothing and evaluates nothing. */
#include <postern/base/fault.h>

#include <criterion/criterion.h>

#ifdef POSTERN_FAULTS

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SURVIVED 0

/* Visits `b` and then `a` three times in a child with POSTERN_FAULT as given (NULL: unset). Returns
 * the number of visits of `a` it survived as 1 … 3 when it was killed, SURVIVED when it was not. */
static int die_at(const char *setting)
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        if (setting)
            setenv("POSTERN_FAULT", setting, 1);
        else
            unsetenv("POSTERN_FAULT");
        FAULT_POINT("b");
        for (int visit = 0; visit < 3; visit++) {
            if (write(pipe_fds[1], "v", 1) != 1)
                _exit(1);
            FAULT_POINT("a");
        }
        _exit(0);
    }
    close(pipe_fds[1]);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    char visits[8];
    ssize_t count = read(pipe_fds[0], visits, sizeof(visits));
    close(pipe_fds[0]);
    if (WIFSIGNALED(status)) {
        cr_assert_eq(WTERMSIG(status), SIGKILL);
        return (int)count;
    }
    cr_assert_eq(WEXITSTATUS(status), 0);
    return SURVIVED;
}

Test(fault, nothing_happens_without_the_variable)
{
    cr_assert_eq(die_at(NULL), SURVIVED);
    cr_assert_eq(die_at(""), SURVIVED);
}

Test(fault, the_first_visit_by_default)
{
    cr_assert_eq(die_at("a"), 1);
    cr_assert_eq(die_at("a:1"), 1);
}

Test(fault, a_later_visit)
{
    cr_assert_eq(die_at("a:2"), 2);
    cr_assert_eq(die_at("a:3"), 3);
    cr_assert_eq(die_at("a:4"), SURVIVED);
}

/* The parent sees the stop, and the child goes on where it was. */
Test(fault, stops_until_it_is_continued)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        setenv("POSTERN_FAULT", "a:2:stop", 1);
        FAULT_POINT("a");
        FAULT_POINT("a");
        FAULT_POINT("a");
        _exit(7);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
    cr_assert(WIFSTOPPED(status));
    cr_assert_eq(kill(child, SIGCONT), 0);
    cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
    cr_assert(WIFEXITED(status), "once");
    cr_assert_eq(WEXITSTATUS(status), 7);
}

Test(fault, other_names_and_numbers_that_are_none)
{
    cr_assert_eq(die_at("c"), SURVIVED);
    cr_assert_eq(die_at("aa"), SURVIVED);
    cr_assert_eq(die_at("a:0"), SURVIVED);
    cr_assert_eq(die_at("a:x"), SURVIVED);
}

#else

Test(fault, the_macro_is_nothing)
{
    int evaluated = 0;
    FAULT_POINT((evaluated++, "a"));
    cr_assert_eq(evaluated, 0);
}

#endif
