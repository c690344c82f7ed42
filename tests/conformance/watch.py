"""A proxy with an admin listener, and what it tells there."""

import socket

import exposition
from wire import WAIT_S, Stream, request_bytes


class Door(Stream):
    """A connection to an admin listener: a Unix socket's path or (address, port)."""

    def __init__(self, where, timeout=WAIT_S):  # pylint: disable=super-init-not-called
        family = (socket.AF_UNIX if isinstance(where, str) else
                  socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(where)
        self.file = self.socket.makefile("rb")


def ask(where, path, method="GET", body=b""):
    with Door(where) as door:
        door.send(request_bytes(path, body, method))
        return door.answer(method)


def metrics(where):
    reply = ask(where, "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return exposition.parse(reply.body.decode())


def ends(where):
    """{outcome: number} of the activations that have ended, those that are not 0."""
    values = metrics(where)["whiskloop_activations_total"].values()
    return {name: number for name, number in values.items() if number}


def assert_says(reply, status, text):
    assert (reply.status, reply.body) == (status, text.encode()), reply
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


class Watched:
    """A proxy with an admin listener on a Unix socket."""

    def __init__(self, proxy, folder, *options, **kwargs):
        self.where = str(folder / "admin")
        self.proxy = proxy("--admin", f"unix:{self.where}", *options, **kwargs)

    def ask(self, path, method="GET", body=b""):
        return ask(self.where, path, method, body)

    def metrics(self):
        return metrics(self.where)

    def ends(self):
        return ends(self.where)

    def deaths(self):
        values = self.metrics()["whiskloop_worker_deaths_total"].values()
        return {name: number for name, number in values.items() if number}
