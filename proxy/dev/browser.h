#pragma once

/*
 * browser - open a page in the user's browser, where there is one.
 */

struct terminal;

/* Try the programs in $BROWSER, then xdg-open and similar programs. If none can be started, say so
 * on the terminal. */
void browser_open(const char *url, struct terminal *terminal);
