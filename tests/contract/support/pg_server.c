/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and ending PostgreSQL for tests. Readiness is read from its own words on standard error,
 * so nothing polls.
 */
#include "pg_server.h"

#include "redis_server.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char programs[128]; /* the newest version's folder */

static void find_programs(void)
{
    glob_t found;
    cr_assert(glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0, "PostgreSQL is missing");
    snprintf(programs, sizeof programs, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

static void give_to_postgres(const char *folder)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user)
        cr_assert(chown(folder, user->pw_uid, user->pw_gid) == 0);
}

/* PostgreSQL refuses to run as root. */
static void become_postgres(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && (setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        _exit(125);
}

/* The whole path goes into argv[0] as well: initdb looks for its companions beside itself. */
static _Noreturn void run_program(char *arguments[], int out_fd, pid_t parent)
{
    char path[256];
    if (arguments[0][0] != '/') {
        snprintf(path, sizeof path, "%s/%s", programs, arguments[0]);
        arguments[0] = path;
    }
    become_postgres();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent || dup2(out_fd, STDERR_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0)
        _exit(126);
    execv(arguments[0], arguments);
    _exit(127);
}

static pid_t start_program(char *arguments[], int *ret_fd)
{
    int pipe_fds[2];
    pid_t parent = getpid();
    cr_assert(pipe2(pipe_fds, O_CLOEXEC) == 0);
    (void)fcntl(pipe_fds[0], F_SETPIPE_SZ, 1 << 20); /* smaller is only less room for its log */
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0)
        run_program(arguments, pipe_fds[1], parent);
    close(pipe_fds[1]);
    *ret_fd = pipe_fds[0];
    return pid;
}

/* Reads what a program says until it says `words` or ends; true when it said them. */
static bool read_until(int fd, const char *words)
{
    char text[65536];
    size_t len = 0;
    while (len < sizeof text - 1) {
        ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
        if (words && strstr(text, words))
            return true;
    }
    text[len] = '\0';
    if (words)
        cr_log_error("%s", text);
    return false;
}

static void run_to_end(char *arguments[])
{
    int fd, result;
    pid_t pid = start_program(arguments, &fd);
    (void)read_until(fd, NULL);
    close(fd);
    cr_assert(waitpid(pid, &result, 0) == pid && result == 0, "%s failed", arguments[0]);
}

/* A copy of the cluster that tests/run has made costs a tenth of a new one. */
static void make_data(const char *folder)
{
    char data[96];
    char *made = getenv("POSTERN_PG_TEMPLATE");
    snprintf(data, sizeof data, "%s/data", folder);
    if (made) {
        run_to_end((char *[]){(char[]){"/bin/cp"}, (char[]){"-a"}, made, data, NULL});
        return;
    }
    run_to_end((char *[]){(char[]){"initdb"}, (char[]){"-D"}, data, (char[]){"--no-sync"},
                          (char[]){"-A"}, (char[]){"trust"}, (char[]){"-U"}, (char[]){"postgres"},
                          (char[]){"--encoding=UTF8"}, (char[]){"--locale=C"}, NULL});
}

void pg_server_make(struct pg_server *server)
{
    *server = (struct pg_server){.port = free_port(), .log_fd = -1};
    snprintf(server->folder, sizeof server->folder, "/tmp/postern-pg-XXXXXX");
    cr_assert_not_null(mkdtemp(server->folder));
    give_to_postgres(server->folder);
    snprintf(server->url, sizeof server->url, "postgresql://postgres@127.0.0.1:%u/postgres",
             server->port);
    find_programs();
    make_data(server->folder);
}

/* fsync protects against power cuts, which these tests don't make. */
void pg_server_run(struct pg_server *server)
{
    char data[96], port[16], sockets[96];
    snprintf(data, sizeof data, "%s/data", server->folder);
    snprintf(port, sizeof port, "%u", server->port);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", server->folder);
    char *arguments[] = {(char[]){"postgres"},
                         (char[]){"-D"},
                         data,
                         (char[]){"-p"},
                         port,
                         (char[]){"-c"},
                         sockets,
                         (char[]){"-c"},
                         (char[]){"listen_addresses=127.0.0.1"},
                         (char[]){"-c"},
                         (char[]){"fsync=off"},
                         (char[]){"-c"},
                         (char[]){"log_min_error_statement=panic"},
                         NULL};
    server->pid = start_program(arguments, &server->log_fd);
    cr_assert(read_until(server->log_fd, "ready to accept connections"), "postgres did not start");
}

static void signal_children(const struct pg_server *server, int number)
{
    char path[64];
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", server->pid, server->pid);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fscanf(file, "%d", &child) == 1)
        kill(child, number);
    fclose(file);
}

/* The parent first: a stopped one forks no more. */
void pg_server_freeze(const struct pg_server *server)
{
    cr_assert(kill(server->pid, SIGSTOP) == 0);
    signal_children(server, SIGSTOP);
}

void pg_server_thaw(const struct pg_server *server)
{
    signal_children(server, SIGCONT);
    cr_assert(kill(server->pid, SIGCONT) == 0);
}

void pg_server_stop(struct pg_server *server)
{
    pg_server_thaw(server); /* a stopped process can't end */
    cr_assert(kill(server->pid, SIGQUIT) == 0);
    cr_assert(waitpid(server->pid, NULL, 0) == server->pid);
    close(server->log_fd);
    server->pid = 0;
}

void pg_server_remove(struct pg_server *server)
{
    char command[128];
    if (server->pid > 0)
        pg_server_stop(server);
    if (strncmp(server->folder, "/tmp/postern-pg-", 16) != 0)
        return;
    snprintf(command, sizeof command, "rm -rf %s", server->folder);
    cr_assert(system(command) == 0);
}

static PGconn *connect_to(const struct pg_server *server)
{
    PGconn *conn = PQconnectdb(server->url);
    cr_assert(PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
    return conn;
}

void pg_server_execute(const struct pg_server *server, const char *sql)
{
    PGconn *conn = connect_to(server);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    cr_assert(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql,
              PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

long long pg_server_number(const struct pg_server *server, const char *sql, struct slice bytes)
{
    const Oid bytea = 17;
    const int length = (int)bytes.len, binary = 1;
    PGconn *conn = connect_to(server);
    PGresult *result =
        PQexecParams(conn, sql, bytes.data ? 1 : 0, &bytea, &bytes.data, &length, &binary, 0);
    cr_assert(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(conn));
    bool none = PQntuples(result) == 0 || PQgetisnull(result, 0, 0);
    long long number = none ? -1 : strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(conn);
    return number;
}
