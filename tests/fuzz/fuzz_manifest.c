/*
 * fuzz_manifest - any bytes as a runtime.json, and what passes with the placeholders filled in.
 */

#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "action/manifest.h"
#include "base/err.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_words(char *const *words)
{
    static const char *const values[N_PLACEHOLDERS] = {"/r", "/l", "/a", "m", "e"};

    for (; words != NULL && *words != NULL; words++) {
        auto_free char *word = manifest_expand(*words, values);

        assert(word != NULL && strlen(word) <= strlen(*words) + 2 * strlen(*words));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    auto_fd int fd = memfd_create("manifest", MFD_CLOEXEC);
    struct runtime runtime = {.dir = xstrdup("/r")};
    struct err err = {0};
    char path[64];

    if (fd < 0 || fd_write_all(fd, (const char *)data, n) < 0)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (manifest_read(path, &runtime, &err) == 0) {
        assert(runtime.name != NULL && runtime.name[0] != '\0');
        try_words(runtime.launch);
        try_words(runtime.prelaunch);
        try_words(runtime.compile);
    } else {
        assert(err.kind == ERR_SYSTEM || err.kind == ERR_REQUEST);
        assert(err.text[0] != '\0');
    }
    manifest_done(&runtime);
    return 0;
}
