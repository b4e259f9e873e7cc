/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a conninfo apart: hosts, ports, sockets, turns; hostile ones.
 */
#include "pg_target.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

static struct loop loop;
static struct pg_target target;

static void on_resolved(struct pg_target *self)
{
    (void)self;
}

static enum status init(const char *url)
{
    loop_init_manual(&loop, 0, 0);
    return pg_target_init(&target, &loop, slice_str(url), on_resolved);
}

static void assert_value(PGconn *conn, const char *(*get)(const PGconn *conn), const char *expected)
{
    cr_assert_str_eq(get(conn), expected);
}

static const char *host_of(const PGconn *conn)
{
    return PQhost(conn);
}

static const char *port_of(const PGconn *conn)
{
    return PQport(conn);
}

Test(pg_target, a_socket_needs_no_look_up)
{
    cr_assert_eq(init("postgresql://me@/db?host=/nowhere/here&port=6000"), STATUS_OK);
    cr_assert_eq(target.count, 1);
    cr_assert_eq(pg_target_prepare(&target), PG_TARGET_READY);
    PGconn *conn = pg_target_connect(&target);
    assert_value(conn, host_of, "/nowhere/here");
    assert_value(conn, port_of, "6000");
    PQfinish(conn);
    pg_target_done(&target);
}

Test(pg_target, several_hosts_are_taken_in_turn)
{
    cr_assert_eq(init("host=127.0.0.1,/tmp,127.0.0.3 port=1,2,3 dbname=x"), STATUS_OK);
    cr_assert_eq(target.count, 3);
    const char *const hosts[] = {"127.0.0.1", "/tmp", "127.0.0.3", "127.0.0.1"};
    const char *const ports[] = {"1", "2", "3", "1"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pg_target_prepare(&target), PG_TARGET_READY);
        cr_assert_str_eq(target.hosts[target.turn].name, hosts[i]);
        PGconn *conn = pg_target_connect(&target);
        assert_value(conn, port_of, ports[i]);
        PQfinish(conn);
        pg_target_advance(&target);
    }
    pg_target_done(&target);
}

Test(pg_target, one_port_serves_all_hosts)
{
    cr_assert_eq(init("postgresql://127.0.0.1,127.0.0.2/x?port=7777"), STATUS_OK);
    cr_assert_str_eq(target.hosts[1].port, "7777");
    pg_target_done(&target);
}

Test(pg_target, hostaddr_is_not_looked_up)
{
    cr_assert_eq(init("host=db.example hostaddr=127.0.0.9 dbname=x"), STATUS_OK);
    cr_assert_not(target.hosts[0].looked_up);
    cr_assert_str_eq(target.hosts[0].address, "127.0.0.9");
    pg_target_done(&target);
}

Test(pg_target, without_a_host_libpq_decides)
{
    cr_assert_eq(init("dbname=x"), STATUS_OK);
    cr_assert_eq(target.count, 1);
    cr_assert_eq(pg_target_prepare(&target), PG_TARGET_READY);
    pg_target_done(&target);
}

static void assert_invalid(const char *url)
{
    cr_assert_eq(init(url), STATUS_INVALID, "%s", url);
    pg_target_done(&target);
}

Test(pg_target, unreadable_ones_are_refused)
{
    char long_host[400];
    snprintf(long_host, sizeof(long_host), "host=%0300d", 1);
    assert_invalid("postgresql://[::1/db");
    assert_invalid("nonsense=1");
    assert_invalid("host='unterminated");
    assert_invalid("host=a,b,c,d,e,f,g,h,i");
    assert_invalid(long_host);
    assert_invalid("host=/tmp port=123456789");
}
