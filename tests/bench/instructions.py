"""Instructions per activation, counted by callgrind: a neighbour's load cannot change them.

The same server is run twice, with N and with 2N activations; start, first requests and end are the
same in both, so the difference is N activations' worth. Only what runs in user space is counted,
and only in the server itself: the action's process is not looked at.
"""

import dataclasses
import pathlib
import re
import typing
import shlex
import shutil

from servers import Client, Server, Trouble, request_bytes

N_FIRST = 50  # before the count begins, so that every buffer has its size


@dataclasses.dataclass
class Case:
    """What is counted."""

    make: typing.Callable[[], Server]  # makes a server that is not started yet
    code: pathlib.Path | None          # for /init; None: the server takes none
    body: bytes
    expected: object
    connections: int
    rounds: int                        # one activation on each connection


def lock_step(server, request, connections, rounds):
    """Send one request on each connection, then read all answers; so many rounds of that."""
    clients = [Client(server.port) for _ in range(connections)]
    for _ in range(rounds):
        for client in clients:
            client.send(request)
        for client in clients:
            status, body = client.receive()
            if status != 200:
                raise Trouble(f"'{server.command}' answered {status} {body[:200]!r}")
    for client in clients:
        client.close()


def under_callgrind(server, folder):
    """Have this server, not started yet, run by callgrind. Returns the file of the result."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Trouble("valgrind is not installed: apt-get install valgrind")
    out = pathlib.Path(folder) / "callgrind.out"
    out.unlink(missing_ok=True)
    server.argv = [valgrind, "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}",
                   *server.argv]
    # Looking for events before sleeping takes as many instructions as the other side takes time.
    server.environment["WHISKLOOP_BUSY_POLL"] = "0"
    server.command = shlex.join(server.argv)
    return out


def count(case, server, out, rounds):
    """Instructions of a whole run with so many rounds; the server must be under callgrind."""
    client, _ = server.start()
    client.close()
    if case.code is not None:
        server.init(case.code)
    server.check(case.body, case.expected)
    lock_step(server, request_bytes(server.path, case.body), case.connections, N_FIRST + rounds)
    server.stop()
    found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    if found is None:
        raise Trouble(f"'{server.command}' left no total in '{out}'")
    return int(found[1])


def per_activation(case, folder):
    """Instructions of one activation, and the command that was run to count them."""
    totals = []
    for rounds in (case.rounds, 2 * case.rounds):
        server = case.make()
        out = under_callgrind(server, folder)
        totals.append(count(case, server, out, rounds))
    return (totals[1] - totals[0]) / (case.connections * case.rounds), server.command
