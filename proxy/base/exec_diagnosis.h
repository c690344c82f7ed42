#pragma once

/*
 * exec_diagnosis - explain why the kernel refused to execute an existing file.
 *
 * Its own messages mislead: a program whose loader is missing gives "No such file or directory".
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Explain why exec of `path` failed with errno `os`, by inspecting it with the rights of its owner.
 * true: text says that it is for another processor or another libc, or lies on a noexec mount.
 * false: none of these, text is unchanged.
 */
bool exec_diagnosis_explain(const char *path, int os, char *text, size_t size);

/* Details for the log, where clients compare the answer: CRLF line ends, a missing interpreter, a
 * file that is no program, too large an environment. false: none of these, text is unchanged. */
bool exec_diagnosis_detail(const char *path, int os, char *text, size_t size);
