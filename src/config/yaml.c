/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events to the tree of node.h; the only file that knows libyaml. Its event stream is
 * used, not its documents: those keep duplicate keys silently, and deep nesting costs libyaml
 * quadratic time, so that the cap on depth has to stop the stream itself.
 *
 * Refused, each with its place: duplicate keys, anchors, aliases, tags, a second document, keys
 * that are not plain text, control characters in a value, and anything above the caps.
 */
#include "node.h"

#include "excerpt.h"
#include "text.h"

#include <stdlib.h>
#include <yaml.h>

/* An open map or list. */
struct frame {
    struct node *node;
    bool has_key; /* maps: a key was read, its value comes next */
    struct slice key;
    struct mark key_at;
};

struct reader {
    yaml_parser_t parser;
    struct slice source;
    struct arena *arena;
    struct report *report;
    struct node *root;
    struct frame frames[NODE_MAX_DEPTH];
    size_t depth;
    size_t nodes;
};

static struct mark mark_of(yaml_mark_t mark)
{
    return (struct mark){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static bool has_control_characters(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    return false;
}

/* Puts a finished scalar, or a map or list that begins, where the open node wants it. */
static void attach(struct reader *reader, struct node *node)
{
    if (reader->depth == 0) {
        reader->root = node;
        return;
    }
    struct frame *frame = &reader->frames[reader->depth - 1];
    node->key = frame->key;
    node->key_at = frame->key_at;
    frame->has_key = false;
    node_append(frame->node, node);
}

static enum status new_node(struct reader *reader, enum node_kind kind, const yaml_event_t *event,
                            struct node **ret_node)
{
    if (++reader->nodes > NODE_MAX_NODES) {
        report_error(reader->report, mark_of(event->start_mark), "more than %u values in one file",
                     NODE_MAX_NODES);
        return STATUS_INVALID;
    }
    struct node *node = arena_zalloc(reader->arena, sizeof(*node));
    if (!node)
        return STATUS_NO_MEMORY;
    node->kind = kind;
    node->at = mark_of(event->start_mark);
    node->end_line = mark_of(event->end_mark).line;
    *ret_node = node;
    return STATUS_OK;
}

/* Tags and anchors change what a value means behind the reader's back. */
static void refuse_extras(struct reader *reader, const yaml_event_t *event, const void *anchor,
                          const void *tag)
{
    struct mark at = mark_of(event->start_mark);
    if (anchor)
        report_error(reader->report, at, "anchors are not allowed here");
    else if (tag)
        report_error(reader->report, at, "tags are not allowed here");
    if (anchor)
        report_hint(reader->report, "write the value out where it is needed");
    else if (tag)
        report_hint(reader->report, "leave the tag out; each setting knows its type");
}

static enum status take_key(struct reader *reader, struct frame *frame, const yaml_event_t *event)
{
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    frame->key_at = mark_of(event->start_mark);
    frame->has_key = true;
    if (has_control_characters(text)) {
        report_error(reader->report, frame->key_at, "control characters in a key");
        return STATUS_INVALID;
    }
    return arena_copy(reader->arena, text, &frame->key) ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status take_value(struct reader *reader, const yaml_event_t *event)
{
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    struct node *node;
    enum status status = new_node(reader, NODE_SCALAR, event, &node);
    if (status)
        return status;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!arena_copy(reader->arena, text, &node->text))
        return STATUS_NO_MEMORY;
    if (has_control_characters(text)) {
        report_error(reader->report, node->at, "control characters or line breaks in a value");
        /* Seldom a setting, often a key that was pasted: and its line may not say so. */
        report_conceal(reader->report, node->at.line, node->end_line);
        node->kind = NODE_BROKEN;
    }
    attach(reader, node);
    return STATUS_OK;
}

/* The open map that waits for a key, or NULL. */
static struct frame *key_frame(struct reader *reader)
{
    struct frame *frame = reader->depth ? &reader->frames[reader->depth - 1] : NULL;
    return frame && frame->node->kind == NODE_MAP && !frame->has_key ? frame : NULL;
}

static enum status take_scalar(struct reader *reader, const yaml_event_t *event)
{
    refuse_extras(reader, event, event->data.scalar.anchor, event->data.scalar.tag);
    struct frame *frame = key_frame(reader);
    return frame ? take_key(reader, frame, event) : take_value(reader, event);
}

static enum status refuse_key(struct reader *reader, const yaml_event_t *event)
{
    report_error(reader->report, mark_of(event->start_mark), "a key has to be plain text");
    return STATUS_INVALID;
}

static enum status take_alias(struct reader *reader, const yaml_event_t *event)
{
    if (key_frame(reader))
        return refuse_key(reader, event);
    report_error(reader->report, mark_of(event->start_mark), "aliases are not allowed here");
    report_hint(reader->report, "write the value out where it is needed");
    struct node *node;
    enum status status = new_node(reader, NODE_BROKEN, event, &node);
    if (!status)
        attach(reader, node);
    return status;
}

static enum status open_node(struct reader *reader, enum node_kind kind, const yaml_event_t *event)
{
    if (key_frame(reader))
        return refuse_key(reader, event);
    if (reader->depth == NODE_MAX_DEPTH) {
        report_error(reader->report, mark_of(event->start_mark), "nested deeper than %u levels",
                     NODE_MAX_DEPTH);
        return STATUS_INVALID;
    }
    struct node *node;
    enum status status = new_node(reader, kind, event, &node);
    if (status)
        return status;
    attach(reader, node);
    reader->frames[reader->depth++] = (struct frame){.node = node};
    return STATUS_OK;
}

/* By key, then by place, so that of equal keys the first in the file comes first. */
static int compare_keys(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = memcmp(x->key.data, y->key.data, len);
    if (order != 0)
        return order;
    if (x->key.len != y->key.len)
        return x->key.len < y->key.len ? -1 : 1;
    if (x->key_at.line != y->key_at.line)
        return x->key_at.line < y->key_at.line ? -1 : 1;
    return x->key_at.column < y->key_at.column ? -1 : x->key_at.column > y->key_at.column;
}

static void report_duplicate(struct reader *reader, struct node *node, const struct node *first)
{
    report_error(reader->report, node->key_at, "duplicate key \"%.*s\"", SHOWN(node->key));
    report_hint(reader->report, "it is given on line %u already", first->key_at.line);
    node->kind = NODE_BROKEN;
}

/* Sorted rather than compared with each other: 100,000 keys are still no work. */
static enum status refuse_duplicates(struct reader *reader, const struct node *map)
{
    if (map->count < 2)
        return STATUS_OK;
    struct node **sorted = calloc(map->count, sizeof(struct node *));
    if (!sorted)
        return STATUS_NO_MEMORY;
    size_t count = 0;
    for (struct node *child = map->first; child; child = child->next)
        sorted[count++] = child;
    qsort(sorted, count, sizeof(struct node *), compare_keys);
    size_t first = 0;
    for (size_t i = 1; i < count; i++) {
        if (slice_eq(sorted[i]->key, sorted[first]->key))
            report_duplicate(reader, sorted[i], sorted[first]);
        else
            first = i;
    }
    free(sorted);
    return STATUS_OK;
}

static enum status close_node(struct reader *reader, const yaml_event_t *event)
{
    struct node *node = reader->frames[--reader->depth].node;
    node->end_line = mark_of(event->end_mark).line;
    return node->kind == NODE_MAP ? refuse_duplicates(reader, node) : STATUS_OK;
}

static enum status begin_document(struct reader *reader, const yaml_event_t *event)
{
    if (!reader->root)
        return STATUS_OK;
    report_error(reader->report, mark_of(event->start_mark), "a second document in one file");
    report_hint(reader->report, "leave the line \"---\" out");
    return STATUS_INVALID;
}

static enum status take_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return STATUS_OK;
    case YAML_DOCUMENT_START_EVENT:
        return begin_document(reader, event);
    case YAML_ALIAS_EVENT:
        return take_alias(reader, event);
    case YAML_SCALAR_EVENT:
        return take_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(reader, event, event->data.sequence_start.anchor,
                      event->data.sequence_start.tag);
        return open_node(reader, NODE_LIST, event);
    case YAML_MAPPING_START_EVENT:
        refuse_extras(reader, event, event->data.mapping_start.anchor,
                      event->data.mapping_start.tag);
        return open_node(reader, NODE_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(reader, event);
    }
    return STATUS_OK;
}

/* libyaml gives bytes it can't decode an offset instead of a mark. */
static struct mark mark_of_offset(struct slice source, size_t offset)
{
    struct mark mark = {1, 1};
    for (size_t i = 0; i < offset && i < source.len; i++) {
        mark.column++;
        if (source.data[i] == '\n')
            mark = (struct mark){mark.line + 1, 1};
    }
    return mark;
}

static void report_undecodable(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    report_error(reader->report, mark_of_offset(reader->source, parser->problem_offset),
                 "not readable as UTF-8 text: %s", parser->problem);
}

/* Tabs in the indentation are YAML's most frequent riddle. */
static bool is_indented_with_tab(const struct reader *reader, uint32_t number)
{
    struct slice line;
    if (!excerpt_line(reader->source, number, &line))
        return false;
    for (size_t i = 0; i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'); i++)
        if (line.data[i] == '\t')
            return true;
    return false;
}

static void report_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    report_error(reader->report, mark_of(parser->problem_mark), "%s%s%s", parser->problem,
                 parser->context ? ", " : "", parser->context ? parser->context : "");
    if (is_indented_with_tab(reader, mark_of(parser->problem_mark).line))
        report_hint(reader->report, "indent with spaces, not with tabs");
    else if (parser->context && strstr(parser->context, "alias"))
        report_hint(reader->report, "put a value that begins with \"*\" in quotes");
    else if (parser->context)
        report_hint(reader->report, "that began at line %u, column %u",
                    mark_of(parser->context_mark).line, mark_of(parser->context_mark).column);
}

static enum status report_parser(struct reader *reader)
{
    if (reader->parser.error == YAML_MEMORY_ERROR)
        return STATUS_NO_MEMORY;
    if (reader->parser.error == YAML_READER_ERROR)
        report_undecodable(reader);
    else
        report_syntax(reader);
    return STATUS_INVALID;
}

static enum status read_events(struct reader *reader)
{
    enum status status;
    bool ended;
    do {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event))
            return report_parser(reader);
        ended = event.type == YAML_STREAM_END_EVENT;
        status = take_event(reader, &event);
        yaml_event_delete(&event);
    } while (!status && !ended);
    return status;
}

enum status node_read_yaml(struct slice text, struct arena *arena, struct report *report,
                           struct node **ret_root)
{
    if (text.len > NODE_MAX_FILE_BYTES) {
        report_error(report, (struct mark){0, 0}, "larger than %u bytes", NODE_MAX_FILE_BYTES);
        return STATUS_INVALID;
    }
    struct reader reader = {.source = text, .arena = arena, .report = report};
    if (!yaml_parser_initialize(&reader.parser))
        return STATUS_NO_MEMORY;
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    const char *bytes = text.len ? text.data : "";
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes, text.len);
    enum status status = read_events(&reader);
    yaml_parser_delete(&reader.parser);
    if (!status)
        *ret_root = reader.root;
    return status;
}
