/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL of the archive: reads newest first by keyset, never by OFFSET; changes by the ids of a page.
 * A range of ids is given as a span of received_at as well, by which the planner leaves out the
 * other days' partitions. Results are binary.
 */
#include "pg_archive.h"

#include "archive_columns.h"
#include "pg_columns.h"
#include "pg_rows.h"

#include <libpq-fe.h>
#include <stdio.h>

/* OIDs of pg_type, fixed for ever. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_TIME = 1184 };
enum { OID_TIME_ARRAY = 1185, OID_UUID = 2950, OID_UUID_ARRAY = 2951 };

#define TEXT_SIZE 2048

/* ---- parameters ---- */

#define PARAMS_MAX 10
#define ARRAY_BYTES (20 + ARCHIVE_PAGE * 20)

struct params {
    int count;
    unsigned int types[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX];
    char numbers[PARAMS_MAX][8];
};

/* A NULL pointer is NULL. */
static void add(struct params *params, unsigned int type, const void *value, size_t len)
{
    params->types[params->count] = type;
    params->values[params->count] = value;
    params->lengths[params->count] = (int)len;
    params->count++;
}

static void add_slice(struct params *params, unsigned int type, struct slice bytes)
{
    add(params, type, bytes.len > 0 ? bytes.data : NULL, bytes.len);
}

static void add_u64(struct params *params, unsigned int type, uint64_t number)
{
    char *at = params->numbers[params->count];
    pg_put_u64(at, number);
    add(params, type, at, 8);
}

static void add_time(struct params *params, uint64_t ms)
{
    add_u64(params, OID_TIME, (uint64_t)pg_time_of_ms(ms));
}

static void add_bool(struct params *params, bool value)
{
    char *at = params->numbers[params->count];
    at[0] = value;
    add(params, OID_BOOL, at, 1);
}

static void add_id(struct params *params, const struct uuid *id)
{
    add(params, OID_UUID, id->bytes, sizeof(id->bytes));
}

static void send(struct pg_link *link, const char *text, const struct params *params)
{
    pg_link_query(link, text, params->count, params->types, params->values, params->lengths);
}

/* ---- a fresh session ---- */

/* An operator's question is not worth all of the server's cores, nor compiling it. The last
 * statement fails where a column or table is missing. */
void pg_archive_probe(struct pg_link *link, uint32_t timeout_ms)
{
    static const char *const texts[] = {
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'",
        "SELECT set_config('max_parallel_workers_per_gather', '0', false),"
        " set_config('jit', 'off', false)",
        "SELECT lease_owner, attempts_before, replay_of FROM event LIMIT 0",
    };
    char timeout[80];
    snprintf(timeout, sizeof(timeout), "SET statement_timeout = %u", timeout_ms);
    pg_link_query(link, timeout, 0, NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        pg_link_query(link, texts[i], 0, NULL, NULL, NULL);
}

/* ---- which events ---- */

/* $2 … $8. */
#define FILTER                                                                                     \
    "received_at >= $2 AND received_at <= $3 AND id >= $4 AND id < $5"                             \
    " AND ($6 IS NULL OR route = $6) AND ($7 IS NULL OR state = $7) AND ($8 IS NULL OR key = $8)"

/* By an event's id nothing else is asked but the state. */
static void add_filter(struct params *params, const struct archive_filter *filter,
                       const struct archive_range *range)
{
    bool one = filter->has_event_id;
    add_time(params, uuid_time_ms(&range->low));
    add_time(params, uuid_time_ms(&range->high));
    add_id(params, &range->low);
    add_id(params, &range->high);
    add_slice(params, OID_TEXT, one ? (struct slice){0} : filter->route);
    add_slice(params, OID_TEXT, filter->state);
    add(params, OID_BYTEA, filter->has_key && !one ? filter->key.digest : NULL, EVENT_KEY_BYTES);
}

/* Both orders are the same one: ids are ordered by time. Said the second way, the index on a
 * route's or a rare state's times serves, day by day. */
static bool by_time(const struct archive_filter *filter)
{
    return filter->route.len > 0 || slice_eq(filter->state, SLICE("dead")) ||
           slice_eq(filter->state, SLICE("parked")) || slice_eq(filter->state, SLICE("cancelled"));
}

/* ---- reading a row ---- */

#define EVENT_COLUMNS ARCHIVE_COLUMNS("octet_length(body)")

/* One row of a result. */
struct row {
    const struct pg_result *result;
    int number;
};

/* "" for NULL. */
static struct slice bytes_at(struct row row, int column)
{
    return slice_of(PQgetvalue(row.result, row.number, column),
                    (size_t)PQgetlength(row.result, row.number, column));
}

/* Of 4 or 8 bytes; 0 for NULL. */
static uint64_t number_at(struct row row, int column)
{
    struct slice bytes = bytes_at(row, column);
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.len && i < sizeof(number); i++)
        number = number << 8 | (unsigned char)bytes.data[i];
    return number;
}

