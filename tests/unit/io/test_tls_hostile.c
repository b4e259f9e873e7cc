/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that have shaken hands and then say what no honest one says: floods that make work and
 * answers, messages that are never finished, bytes behind the end.
 */
#include "tls_forge.h"

#include <uv.h>

TestSuite(tls_hostile, .init = make_identities, .fini = free_identities);

#define FLOOD 2000u /* KeyUpdates that arrive with one read */

static bool server_ended(void)
{
    return server.ended == 1;
}

static bool server_has_bytes(void)
{
    return server.received > 0;
}

static bool client_has_bytes(void)
{
    return client.received > 0;
}

static int descriptor_of(struct probe *probe)
{
    uv_os_fd_t fd;
    cr_assert_eq(uv_fileno((uv_handle_t *)(void *)probe->stream.handle, &fd), 0);
    return fd;
}

/* A pair whose client's keys, or server's, are known. */
static void open_known_pair(const char *label)
{
    begin_pair("a.test");
    forge_listen_in(label);
    run_until(both_answered);
    cr_assert_eq(client.connect_status, STATUS_OK, "%s", stream_trouble(&client.stream));
    cr_assert_eq(server.connect_status, STATUS_OK, "%s", stream_trouble(&server.stream));
}

/* ---- floods ---- */

static void assert_flood_ends(bool wants_answer)
{
    open_known_pair("CLIENT_TRAFFIC_SECRET_0");
    for (size_t i = 0; i < FLOOD; i++)
        forge_key_update(wants_answer);
    forge_send(descriptor_of(&client));
    run_until(server_ended);
    cr_assert_eq(server.end, STREAM_END_RESET);
    cr_assert_not_null(strstr(stream_trouble(&server.stream), "too many"), "%s",
                       stream_trouble(&server.stream));
    end_pair();
}

Test(tls_hostile, a_flood_of_key_updates)
{
    assert_flood_ends(false);
}

Test(tls_hostile, a_flood_of_key_updates_that_want_an_answer)
{
    assert_flood_ends(true);
}

static void open_pair_of_1_2(void)
{
    begin_pair("a.test");
    forge_ask_for_1_2();
    run_until(both_answered);
    cr_assert_eq(server.connect_status, STATUS_OK, "%s", stream_trouble(&server.stream));
    forge_take_keys_of_1_2();
}

static void forge_client_hello(void)
{
    forge_record_of_1_2(FORGE_HANDSHAKE, "\x01\0\0", 4);
}

/* Each is answered by an alert; one is no harm. */
Test(tls_hostile, renegotiation_is_refused)
{
    open_pair_of_1_2();
    forge_client_hello();
    forge_record_of_1_2(FORGE_DATA, "x", 1);
    forge_send(descriptor_of(&client));
    run_until(server_has_bytes);
    cr_assert_eq(server.ended, 0, "%s", stream_trouble(&server.stream));
    end_pair();
}

Test(tls_hostile, a_flood_of_renegotiations)
{
    open_pair_of_1_2();
    for (size_t i = 0; i < FLOOD; i++)
        forge_client_hello();
    forge_send(descriptor_of(&client));
    run_until(server_ended);
    cr_assert_eq(server.end, STREAM_END_RESET);
    cr_assert_not_null(strstr(stream_trouble(&server.stream), "too many"), "%s",
                       stream_trouble(&server.stream));
    end_pair();
}

#define ROUNDS 20u
#define ROUND_RECORDS 1024u

static size_t wanted_bytes;

static bool wanted_bytes_came(void)
{
    return server.received == wanted_bytes || server.ended > 0;
}

/* More of them than a flood may have, but with bytes between them. */
Test(tls_hostile, key_updates_now_and_then)
{
    struct slice answer = SLICE("still here");
    open_known_pair("CLIENT_TRAFFIC_SECRET_0");
    for (size_t i = 0; i < 60; i++)
        forge_key_update(i % 2 == 0);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ROUND_RECORDS; i++)
            forge_record(FORGE_DATA, "x", 1);
        forge_key_update(true);
        forge_send(descriptor_of(&client));
        wanted_bytes += ROUND_RECORDS;
        run_until(wanted_bytes_came);
    }
    cr_assert_eq(server.ended, 0, "%s", stream_trouble(&server.stream));
    cr_assert_eq(stream_send(&server.stream, &answer, 1), SEND_DONE);
    stream_read_start(&client.stream);
    run_until(client_has_bytes);
    cr_assert_eq(client.received, answer.len, "with the keys it was told of");
    end_pair();
}

/* ---- what is never finished ---- */

static void stop_at_first(struct probe *probe, const char *event)
{
    if (strcmp(event, "bytes") == 0)
        stream_read_stop(&probe->stream);
}

/* The session waits for the rest of a message when the end comes, and a send would ask for it: of
 * what stood behind the end nothing may be taken, it is another's memory by then. */
Test(tls_hostile, bytes_behind_the_end_of_an_unfinished_message)
{
    struct slice answer = SLICE("an answer");
    open_known_pair("CLIENT_TRAFFIC_SECRET_0");
    server.react = stop_at_first;
    forge_record(FORGE_DATA, "x", 1);
    forge_record(FORGE_HANDSHAKE, "\x18\0\0\x01", 4);
    forge_record(FORGE_ALERT, "\x01\0", 2);
    forge_record(FORGE_DATA, "behind the end", 14);
    forge_send(descriptor_of(&client));
    run_until(server_has_bytes);
    server.react = NULL;
    stream_read_start(&server.stream);
    run_until(server_ended);
    cr_assert_eq(server.received, 1);
    cr_assert_eq(stream_send(&server.stream, &answer, 1), SEND_LOST);
    cr_assert_eq(server.stream.sent_bytes, 0);
    end_pair();
}

static bool half_a_ticket_is_there(void)
{
    return SSL_in_init(((struct gate *)client.stream.gate)->tls);
}

/* A ticket in two records, of which the second is late: nothing of a send leaves, and it may be
 * done again elsewhere. */
Test(tls_hostile, a_send_while_half_a_ticket_is_there)
{
    struct slice request = SLICE("a request");
    open_known_pair("SERVER_TRAFFIC_SECRET_0");
    stream_read_start(&client.stream);
    forge.sequence = 2; /* the server's own tickets */
    forge_record(FORGE_HANDSHAKE, "\x04\0\0\x40 and no more", 16);
    forge_send(descriptor_of(&server));
    run_until(half_a_ticket_is_there);
    cr_assert_eq(stream_send(&client.stream, &request, 1), SEND_LOST);
    cr_assert_eq(client.stream.sent_bytes, 0);
    end_pair();
}
