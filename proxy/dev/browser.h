#pragma once

/*
 * browser - open a page in the user's browser, where there is one.
 */

struct terminal;

/* $BROWSER, else xdg-open, else the like. What cannot be done is said on the terminal. */
void browser_open(const char *url, struct terminal *terminal);
