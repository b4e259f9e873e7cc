/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server may answer where Redis is expected: through hiredis' reader and the set-up of a
 * link, then as replies to claims and settles. Properties: the same octets tell the same story
 * however they are cut; a reply is a duplicate only if it reads exactly as this program writes
 * one, with the note that follows, if all of it came.
 *
 * The link's own code is compiled in here, since its reader is nobody else's to see; it gets a loop
 * and no socket.
 *
 * Input: one byte (bit 0: the link is being set up), the octets.
 */
#include "../../src/store/redis_link.c"

#include "fuzz.h"
#include "redis_command.h"
#include "redis_value.h"

#define TOLD_CEILING ((size_t)1 << 22)

static struct loop the_loop;
static struct loop *const loop = &the_loop;
static struct buf *told;

static void tell(const char *what, unsigned number, struct slice text)
{
    FUZZ_CHECK(buf_printf(told, "\n%s %u ", what, number) == STATUS_OK);
    FUZZ_CHECK(buf_append(told, text) == STATUS_OK);
}

/* ---- replies ---- */

/* `text` is a value as this program writes one, and then perhaps a note. */
static void check_written(struct slice text, struct slice written, struct slice note)
{
    FUZZ_CHECK(slice_starts(text, written));
    struct slice rest = slice_skip(text, written.len);
    FUZZ_CHECK((rest.len == 0) == (note.len == 0));
    FUZZ_CHECK(rest.len == 0 ||
               (rest.data[0] == VALUE_NOTE_MARK && slice_eq(slice_skip(rest, 1), note)));
}

static void check_done(struct slice text, const struct dedup_first *first, uint64_t window_ms,
                       struct slice note)
{
    char written[VALUE_DONE_MAX];
    size_t len = redis_value_done(first, window_ms, written);
    check_written(text, slice_of(written, len), note);
}

static void try_verb(const struct redis_reply *reply, enum redis_verb verb)
{
    struct buf note;
    buf_init(&note, REDIS_REPLY_MAX);
    struct dedup_op op = {.verb = (uint8_t)verb, .ret_note = &note};
    uint64_t window_ms = 1;
    enum redis_taken taken = redis_command_take(&op, reply, &window_ms);
    bool looks = verb == VERB_CLAIM || verb == VERB_PEEK;
    tell("taken", (unsigned)taken, SLICE(""));
    tell("verdict", op.verdict, buf_slice(&note));
    if (taken == TAKEN && looks && op.verdict == VERDICT_DUPLICATE && !reply->cut)
        check_done(reply->text, &op.first, window_ms, buf_slice(&note));
    FUZZ_CHECK(!reply->cut || buf_len(&note) == 0);
    buf_done(&note);
}

static void take_told(struct redis_link *link, const struct redis_reply *reply)
{
    (void)link;
    tell("reply", reply->type, reply->text);
    for (unsigned verb = VERB_CLAIM; verb <= VERB_PEEK; verb++)
        try_verb(reply, (enum redis_verb)verb);
}

static void note_up(struct redis_link *link, enum redis_finding finding, struct slice detail)
{
    (void)link;
    tell("up", finding, detail);
}

static void note_down(struct redis_link *link, enum redis_finding finding, struct slice reason)
{
    (void)link;
    tell("down", finding, reason);
}

static void note_closed(struct redis_link *link)
{
    (void)link;
}

static const struct redis_link_handlers handlers = {
    .up = note_up, .replied = take_told, .down = note_down, .closed = note_closed};

/* ---- the link ---- */

/* As if the connection had just been made. */
static void begin(struct redis_link *link, const struct redis_opts *opts,
                  struct redis_script *scripts, bool setting_up)
{
    FUZZ_CHECK(redis_link_open(link, loop, opts, scripts, REDIS_SCRIPTS, &handlers) == STATUS_OK);
    FUZZ_CHECK(reader_open(link));
    FUZZ_CHECK(redis_setup_begin(&link->setup, opts, scripts, REDIS_SCRIPTS, &link->out) ==
               STATUS_OK);
    link->state = setting_up ? LINK_SETTING_UP : LINK_UP;
}

static void end(struct redis_link *link)
{
    redis_link_close(link);
    loop_turn_manual(loop);
}

static void run(struct slice bytes, bool setting_up, struct fuzz_cutting cutting)
{
    struct redis_link link;
    struct redis_commands commands;
    const struct redis_opts opts = {
        .host = SLICE("127.0.0.1"), .port = 1, .password = SLICE("p"), .database = 1};
    redis_commands_init(&commands, SLICE("prefix"));
    begin(&link, &opts, commands.scripts, setting_up);
    while (bytes.len > 0 && is_reading(&link)) {
        size_t len = fuzz_piece_len(&cutting, bytes.len);
        char *block = fuzz_block(slice_of(bytes.data, len));
        on_bytes(&link.stream, slice_of(block, len));
        free(block);
        bytes = slice_skip(bytes, len);
    }
    end(&link);
}

static void try_value(struct slice text)
{
    struct redis_value value = redis_value_parse(text);
    char written[VALUE_PENDING_LEN];
    if (value.kind == VALUE_DONE) {
        check_done(text, &value.first, value.window_ms, value.note);
    } else if (value.kind == VALUE_PENDING) {
        redis_value_pending(&value.first.event_id, written);
        check_written(text, slice_of(written, VALUE_PENDING_LEN), value.note);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_cutting cuttings[] = {{0}, {.most = 1}, {.most = 13, .seed = 7}};
    struct slice input = slice_of(data, size);
    bool setting_up = fuzz_choice(&input) & 1;
    struct buf stories[3];
    loop_init_manual(loop, 1000, 1000);
    for (size_t i = 0; i < 3; i++) {
        told = &stories[i];
        buf_init(told, TOLD_CEILING);
        run(input, setting_up, cuttings[i]);
        FUZZ_CHECK(slice_eq(buf_slice(&stories[0]), buf_slice(told)));
    }
    for (size_t i = 0; i < 3; i++)
        buf_done(&stories[i]);
    try_value(input);
    return 0;
}