static uint64_t time_at(struct row row, int column)
{
    bool none = PQgetisnull(row.result, row.number, column);
    return none ? 0 : pg_ms_of_time((int64_t)number_at(row, column));
}

/* Of 16 bytes, as the column's type says; false for NULL. */
static bool copy_at(struct row row, int column, uint8_t ret_bytes[static 16])
{
    struct slice bytes = bytes_at(row, column);
    if (bytes.len != 16)
        return false;
    memcpy(ret_bytes, bytes.data, 16);
    return true;
}

static void read_event(struct row row, struct archive_event *ret_event)
{
    *ret_event = (struct archive_event){
        .route = bytes_at(row, EVENT_ROUTE),
        .method = bytes_at(row, EVENT_METHOD),
        .target = bytes_at(row, EVENT_TARGET),
        .content_type = bytes_at(row, EVENT_CONTENT_TYPE),
        .client = bytes_at(row, EVENT_CLIENT),
        .mode = bytes_at(row, EVENT_MODE),
        .state = bytes_at(row, EVENT_STATE),
        .outcome = bytes_at(row, EVENT_OUTCOME),
        .last_error = bytes_at(row, EVENT_ERROR),
        .error_category = bytes_at(row, EVENT_CATEGORY),
        .response_status = (uint16_t)number_at(row, EVENT_STATUS),
        .duration_ms = (uint32_t)number_at(row, EVENT_DURATION),
        .attempts = (uint32_t)number_at(row, EVENT_ATTEMPTS),
        .duplicates = number_at(row, EVENT_DUPLICATES),
        .body_bytes = number_at(row, EVENT_BODY_BYTES),
        .received_at_ms = time_at(row, EVENT_RECEIVED),
        .window_ends_at_ms = time_at(row, EVENT_WINDOW),
        .next_attempt_at_ms = time_at(row, EVENT_NEXT),
        .lease_until_ms = time_at(row, EVENT_LEASE),
        .last_duplicate_at_ms = time_at(row, EVENT_LAST_DUPLICATE),
        .last_replayed_at_ms = time_at(row, EVENT_LAST_REPLAYED),
    };
    (void)copy_at(row, EVENT_ID, ret_event->event_id.bytes); /* is never NULL */
    ret_event->has_key = copy_at(row, EVENT_KEY, ret_event->key.digest);
    ret_event->has_replay_of = copy_at(row, EVENT_REPLAY_OF, ret_event->replay_of.bytes);
}

/* ---- finding ---- */

static struct archive_range range_of_find(const struct archive_find *find)
{
    struct archive_range range = archive_range_of(&find->filter);
    if (find->has_before &&
        memcmp(find->before.bytes, range.high.bytes, sizeof(find->before.bytes)) < 0)
        range.high = find->before;
    return range;
}

/* One more than the limit, to know if there is more. */
void pg_archive_find(struct pg_link *link, const struct archive_find *find)
{
    static const char by_id_text[] = "SELECT " EVENT_COLUMNS " FROM event WHERE " FILTER
                                     " ORDER BY id DESC LIMIT $1";
    static const char by_time_text[] = "SELECT " EVENT_COLUMNS " FROM event WHERE " FILTER
                                       " ORDER BY received_at DESC, id DESC LIMIT $1";
    struct params params = {0};
    struct archive_range range = range_of_find(find);
    add_u64(&params, OID_INT8, (uint64_t)find->limit + 1);
    add_filter(&params, &find->filter, &range);
    send(link, by_time(&find->filter) ? by_time_text : by_id_text, &params);
}

void pg_archive_found(struct archive_find *find, const struct pg_result *result)
{
    int rows = PQntuples(result);
    find->more = rows > (int)find->limit;
    if (find->more)
        rows = (int)find->limit;
    for (int i = 0; i < rows; i++) {
        struct archive_event event;
        read_event((struct row){result, i}, &event);
        find->event(find, &event);
    }
}

/* ---- showing ---- */

