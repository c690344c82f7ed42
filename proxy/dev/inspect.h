#pragma once

/*
 * inspect - the option --inspect: environment variables that let a debugger attach to a process of
 * the action.
 */

struct runtime;

#define INSPECT_DEFAULT 1 /* stands for the debugger's usual port */

/* Add to the action's environment the variables for its debugger, and return the port at which a
 * debugger attaches; 0: actions of this runtime cannot be debugged. wanted: INSPECT_DEFAULT or a
 * port. file: the user's path of an action that is one file. Breakpoints name this path, although a
 * copy of the file runs. NULL: the action is a folder. */
unsigned inspect_set(char ***env, const struct runtime *runtime, unsigned wanted, const char *file);
/* What keeps a debugger from attaching at this port, the result of inspect_set(), to an action that
 * is not started yet. The caller frees the text. NULL: nothing that we know of. */
char *inspect_problem(unsigned port);
