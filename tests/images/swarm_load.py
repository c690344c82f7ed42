#!/usr/bin/env python3
"""swarm_load - requests of four clients to a service of a swarm, from a container in its network.

    swarm_load.py HOST FOLDER

Each request has a connection of its own, to any of HOST's addresses that answers. FOLDER/answered holds the
number of requests that were answered rightly, FOLDER/failed a line for each other. A request that no address
took is a failure, as is one that was sent and got no right answer.
"""

import http.client
import pathlib
import random
import socket
import sys
import threading
import time

CONNECT_S = 2  # an address of a task that was killed swallows what is sent to it
ANSWER_S = 60
PAUSE_S = 0.01  # two cores serve everything
BODY = '{"value":{"name":"Mike"}}'


def connected(host):
    addresses = socket.getaddrinfo(host, 8080, socket.AF_INET, socket.SOCK_STREAM)
    random.shuffle(addresses)
    for address in addresses:
        connection = socket.socket(socket.AF_INET)
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(address[4])
            connection.settimeout(ANSWER_S)
            return connection
        except OSError:
            connection.close()
    raise OSError(f"none of {len(addresses)} addresses takes a connection")


def wrong(host):
    """What went wrong with one request; None: nothing."""
    try:
        client = http.client.HTTPConnection(host, 8080)
        client.sock = connected(host)
        client.request("POST", "/run", BODY, {"Content-Type": "application/json"})
        answer = client.getresponse()
        text = answer.read()
        client.close()
        return None if answer.status == 200 and b"Mike" in text else f"{answer.status} {text[:200]}"
    except (OSError, http.client.HTTPException) as error:
        return repr(error)


def main():
    host, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    while wrong(host) is not None:  # until the service is there
        time.sleep(PAUSE_S)
    n_answered, lock = 0, threading.Lock()

    def client():
        nonlocal n_answered
        while True:
            fault = wrong(host)
            with lock:
                if fault is None:
                    n_answered += 1
                    (folder / "new").write_text(str(n_answered))
                    (folder / "new").rename(folder / "answered")
                else:
                    with (folder / "failed").open("a") as file:
                        file.write(fault + "\n")
            time.sleep(PAUSE_S)

    for _ in range(4):
        threading.Thread(target=client).start()


if __name__ == "__main__":
    main()
