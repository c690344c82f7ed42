#pragma once

/*
 * inspect - the option --inspect: environment variables that let a debugger attach to a process of
 * the action.
 */

#define INSPECT_DEFAULT 1 /* stands for the debugger's usual port */

/* The port at which a debugger attaches; 0: this language cannot be debugged. wanted:
 * INSPECT_DEFAULT or a port. */
unsigned inspect_port(const char *language, unsigned wanted);
/* Add to the action's environment the variables for its debugger. runtime_dir: the folder of the
 * language's runtime. file: the user's path of an action that is one file. Breakpoints name this
 * path, although a copy of the file runs. NULL: the action is a folder. */
void inspect_set(char ***env, const char *language, unsigned port, const char *runtime_dir,
                 const char *file);
