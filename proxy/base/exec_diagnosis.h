#pragma once

/*
 * exec_diagnosis - why the kernel does not run a file that is there, in words that help who built
 * it.
 *
 * The kernel's own words mislead: a program whose loader is missing is "No such file or directory".
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Look at `path`, at which exec failed with errno `os`; with the rights that its owner has. true:
 * text says that it is a program for another processor or another libc, or that it lies where
 * nothing may be executed. false: none of these, text stays as it was.
 */
bool exec_diagnosis_explain(const char *path, int os, char *text, size_t size);

/* What is wrong with what somebody published as a program, where clients compare the answer and the
 * log must tell: line ends, an interpreter that is missing, a file that is no program, too large an
 * environment. false: none of these, text stays as it was. */
bool exec_diagnosis_detail(const char *path, int os, char *text, size_t size);
