"""An activation is begun at most once, whatever its process dies of: bursts of sixty, of which one dies.

The action appends each id to a file before anything else; tests/fault/begins.py does the same amid deaths at random.
"""

import collections
import json

import pytest

import counted
from test_memory import limited  # noqa: F401  pylint: disable=unused-import
from whisk import is_sanitized, soon, together
from wire import hammer

TARGETS = {target.name: target for target in counted.ALL}
BURST, DYING = 60, 10
WARM_EACH = 150  # on each of four connections: then lines go ahead
DEADLINE_MS, HANGS_MS = 450, 600  # it hangs beyond its deadline, and wakes before SIGKILL would follow SIGTERM
EXITED = "command exited"
ENDS = ("exit", "_exit", "abort", "kill", "term")
LATE = "The action exceeded its time limits of "
NO_MEMORY = "The action exhausted its memory and was aborted."


def body(number, what="", n=0, **more):
    return json.dumps({"value": {"id": f"{number:x}", "do": what, "n": n}, **more}, separators=(",", ":")).encode()


class Burst:
    """A warm proxy with the action of one target, and what came of a burst."""

    def __init__(self, proxy, folder, compiled, name, on_sigterm="default", **more):
        target = TARGETS[name]
        missing = target.missing(counted.has_pipeline())
        if missing is not None:
            pytest.skip(missing)
        self.begins = folder / "begins"
        self.begins.touch()
        self.one = proxy(*target.options, "--workers", 1, env={**target.env, "LANG": "C.UTF-8"}, **more)
        self.one.started(compiled(target.program) if target.program else target.code,
                         env={"BEGINS": str(self.begins), "ON_SIGTERM": on_sigterm})
        warm = hammer(self.one.port, 4, WARM_EACH, lambda c, n: body(0x1000 + c * WARM_EACH + n))
        assert all(status == 200 for status, _ in warm.values())
        self.n_bursts = 0
        self.answers = {}  # of innocents, by number

    def send(self, what, n=0, **more):
        """Sixty at once, of which the tenth is told what to do. Returns its answer, taken out of the others'.

        more: metadata of that one, by functions that are called right before it is sent.
        """
        first = self.n_bursts * BURST
        self.n_bursts += 1

        def body_of(number, _):
            if number != DYING:
                return body(first + number)
            return body(first + number, what, n, **{name: told() for name, told in more.items()})
        answers = hammer(self.one.port, BURST, 1, body_of)
        self.answers.update({first + number: (status, json.loads(text))
                             for (number, _), (status, text) in answers.items()})
        return self.answers.pop(first + DYING)

    def hang(self):
        return self.send("hang", HANGS_MS, deadline=lambda: soon(DEADLINE_MS))

    def n_begun(self):
        """How often each was begun. No process is left then that could begin one."""
        self.one.finish()
        begun = collections.Counter(int(line, 16) for line in self.begins.read_text().split())
        return {number: begun[number] for number in range(self.n_bursts * BURST)}

    def check_innocents(self):
        """Each has its own answer; all were begun once."""
        failed = {number: answer for number, answer in self.answers.items()
                  if answer != (200, {"id": f"{number:x}"})}
        assert not failed
        assert {number: n for number, n in self.n_begun().items() if n != 1} == {}


@pytest.mark.parametrize("on_sigterm", ["handle", "ignore"])
@pytest.mark.parametrize("name", ["python", "ruby", "nodejs", "perl", "php", "c", "C loop", "C loop, --pipeline", "go"])
def test_one_outlives_sigterm_past_its_deadline(proxy, folder, compiled, name, on_sigterm):
    """What stood behind it goes to the next process, and only there."""
    burst = Burst(proxy, folder, compiled, name, on_sigterm)
    status, answer = burst.hang()
    assert status == 502 and answer["error"].startswith(LATE), answer
    burst.check_innocents()


def test_one_of_lua_is_late(proxy, folder, compiled):
    """Lua knows no signals: SIGTERM ends it."""
    burst = Burst(proxy, folder, compiled, "lua")
    status, answer = burst.hang()
    assert status == 502 and answer["error"].startswith(LATE), answer
    burst.check_innocents()


@pytest.mark.parametrize("name", ["python", "ruby", "nodejs", "perl", "lua", "C loop", "C loop, --pipeline"])
def test_one_ends_its_process(proxy, folder, compiled, name):
    """It alone fails; a launcher that answers one after the other has nobody else's answer in its hands."""
    burst = Burst(proxy, folder, compiled, name)
    for what in ENDS:
        assert burst.send(what) == (400, {"error": EXITED}), what
    burst.check_innocents()


