/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON API under /api/v1: one request from its head to its answer. Most ask the archive and are
 * answered later; server.c has the connections and sends what is made here.
 */
#ifndef POSTERN_SRC_ADMIN_API_H
#define POSTERN_SRC_ADMIN_API_H

#include "pages.h"
#include "question.h"
#include <postern/base/json_writer.h>

/* A list that grows over it ends early, with a "next". */
#define API_LIST_BYTES (8u * 1024 * 1024)

/* Embedded in its connection, which must outlive a pending call. */
struct api_call {
    /* in; borrowed until the call is answered */
    const struct admin_opts *opts;
    const struct http_head *head;
    struct arena *arena; /* where the head lies */
    void (*answered)(
        struct api_call *call); /* only if api_begin said OP_PENDING: once, from the loop */
    /* out */
    struct page page;
    struct buf body; /* in: empty, with the ceiling of an answer */
    /* in: what was sent, where api_body_max asks for it; the caller's to free */
    struct buf request_body;
    /* private */
    struct question question;
    struct slice id_text; /* of the path */
    struct uuid event_id;
    struct json_writer writer;
    bool wants_body;  /* the event's body, raw */
    bool found, full; /* an event was told; the list's bytes are used up */
    struct uuid last; /* the event told last */
    bool has_new_id;
    struct uuid new_id;
    union {
        struct archive_find find;
        struct archive_show show;
        struct archive_change change;
    } op;
};

/* True for paths of the API. */
bool api_is_path(struct slice path);

/* The most of a body that the request whose head is there is to be read with; 0: its body is
 * dropped, if it has one. Nothing is kept of whom would not be let in. */
size_t api_body_max(const struct api_call *call);

/* Begins to answer call->head. OP_READY: `page` and `body` are made. */
enum op_status api_begin(struct api_call *call);

/* ---- for the files of the API alone ---- */

/* Makes the answer a problem (RFC 9457), and drops what was written. `type` is the last part of its
 * URN; `detail` may hold any bytes. */
void api_problem(struct api_call *call, uint16_t status, const char *type, const char *title,
                 struct slice detail);

/* Makes the answer a 200 of what the writer wrote, or a 500 when it failed. */
void api_finish_json(struct api_call *call);

/* The archive's answer was this. True for STATUS_OK; otherwise the problem is made. */
bool api_archive_answered(struct api_call *call, enum status status);

/* Makes the problem 404: there is no such event. */
void api_no_event(struct api_call *call);

/* How requests begin: list, one event, its body; replay and cancel of one, or of many by filter;
 * what the configuration and the metrics tell; what would be done with a request. */
enum op_status api_begin_find(struct api_call *call);
enum op_status api_begin_show(struct api_call *call);
enum op_status api_begin_body(struct api_call *call);
enum op_status api_begin_replay_one(struct api_call *call);
enum op_status api_begin_cancel_one(struct api_call *call);
enum op_status api_begin_replay_many(struct api_call *call);
enum op_status api_begin_cancel_many(struct api_call *call);
enum op_status api_begin_routes(struct api_call *call);
enum op_status api_begin_stats(struct api_call *call);
enum op_status api_begin_explain(struct api_call *call);

#endif
