#pragma once

/*
 * suggest - find the known word closest to a misspelt one.
 */

/* Set `word` and zero the rest, offer all known words, then read `best`. */
struct suggest {
    const char *word;  /* as it was spelt; borrowed */
    const char *best;  /* the nearest known word so far, borrowed; NULL: none is near */
    unsigned distance; /* of `best`: insertions, deletions, changes and swaps of neighbours */
};

/* known: borrowed for as long as `best` is used. Letter case does not count. */
void suggest_offer(struct suggest *suggest, const char *known);