@pytest.mark.parametrize("what", ENDS)
def test_one_ends_a_process_of_the_c_library(proxy, folder, compiled, what):
    """Its answers leave in batches: an innocent fails only if it had run and its answer was lost with the process."""
    burst = Burst(proxy, folder, compiled, "c")
    for _ in range(3):
        assert burst.send(what) == (400, {"error": EXITED})
    begun = burst.n_begun()
    assert {number: n for number, n in begun.items() if n != 1} == {}
    lost = {number: answer for number, answer in burst.answers.items() if answer != (200, {"id": f"{number:x}"})}
    assert all(answer == (400, {"error": EXITED}) for answer in lost.values()), lost
    assert len(lost) <= (0 if what == "exit" else burst.n_bursts * counted.SDK_BATCH)


@pytest.mark.skipif(is_sanitized(), reason="the sanitizer's memory is beyond the limit")
def test_one_uses_up_the_memory(limited, proxy, folder, compiled):  # noqa: F811
    burst = Burst(proxy, folder, compiled, "python", wrapper=limited)
    assert burst.send("eat") == (502, {"error": NO_MEMORY})
    burst.check_innocents()


WRITES_INTO_ITS_INPUT = """
import os, sys
for line in sys.stdin:
    os.write(2, b"begun\\n")
    os.write(os.open("/proc/self/fd/0", os.O_WRONLY), b"x" * 3000)
    os._exit(3)
"""


@pytest.mark.parametrize("more", [[], ["--pipeline", 64]], ids=["one at a time", "pipeline"])
def test_one_that_writes_into_its_own_input_was_begun(proxy, more):
    """What stands in its pipe when it has died is not what it was given, so nobody knows what it left unread."""
    one = proxy("--runtime", "native", "--workers", 1, *more)
    one.started("#!/usr/bin/python3\n" + WRITES_INTO_ITS_INPUT)
    answer = one.post("/run", body(1))
    assert (answer.status, answer.json) == (400, {"error": EXITED})
    assert one.log_parts(1)[0].count("begun") == 1


# Announces nothing and answers on 1. After QUIET correct answers it writes an extra line every few
# lines, at a random moment: with its answer, or after it, when the next line may be there already.
SPEAKS_OUT_OF_TURN_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    unsigned seed = 7, n_lines = 0;

    while (getline(&line, &size, stdin) > 0) {
        const char *id = strstr(line, "\"id\":\"") + 6;
        int n = (int)strcspn(id, "\"");
        int draw = n_lines < QUIET ? MOMENTS : n_lines == QUIET ? 2 : rand_r(&seed) % MOMENTS;

        if (n_lines++ >= QUIET)
            usleep(100); /* or an answer that is taken for another one's would be found out at once */
        printf("{\"id\":\"%.*s\"}\n", n, id);
        if (draw == 0)
            printf("{\"id\":\"of nobody\"}\n");
        fflush(stdout);
        if (draw == 1)
            printf("{\"id\":\"of nobody\"}\n");
        if (draw == 2) {
            usleep((useconds_t)(rand_r(&seed) % 3000));
            printf("{\"id\":\"of nobody\"}\n");
        }
        fflush(stdout);
    }
    return 0;
}
"""


@pytest.mark.parametrize("n_workers,quiet", [(1, 0), (3, 0), (1, 1200)])
def test_lines_too_many_are_nobodys_answer(proxy, compiled, n_workers, quiet):
    """An extra line, in the same write as the answer or right behind it or some milliseconds later, the first at once or
    after a thousand that were right."""
    one = proxy("--runtime", "native", "--workers", n_workers)
    one.started(compiled(SPEAKS_OUT_OF_TURN_C.replace("MOMENTS", "12").replace("QUIET", str(quiet))))
    answers = hammer(one.port, 64, 30, lambda c, n: body(c * 1000 + n))
    wrong = {key: answer for key, answer in answers.items()
             if answer != (200, b'{"id":"%x"}' % (key[0] * 1000 + key[1]))}
    assert not wrong


# Takes each piece of a line for a whole one, as with any line that is longer than the buffer.
READS_PIECES_C = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char line[4096];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        const char *id = strstr(line, "\"id\":");

        usleep(3000);
        printf("{\"id\":%.*s}\n", id != NULL ? (int)strspn(id + 5, "0123456789") : 2, id != NULL ? id + 5 : "-1");
        fflush(stdout);
    }
    return 0;
}
"""


@pytest.mark.parametrize("length", [6000, 20000, 60000, 200000])
def test_a_line_answered_in_pieces_shifts_no_answer(proxy, compiled, length):
    """Also where more of it is unread than a small pipe holds, which hides whether the program waits for input."""
    one = proxy("--runtime", "native", "--workers", 1)
    one.started(compiled(READS_PIECES_C))
    for _ in range(10):
        calls = [lambda n=n: one.run({"id": n, "text": "x" * (0 if n else length)}) for n in range(6)]
        assert [(reply.status, reply.json) for reply in together(calls)] == [(200, {"id": n}) for n in range(6)]
