"""Many at once: every answer reaches its own request, every activation has its sentinels."""

import json

import pytest

import samples
from whisk import together
from wire import hammer

CONNECTIONS = 16
EACH = 2000


def start_action(proxy, compiled, name):
    if name == "python":
        one = proxy("--runtime", "python")
        one.started(samples.PYTHON_CODES["echo"])
    elif name == "bash":
        one = proxy("--runtime", "native")
        one.started(samples.SHELL_CODES["echo"])
    else:
        one = proxy("--runtime", "native")
        one.started(compiled(samples.echo_c(1 if name == "c-stdout" else 3)))
    return one


ACTIONS = pytest.mark.parametrize("name", ["python", "bash", "c-stdout", "c-fd3"])


@ACTIONS
@pytest.mark.parametrize("clients", [2, 20])
def test_TV1_simultaneous_runs(proxy, compiled, name, clients):
    """T-V1: two and twenty simultaneous runs: all correct, none swapped."""
    one = start_action(proxy, compiled, name)
    for turn in range(5):
        values = [{"id": f"{turn}-{n}"} for n in range(clients)]
        replies = together([lambda value=value: one.run(value) for value in values])
        assert [(reply.status, reply.json) for reply in replies] == [(200, v) for v in values]
    assert one.check_streams(5 * clients) == ("", "")


@ACTIONS
def test_TV2_simultaneous_large_bodies(proxy, compiled, name):
    """T-V2: twenty bodies of 100 KB at once."""
    one = start_action(proxy, compiled, name)
    values = [{"id": n, "pad": chr(ord("a") + n) * 100000} for n in range(20)]
    replies = together([lambda value=value: one.run(value) for value in values])
    assert [(reply.status, reply.json) for reply in replies] == [(200, v) for v in values]
    one.check_streams(20)


def test_sizes_mixed(proxy, compiled):
    """Bodies from nothing to 1 MB from twenty clients at once: pipes fill in either direction."""
    one = start_action(proxy, compiled, "c-stdout")
    values = [{"id": n, "pad": "x" * (n * n * n * 150)} for n in range(20)]
    for _ in range(2):
        replies = together([lambda value=value: one.run(value) for value in values])
        assert [(reply.status, reply.json) for reply in replies] == [(200, v) for v in values]


@pytest.mark.parametrize("name", ["python", "c-stdout", "c-fd3"])
def test_thousands_of_runs_are_all_matched(proxy, compiled, name):
    """16 connections, 2,000 runs each, every one with an id of its own."""
    one = start_action(proxy, compiled, name)
    answers = hammer(one.port, CONNECTIONS, EACH, lambda c, n: b'{"value":{"id":"%d-%d"}}' % (c, n))
    assert len(answers) == CONNECTIONS * EACH
    wrong = [(key, answer) for key, answer in answers.items()
             if answer[0] != 200 or json.loads(answer[1]) != {"id": f"{key[0]}-{key[1]}"}]
    assert wrong == []
    assert one.check_streams(CONNECTIONS * EACH) == ("", "")


def test_thousands_of_runs_with_crashes_between(proxy):
    """Where every thousandth run kills the action, all others still get their own answers."""
    one = proxy("--runtime", "python")
    one.started("import os\n\ndef main(args):\n    if args['id'].endswith('-500'):\n"
                "        os._exit(1)\n    return args\n")
    answers = hammer(one.port, 4, 1000, lambda c, n: b'{"value":{"id":"%d-%d"}}' % (c, n))
    for (connection, number), (status, body) in answers.items():
        if number == 500:
            assert (status, json.loads(body)) == (400, {"error": "command exited"})
        else:
            assert (status, json.loads(body)) == (200, {"id": f"{connection}-{number}"})
    one.check_streams(4000)
