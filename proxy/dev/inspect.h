#pragma once

/*
 * inspect - --inspect: what a language's process needs in its environment so that a debugger can
 * attach to it.
 */

#define INSPECT_DEFAULT 1 /* in place of a port: the debugger's usual one */

/* The port at which a debugger attaches; 0: this language cannot be debugged. wanted:
 * INSPECT_DEFAULT or a port. */
unsigned inspect_port(const char *language, unsigned wanted);
/* Add to the action's environment what its debugger needs. runtime_dir: the folder of the
 * language's runtime. file: the user's path of an action of one file, which breakpoints name
 * although a copy of it runs; NULL: the action is a folder. */
void inspect_set(char ***env, const char *language, unsigned port, const char *runtime_dir,
                 const char *file);
