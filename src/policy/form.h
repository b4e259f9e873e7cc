/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a form body (application/x-www-form-urlencoded) by the paths of a json or fields rule,
 * and whether a body is one. Forms are flat: a path of one part names a field, longer ones nothing.
 * A dot inside a field's name is written "\." in a path, as for JSON.
 */
#ifndef POSTERN_POLICY_FORM_H
#define POSTERN_POLICY_FORM_H

#include "query.h"

struct form_field {
    size_t count;     /* how often it is there */
    struct slice raw; /* the first one's value, still encoded */
};

/* True when the value of Content-Type says that the body is a form, with parameters or without. */
bool form_is_type(struct slice content_type);

/* Looks through the whole of `body` once and fills `ret_fields[i]` for `paths[i]`. */
void form_locate(struct slice body, const struct json_path *paths, size_t count,
                 struct form_field *ret_fields);

/* What a field holds, decoded: as query_find, with '+' for a space. */
enum key_miss form_read(const struct form_field *field, struct arena *arena,
                        struct slice *ret_value);

#endif
