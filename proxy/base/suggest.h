#pragma once

/*
 * suggest - find the known word closest to a misspelt one.
 */

/* Set `word` and zero the other members, pass each known word to suggest_offer(), then read
 * `best`. */
struct suggest {
    const char *word;  /* the misspelt word; borrowed */
    const char *best;  /* the nearest known word so far, borrowed; NULL: none is near */
    unsigned distance; /* from `word` to `best`: inserted, deleted, changed or swapped letters */
};

/* Offer a known word, which is borrowed for as long as `best` is used. Letter case does not
 * count. */
void suggest_offer(struct suggest *suggest, const char *known);
