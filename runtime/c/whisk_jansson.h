#pragma once

/*
 * whisk_jansson - the argument and the answer as trees of jansson, for handlers that use it.
 *
 * An action that includes this must be linked with -ljansson. The library itself does not need it.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "whisk_action.h"

/* The value as a tree, which the caller releases with json_decref(). NULL for WHISK_NONE, and for
 * numbers that are too large for jansson. */
static inline json_t *whisk_tree(struct whisk_value value)
{
    if (value.kind == WHISK_NONE)
        return NULL;
    return json_loadb(value.text, value.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* Append a tree to the answer, and release it with json_decref(). A tree that is NULL, as
 * json_pack() returns it on failure, is an error. */
static inline int whisk_add_tree(struct whisk *w, const char *key, json_t *tree)
{
    char *text = tree != NULL ? json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    int result;

    if (text != NULL)
        result = whisk_add_json(w, key, text, strlen(text));
    else
        result = whisk_fail(w, "no tree to answer with");
    free(text);
    json_decref(tree);
    return result;
}
