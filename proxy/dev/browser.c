#include "dev/browser.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "dev/terminal.h"
#include "dev/text.h"

/* Start a program to show the URL. false: it cannot be started. The event loop reaps the
 * process. */
static bool start(const char *program, const char *url)
{
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)url, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    int failed;

    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    (void)posix_spawn_file_actions_init(&files);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    failed = posix_spawnp(&pid, program, &files, &attributes, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attributes);
    return failed == 0;
}

void browser_open(const char *url, struct terminal *terminal)
{
    static const char *const programs[] = {"xdg-open", "x-www-browser", "wslview", "open"};
    auto_free char *own = getenv("BROWSER") != NULL ? xstrdup(getenv("BROWSER")) : NULL;
    auto_buf struct buf line = {0};
    char *rest;

    /* By convention $BROWSER is a list, separated by colons: take the first program that can be
     * started. */
    for (char *at = own != NULL ? strtok_r(own, ":", &rest) : NULL; at != NULL;
         at = strtok_r(NULL, ":", &rest))
        if (start(at, url))
            return;
    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        if (start(programs[i], url))
            return;
    text_add(&line,
             "--open: no browser was found (neither $BROWSER nor xdg-open): open %s yourself", url);
    terminal_say(terminal, "browser", text_of(&line));
}
