/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the pairs; each is compared with the names asked for, which are few. Values are
 * only decoded when somebody reads them.
 */
#include "form.h"

bool form_is_type(struct slice content_type)
{
    const char *semicolon = content_type.len > 0 ? memchr(content_type.data, ';', content_type.len)
                                                 : NULL;
    if (semicolon)
        content_type.len = (size_t)(semicolon - content_type.data);
    return slice_ieq(slice_trim(content_type), SLICE("application/x-www-form-urlencoded"));
}

void form_locate(struct slice body, const struct json_path *paths, size_t count,
                 struct form_field *ret_fields)
{
    struct slice name, value;
    for (size_t i = 0; i < count; i++)
        ret_fields[i] = (struct form_field){.count = 0};
    while (query_next(&body, &name, &value))
        for (size_t i = 0; i < count; i++)
            if (paths[i].count == 1 &&
                query_is_named(name, paths[i].parts[0], QUERY_PLUS_IS_SPACE) &&
                ret_fields[i].count++ == 0)
                ret_fields[i].raw = value;
}

enum key_miss form_read(const struct form_field *field, struct arena *arena,
                        struct slice *ret_value)
{
    if (field->count == 0)
        return KEY_MISS_ABSENT;
    if (field->count > 1)
        return KEY_MISS_REPEATED;
    return query_read_value(field->raw, QUERY_PLUS_IS_SPACE, arena, ret_value);
}
