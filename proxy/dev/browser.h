#pragma once

/*
 * browser - open a page in the user's browser, where there is one.
 */

struct terminal;

/* Try $BROWSER, then xdg-open and its like. If none can be started, the terminal says so. */
void browser_open(const char *url, struct terminal *terminal);
