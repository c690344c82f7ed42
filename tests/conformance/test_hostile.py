"""Whatever an action does, the proxy answers /healthz and ends when it is asked to."""

import os
import random
import time

import pytest

import whisk
from watch import Watched, assert_says

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run actions as another user")

END_S = 20  # beyond --drain-timeout and twice --kill-after, for a machine that is busy


@pytest.fixture
def watched(proxy, folder):
    folder.chmod(0o711)
    return lambda *options, **kwargs: Watched(proxy, folder, *options, **kwargs)


@pytest.fixture
def user():
    return random.randrange(200000, 2000000000)


def assert_obeys(one):
    """Health is told, and SIGTERM ends it with 0, in the time that is promised."""
    assert_says(one.ask("/healthz"), 200, "ok\n")
    one.proxy.terminate()
    assert one.proxy.process.wait(END_S) == 0


# With "until" it stops whatever gets one of the next process numbers, until that file is there.
# Without, it dies.
STOPS = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int newest(int fd)
{
    char text[128] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    return n > 0 ? atoi(strrchr(text, ' ') + 1) : 0;
}

int main(void)
{
    static char line[65536];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *path = strstr(line, "\"until\":\"");
        int loads = open("/proc/loadavg", O_RDONLY);
        char begun[4096];

        if (path == NULL)
            raise(SIGKILL);
        path += strlen("\"until\":\"");
        *strchr(path, '"') = '\0';
        snprintf(begun, sizeof(begun), "%s.begun", path);
        close(open(begun, O_WRONLY | O_CREAT, 0644));
        for (unsigned round = 0; round % 1024 != 0 || access(path, F_OK) < 0; round++) {
            int last = newest(loads);

            for (int pid = last; pid < last + 3; pid++)
                if (pid > 1 && pid != getpid())
                    kill(pid, SIGSTOP);
        }
        puts("{}");
        fflush(stdout);
    }
    return 0;
}
"""


@as_root
def test_a_start_that_the_action_stops_does_not_stop_the_proxy(watched, compiled, folder, user):
    """One worker stops every new process of its user; the other one is started again and again."""
    one = watched("--user", user, "--workers", 2, "--drain-timeout", 500, "--kill-after", 100,
                  "--restart-pause-max", 100, "--broken-after", 0, "--runtime", "native")
    one.proxy.started(compiled(STOPS))
    folder.chmod(0o777)
    until = folder / "until"
    stopper = one.proxy.later(one.proxy.run, {"until": str(until)})
    whisk.wait_until((folder / "until.begun").exists, "the first worker to be at work")
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        one.proxy.later(one.proxy.run, {})  # fails, each: it dies or is never ready
        assert_says(one.ask("/healthz"), 200, "ok\n")
        time.sleep(0.005)  # nothing waits for it: some hundred starts
    until.touch()
    assert stopper.result().status == 200
    assert_obeys(one)
