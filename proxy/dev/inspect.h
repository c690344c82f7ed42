#pragma once

/*
 * inspect - --inspect: what a language's process needs in its environment so that a debugger can
 * attach to it.
 */

#include <stdbool.h>

#define INSPECT_DEFAULT 1 /* for a port: the one that the debugger expects */

/* The port; 0: nobody knows how to debug this language. wanted: INSPECT_DEFAULT or a port. */
unsigned inspect_port(const char *language, unsigned wanted);
/* Add to the action's environment what its debugger needs. runtime_dir: of the language. file: the
 * path that breakpoints name, of an action of one file, since a copy of it runs. NULL: a folder. */
void inspect_set(char ***env, const char *language, unsigned port, const char *runtime_dir,
                 const char *file);