void pg_archive_show(struct pg_link *link, const struct archive_show *show)
{
    struct params params = {0};
    add_id(&params, &show->event_id);
    add_time(&params, uuid_time_ms(&show->event_id));
    send(link,
         "SELECT " EVENT_COLUMNS ", headers, body FROM event WHERE id = $1 AND received_at = $2",
         &params);
    add_u64(&params, OID_INT8, ARCHIVE_ATTEMPTS_MAX);
    send(link,
         "SELECT * FROM (SELECT attempt, at, status, duration_ms, error, response FROM delivery"
         " WHERE event_id = $1 AND received_at = $2 ORDER BY attempt DESC LIMIT $3) AS last"
         " ORDER BY attempt",
         &params);
}

static void tell_attempt(struct archive_show *show, struct row row)
{
    struct archive_attempt attempt = {.attempt = (uint32_t)number_at(row, 0),
                                      .at_ms = time_at(row, 1),
                                      .status = (uint16_t)number_at(row, 2),
                                      .duration_ms = (uint32_t)number_at(row, 3),
                                      .error = bytes_at(row, 4),
                                      .response = bytes_at(row, 5)};
    show->attempt(show, &attempt);
}

static void tell_event(struct archive_show *show, struct row row)
{
    struct archive_event event;
    read_event(row, &event);
    event.headers = bytes_at(row, EVENT_HEADERS);
    event.body = bytes_at(row, EVENT_BODY);
    show->event(show, &event);
}

void pg_archive_shown(struct archive_show *show, size_t statement, const struct pg_result *result)
{
    for (int i = 0; i < PQntuples(result); i++) {
        struct row row = {result, i};
        if (statement == 0)
            tell_event(show, row);
        else
            tell_attempt(show, row);
    }
}

/* ---- changing: which ---- */

/* $1 is `ripe`: an owner that is alive may have an outcome to write although its lease is over, so
 * that this is nobody's only once such an owner would have written it. One without an owner only
 * kept the row. */
#define SETTLED "e.state IN ('delivered', 'dead', 'parked', 'cancelled')"
#define FREE                                                                                       \
    "(e.state = 'queued' AND (e.lease_until IS NULL OR"                                            \
    " (e.lease_until <= now() AND (e.lease_owner IS NULL OR $1))))"

/* What the state of an event has to be. */
static const char *const allowed[] = {
    [ARCHIVE_REPLAY_SAME] = "(" SETTLED " OR " FREE ")",
    [ARCHIVE_REPLAY_NEW] = "(" SETTLED ")",
    [ARCHIVE_CANCEL] = "(e.state IN ('dead', 'parked') OR " FREE ")",
};

/* One asked for by its id is told in any state. */
void pg_archive_select(struct pg_link *link, const struct archive_desk *desk, bool ripe)
{
    const struct archive_change *change = desk->change;
    const char *may = allowed[change->verb];
    struct params params = {0};
    char text[TEXT_SIZE];
    snprintf(text, sizeof(text),
             "SELECT id, %s, now() FROM event e WHERE " FILTER
             " AND (%s OR $10) ORDER BY %s LIMIT $9",
             may, may, by_time(&change->filter) ? "received_at, id" : "id");
    add_bool(&params, ripe);
    add_filter(&params, &change->filter, &desk->plan.range);
    add_u64(&params, OID_INT8, desk->plan.wanted);
    add_bool(&params, change->filter.has_event_id);
    send(link, text, &params);
}

void pg_archive_selected(struct archive_desk *desk, const struct pg_result *result)
{
    for (int i = 0; i < PQntuples(result); i++) {
        struct row row = {result, i};
        struct uuid id;
        if (copy_at(row, 0, id.bytes))
            archive_desk_found(desk, &id, number_at(row, 1) != 0, time_at(row, 2));
    }
}

/* ---- changing: doing it ---- */

/* $2 ids, $3 their times, $4 due times, $5 ids of copies, $6 now, $7 … $8 the days of $3
 * (pg_rows.h), $9 the time of the copies. Waiting for a row's lock, each looks at its state again.
 */
#define PAGE                                                                                       \
    "unnest((SELECT $2), (SELECT $3), (SELECT $4), (SELECT $5))"                                   \
    " AS d (id, received_at, due_at, new_id)"
#define OF_PAGE                                                                                    \
    " WHERE e.id = d.id AND e.received_at = d.received_at AND e.received_at BETWEEN $7 AND $8 "    \
    "AND "

static const char same_text[] =
    "UPDATE event e SET state = 'queued', next_attempt_at = d.due_at, lease_until = NULL,"
    " lease_owner = NULL, attempts_before = e.attempts, last_replayed_at = $6, last_error = NULL,"
    " error_category = NULL FROM " PAGE OF_PAGE "%s RETURNING e.id";

static const char cancel_text[] =
    "UPDATE event e SET state = 'cancelled', next_attempt_at = NULL, lease_until = NULL,"
    " lease_owner = NULL FROM " PAGE OF_PAGE "%s RETURNING e.id";

