#pragma once

/*
 * exec_diagnosis - explain why the kernel refused to execute an existing file.
 *
 * The kernel's errors mislead: a program whose loader is missing gives "No such file or directory".
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Explain why exec of `path` failed with errno `os`, by inspecting the file. Call with the rights
 * of the action's user: privileges_borrow(). true: text says that the file is for another processor
 * or another libc, or lies on a noexec mount. false: it is none of these, text is unchanged.
 */
bool exec_diagnosis_explain(const char *path, int os, char *text, size_t size);

/* Like exec_diagnosis_explain(), but for other failures: CRLF line ends, a missing interpreter, a
 * file that is no program, an environment that is too large. In any other case text is unchanged.
 * OpenWhisk's test suites compare the error texts of these failures, so a failed start puts the
 * explanation into err->detail, not into err->text. */
void exec_diagnosis_detail(const char *path, int os, char *text, size_t size);