static const char new_text[] =
    "WITH original AS (UPDATE event e SET last_replayed_at = $6 FROM " PAGE OF_PAGE "%s"
    " RETURNING e.id, d.new_id, d.due_at, e.route, e.method, e.target, e.headers, e.content_type,"
    " e.body, e.client, e.mode, e.outcome)"
    " INSERT INTO event (id, received_at, route, method, target, headers, content_type, body,"
    " client, mode, state, outcome, response_status, duration_ms, attempts, next_attempt_at,"
    " replay_of)"
    " SELECT new_id, $9, route, method, target, headers, content_type, body, client, mode,"
    " 'queued', outcome, 0, 0, 0, due_at, id FROM original"
    " ON CONFLICT (id, received_at) DO NOTHING RETURNING replay_of";

/* Arrays of the page, one element each; 16 or 8 bytes long. */
struct page_arrays {
    char ids[ARRAY_BYTES], times[ARRAY_BYTES], dues[ARRAY_BYTES], new_ids[ARRAY_BYTES];
};

static char *put_head(char *at, unsigned int element_oid, size_t count)
{
    at = pg_put_u32(at, 1); /* dimensions */
    at = pg_put_u32(at, 0); /* holds no NULLs */
    at = pg_put_u32(at, element_oid);
    at = pg_put_u32(at, (uint32_t)count);
    return pg_put_u32(at, 1); /* the first subscript */
}

static char *put_id(char *at, const struct uuid *id)
{
    at = pg_put_u32(at, sizeof(id->bytes));
    memcpy(at, id->bytes, sizeof(id->bytes));
    return at + sizeof(id->bytes);
}

static char *put_time(char *at, uint64_t ms)
{
    return pg_put_u64(pg_put_u32(at, 8), (uint64_t)pg_time_of_ms(ms));
}

static void add_page(struct params *params, struct page_arrays *arrays,
                     const struct archive_plan *plan)
{
    char *ids = put_head(arrays->ids, OID_UUID, plan->count);
    char *times = put_head(arrays->times, OID_TIME, plan->count);
    char *dues = put_head(arrays->dues, OID_TIME, plan->count);
    char *new_ids = put_head(arrays->new_ids, OID_UUID, plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        const struct archive_target *target = &plan->targets[i];
        ids = put_id(ids, &target->id);
        times = put_time(times, uuid_time_ms(&target->id));
        dues = put_time(dues, target->due_at_ms);
        new_ids = put_id(new_ids, &target->new_id);
    }
    add(params, OID_UUID_ARRAY, arrays->ids, (size_t)(ids - arrays->ids));
    add(params, OID_TIME_ARRAY, arrays->times, (size_t)(times - arrays->times));
    add(params, OID_TIME_ARRAY, arrays->dues, (size_t)(dues - arrays->dues));
    add(params, OID_UUID_ARRAY, arrays->new_ids, (size_t)(new_ids - arrays->new_ids));
}

static void print_apply(enum archive_verb verb, char ret_text[static TEXT_SIZE])
{
    switch (verb) {
    case ARCHIVE_REPLAY_SAME:
        snprintf(ret_text, TEXT_SIZE, same_text, allowed[verb]);
        break;
    case ARCHIVE_REPLAY_NEW:
        snprintf(ret_text, TEXT_SIZE, new_text, allowed[verb]);
        break;
    case ARCHIVE_CANCEL:
        snprintf(ret_text, TEXT_SIZE, cancel_text, allowed[verb]);
        break;
    }
}

/* Ids sort by time, so the first and the last one bound the days. */
void pg_archive_apply(struct pg_link *link, const struct archive_desk *desk, bool ripe)
{
    const struct archive_plan *plan = &desk->plan;
    struct params params = {0};
    struct page_arrays arrays;
    char text[TEXT_SIZE];
    print_apply(desk->change->verb, text);
    add_bool(&params, ripe);
    add_page(&params, &arrays, plan);
    add_time(&params, plan->now_ms);
    add_time(&params, pg_day_first_ms(uuid_time_ms(&plan->targets[0].id)));
    add_time(&params, pg_day_last_ms(uuid_time_ms(&plan->targets[plan->count - 1].id)));
    add_time(&params, uuid_time_ms(&plan->request));
    send(link, text, &params);
}

void pg_archive_applied(struct archive_desk *desk, const struct pg_result *result)
{
    for (int i = 0; i < PQntuples(result); i++) {
        struct uuid id;
        if (copy_at((struct row){result, i}, 0, id.bytes))
            archive_desk_changed(desk, &id);
    }
}
