"""--admin: health, readiness and metrics on a listener of their own."""

import json
import os
import re
import socket
import subprocess
import time

import pytest

import exposition
import puppet
import samples
import whisk
from puppet import answer, steps
from watch import Door, Watched, ask, assert_says
from whisk import assert_error, soon, wait_until
from wire import WAIT_S, request_bytes

PATHS = ("/healthz", "/readyz", "/metrics")


@pytest.fixture
def watched(proxy, folder):
    return lambda *options: Watched(proxy, folder, *options)


def native(watched, *options):
    one = watched("--runtime", "native", *options)
    one.proxy.started(puppet.CODE)
    return one


# --- the listeners ------------------------------------------------------------------------------

@pytest.mark.parametrize("with_admin", [False, True])
def test_the_contracts_port_serves_none_of_it(proxy, folder, with_admin):
    one = proxy(*(("--admin", f"unix:{folder}/admin") if with_admin else ()))
    for path in PATHS:
        for method in ("GET", "POST"):
            assert_error(one.request(method, path), 404,
                         "No such path: this is an action, use POST /init and POST /run.")


def test_the_admin_listener_serves_nothing_of_the_contract(watched):
    one = watched()
    for path in ("/run", "/init"):
        assert_error(one.ask(path, "POST", b'{"value":{}}'), 404,
                     "No such path: use GET /healthz, /readyz or /metrics.")
    for path in ("/", "/metrics/", "/healthz/x", "/readyzz"):
        assert one.ask(path).status == 404
    assert one.proxy.run({}).status == 500  # nothing was published


@pytest.mark.parametrize("path", PATHS)
def test_get_and_head_only(watched, path):
    one = watched()
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        reply = one.ask(path, method)
        assert_error(reply, 405, "This path takes GET, HEAD only.")
        assert reply.headers["Allow"] == "GET, HEAD"
    got, head = one.ask(path), one.ask(path, "HEAD")
    assert head.status == got.status
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert path == "/metrics" or head.headers["Content-Length"] == got.headers["Content-Length"]
    assert one.ask(path + "?x=1").status == got.status


def test_a_tcp_port_that_the_proxy_chooses_is_told_in_the_log(proxy):
    one = proxy("--admin", "127.0.0.2:0", "--log-level", "info")
    found = re.search(r"admin\.listen at=127\.0\.0\.2:0 port=(\d+)\n", one.err_text())
    assert_says(ask(("127.0.0.2", int(found[1])), "/healthz"), 200, "ok\n")


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_an_ipv6_address_stands_in_brackets(proxy):
    one = proxy("--admin", "[::1]:0", "--log-level", "info")
    found = re.search(r"admin\.listen at=\[::1\]:0 port=(\d+)\n", one.err_text())
    assert_says(ask(("::1", int(found[1])), "/healthz"), 200, "ok\n")


def test_a_socket_file_that_a_killed_proxy_left_is_replaced(proxy, folder):
    path = str(folder / "admin")
    first = proxy("--admin", f"unix:{path}")
    first.process.kill()
    first.process.wait(WAIT_S)
    first.finished = True  # it could not tidy up; that is what this is about
    assert os.path.exists(path)
    second = proxy("--admin", f"unix:{path}")
    assert_says(ask(path, "/healthz"), 200, "ok\n")
    second.finish()
    assert not os.path.exists(path)


def run_to_end(*options, env=None):
    return subprocess.run(
        [str(whisk.PROGRAM), "--port", "0", "--listen", "127.0.0.1", *map(str, options)],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
        env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0", **(env or {})})


@pytest.mark.parametrize("value", [
    "9090", ":9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "localhost:9090",
    "::1:9090", "[::1]", "unix:", "unix:/" + "x" * 108])
def test_a_wrong_place_ends_with_2(value):
    for done in (run_to_end("--admin", value), run_to_end(env={"WHISKLOOP_ADMIN": value})):
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"whiskloop: --admin=[^\n]+\n", done.stderr), done.stderr


def test_a_place_that_is_taken_ends_with_1(watched, folder):
    one = watched()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_to_end("--admin", f"127.0.0.1:{port}")
        assert (done.returncode, done.stderr) == (
            1, f"whiskloop: cannot listen on 127.0.0.1 port {port} (--admin): "
               "Address already in use\n")
    done = run_to_end("--admin", f"unix:{one.where}")
    assert (done.returncode, done.stderr) == (
        1, f'whiskloop: cannot listen on "{one.where}" (--admin): Address already in use\n')
    (folder / "file").write_text("mine")
    assert run_to_end("--admin", f"unix:{folder}/file").returncode == 1
    assert (folder / "file").read_text() == "mine"
    assert_says(one.ask("/healthz"), 200, "ok\n")


def test_a_start_that_fails_later_leaves_no_socket_file(folder):
    done = run_to_end("--admin", f"unix:{folder}/admin", "--runtime", "nonsense")
    assert done.returncode == 2
    assert not (folder / "admin").exists()


# --- health and readiness -----------------------------------------------------------------------

def test_ready_once_there_is_an_action(watched):
    one = watched("--runtime", "python")
    assert_says(one.ask("/healthz"), 200, "ok\n")
    assert_says(one.ask("/readyz"), 503, "not initialised\n")
    assert one.proxy.init(samples.PYTHON_CODES["broken"]).status == 502
    assert_says(one.ask("/readyz"), 503, "not initialised\n")
    one.proxy.started(samples.PYTHON_CODES["echo"])
    assert_says(one.ask("/readyz"), 200, "ready\n")
    assert_says(one.ask("/healthz"), 200, "ok\n")


def test_not_ready_while_the_action_is_broken(watched, tmp_path):
    door = tmp_path / "door"
    door.touch()
    one = watched("--runtime", "python", "--workers", "1", "--broken-after", "3",
                  "--restart-pause", "1", "--restart-pause-max", "5")
    one.proxy.started(samples.NEEDS_DOOR.format(door=str(door)))
    door.unlink()
    assert_error(one.proxy.run({"leave": 1}), 400, "command exited")
    assert one.proxy.run({"a": 1}).status == 502
    wait_until(lambda: one.ask("/readyz").status == 503, "it to be broken")
    assert_says(one.ask("/readyz"), 503, "broken: the action does not start any more\n")
    door.touch()
    wait_until(lambda: one.ask("/readyz").status == 200, "it to be mended")
    assert one.proxy.run({"a": 1}).json == {"a": 1}


def test_not_ready_while_draining_and_yet_alive(watched, gate):
    one, door = native(watched), gate()
    held = one.proxy.later(one.proxy.run, steps(puppet.wait_at(door), answer('{"a":1}')))
    door.wait_reached()
    one.proxy.terminate()
    wait_until(one.proxy.sigterm_taken, "the signal to be taken")
    wait_until(lambda: one.ask("/readyz").status == 503, "it to drain")
    assert_says(one.ask("/readyz"), 503, "draining\n")
    assert_says(one.ask("/healthz"), 200, "ok\n")
    reply = one.proxy.run({})
    assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0
    assert one.ends() == {"draining": 1}
    door.release()
    assert held.result().json == {"a": 1}
    assert one.proxy.process.wait(WAIT_S) == 0
    assert not os.path.exists(one.where)


def test_drain_delay_serves_on_while_it_is_not_ready(watched):
    """Requests that a balancer sends before it has seen /readyz fail are served; each answer ends its
    connection. A second signal ends the delay."""
    one = native(watched, "--drain-delay", "3600000")
    one.proxy.terminate()
    wait_until(lambda: one.ask("/readyz").status == 503, "it to leave")
    assert_says(one.ask("/readyz"), 503, "draining\n")
    assert_says(one.ask("/healthz"), 200, "ok\n")
    for n in range(3):
        reply = one.proxy.run(steps(answer(f'{{"a":{n}}}')))
        assert reply.json == {"a": n}
        assert reply.headers["Connection"] == "close"
    one.proxy.terminate()
    assert one.proxy.process.wait(WAIT_S) == 0


@pytest.mark.parametrize("chunks", [False, True])
def test_what_is_sent_ahead_is_answered_during_drain_delay(watched, chunks):
    """The connection ends with the last of several requests, also if those before it are refused."""
    one = native(watched, "--drain-delay", "3600000")
    one.proxy.terminate()
    wait_until(lambda: one.ask("/readyz").status == 503, "it to leave")
    refused = request_bytes("/nowhere", b"{}")
    if chunks:
        refused = (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"2\r\n{}\r\n0\r\n\r\n")
    with one.proxy.connect() as stream:
        stream.send(2 * refused)
        for connection in ("keep-alive", "close"):
            reply = stream.answer()
            assert (reply.status, reply.headers["Connection"]) == (404, connection)
        assert stream.file.read() == b""
    one.proxy.terminate()
    assert one.proxy.process.wait(WAIT_S) == 0


def test_what_is_sent_while_another_runs_is_answered_during_drain_delay(watched, gate):
    """Also if its bytes have come after those of the request before them, and are still unread."""
    door = gate()
    one = native(watched, "--drain-delay", "3600000")
    one.proxy.terminate()
    wait_until(lambda: one.ask("/readyz").status == 503, "it to leave")
    with one.proxy.connect() as stream:
        body = json.dumps({"value": steps(puppet.wait_at(door), answer('{"a":1}'))}).encode()
        stream.send(request_bytes("/run", body))
        door.wait_reached()
        stream.send(request_bytes("/nowhere", b"{}"))
        assert_says(one.ask("/healthz"), 200, "ok\n")  # by then it has seen that there is more
        door.release()
        reply = stream.answer()
        assert (reply.json, reply.headers["Connection"]) == ({"a": 1}, "keep-alive")
        assert stream.answer().status == 404
        assert stream.file.read() == b""
    one.proxy.terminate()
    assert one.proxy.process.wait(WAIT_S) == 0


def test_drain_delay_ends_by_itself(watched):
    """Then the proxy drains as it does without one."""
    one = native(watched, "--drain-delay", "200")
    one.proxy.terminate()
    assert one.proxy.process.wait(WAIT_S) == 0


def test_clients_of_the_admin_listener_do_not_hold_up_the_exit(watched):
    one = native(watched)
    with Door(one.where) as idle, Door(one.where) as half:
        idle.send(request_bytes("/healthz", b"", "GET"))
        assert_says(idle.answer("GET"), 200, "ok\n")
        half.send(b"GET /metrics HTTP/1.1\r\nHos")
        one.proxy.terminate()
        assert one.proxy.process.wait(WAIT_S) == 0


def test_health_asked_by_the_program_itself(watched, folder):
    one = watched()
    done = run_to_end("--health", "--admin", f"unix:{one.where}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
    done = run_to_end("--health", env={"WHISKLOOP_ADMIN": f"unix:{one.where}"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
    done = run_to_end("--health", "--admin", f"unix:{folder}/nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "whiskloop: cannot reach the admin listener: No such file or directory\n"
    done = run_to_end("--health")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--admin" in done.stderr


@pytest.mark.parametrize("reply, words", [
    (b"", "it closed the connection"),
    (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 503"),
    (b"SSH-2.0-nonsense\r\n", "SSH-2.0-nons")])
def test_health_of_somebody_else(reply, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(reply)
        later = whisk.Later(serve)
        done = run_to_end("--health", "--admin", f"127.0.0.1:{listener.getsockname()[1]}")
        later.result()
    assert done.returncode == 1
    assert words in done.stderr


# --- metrics ------------------------------------------------------------------------------------

def test_the_list_in_the_docs_is_what_is_served(watched):
    text = (whisk.REPO / "docs/monitoring.md").read_text()
    table = re.search(r"<!-- metrics -->\n(.*?)<!-- /metrics -->", text, re.S)[1]
    rows = re.findall(r"^\| `([a-z_]+)(?:\{([a-z]+)\})?` \| (\w+) \| (.+) \|$", table, re.M)
    served = watched().metrics().values()
    labels = [{label for _, label, _, _ in one.samples} - {"le"} for one in served]
    assert rows == [(one.name, "".join(label or "" for label in names), one.type, one.help)
                    for one, names in zip(served, labels)]


def test_each_outcome_and_cause_is_explained(watched):
    text = (whisk.REPO / "docs/monitoring.md").read_text()
    served = watched().metrics()
    for name, label in (("whiskloop_activations_total", "outcome"), ("whiskloop_worker_deaths_total", "cause")):
        part = re.search(rf"^\| {label} \|.*?\n\n", text, re.S | re.M)
        assert part is not None, label
        explained = [value for cell in re.findall(r"^\| (`[^|]*) \|", part[0], re.M)
                     for value in re.findall(r"`([a-z_]+)`", cell)]
        assert sorted(explained) == sorted(value for _, _, value, _ in served[name].samples)


def test_the_parser_of_prometheus_reads_the_same(watched):
    parser = pytest.importorskip("prometheus_client.parser")
    one = native(watched)
    assert one.proxy.run(steps(answer('{"a":1}'))).status == 200
    text = one.ask("/metrics").body.decode()
    ours = exposition.parse(text)
    theirs = {}
    for family in parser.text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        theirs[name] = (family.type, family.documentation,
                        [(s.name, *(tuple(s.labels.items()) or ((None, None),))[0], s.value)
                         for s in family.samples])
    assert theirs == {name: (one.type, one.help, one.samples) for name, one in ours.items()}


def test_every_activation_is_counted_by_how_it_ended(watched):
    one = watched("--runtime", "native", "--workers", 1, "--run-max-bytes", 5000, "--init-max-bytes", 10000,
                  "--answer-max-bytes", 1000)
    run = one.proxy.run
    assert run({}).status == 500
    one.proxy.started(puppet.CODE)
    replies = [run(steps(answer('{"a":1}'))) for _ in range(5)]
    replies += [run(steps(answer("null"))) for _ in range(2)]
    replies.append(run(steps(answer('{"a":"' + 2000 * "x" + '"}'))))
    replies.append(run(steps(puppet.leave(3))))
    replies.append(run(steps(puppet.die())))
    wait_until(lambda: one.metrics()["whiskloop_workers"].values()["ready"] == 1, "the next process")
    replies.append(run(steps(puppet.forever()), deadline=soon(2000)))
    assert [reply.status for reply in replies] == 5 * [200] + 3 * [502] + 2 * [400] + [502]
    for body in (b"{", b"[]", b""):
        assert one.proxy.post("/run", body).status == 400
    for size in (5001, 20000):
        assert one.proxy.post("/run", size * b" ").status == 413
    assert one.ends() == {"no_action": 1, "ok": 5, "bad_answer": 2, "answer_too_long": 1, "died": 2,
                          "deadline": 1, "bad_body": 3, "body_too_large": 2}
    wait_until(lambda: sum(one.deaths().values()) == 3, "all ends to be seen")
    assert one.deaths() == {"exited": 1, "signalled": 1, "deadline": 1}
    metrics = one.metrics()
    assert metrics["whiskloop_activation_duration_seconds"].count == len(replies)
    assert metrics["whiskloop_queue_duration_seconds"].count == len(replies)
    assert metrics["whiskloop_action_duration_seconds"].count == 8
    assert metrics["whiskloop_activation_duration_seconds"].sum >= \
        metrics["whiskloop_queue_duration_seconds"].sum
    assert metrics["whiskloop_answer_bytes_total"].value() == 5 * len('{"a":1}')
    assert run(steps(answer('{"a":1}'))).status == 200
    metrics = one.metrics()
    assert metrics["whiskloop_worker_starts_total"].value() == 4
    assert metrics["whiskloop_worker_restarts_total"].value() == 3
    assert metrics["whiskloop_workers"].values() == \
        {"down": 0, "starting": 0, "ready": 1, "stopping": 0}


def test_a_start_again_that_fails_is_told(watched):
    """The action removes its own file, so that no process of it can be made any more."""
    one = watched("--runtime", "native", "--workers", 1)
    one.proxy.started("#!/bin/bash\nwhile read -r line; do rm -- \"$0\"; exit 1; done\n")
    assert one.proxy.run({}).status == 400
    assert one.proxy.run({}).status == 502
    assert one.ends() == {"died": 1, "unstarted": 1}
    metrics = one.metrics()  # of one moment: it is tried again and again
    deaths = metrics["whiskloop_worker_deaths_total"].values()
    assert deaths["exited"] == 1 and deaths["unspawned"] >= 1
    assert metrics["whiskloop_worker_starts_total"].value() == sum(deaths.values())


def test_bytes_of_answers_and_logs_are_those_that_were_written(watched):
    one = native(watched)
    reply = one.proxy.run(steps(puppet.out(b"one line\n"), puppet.err(b"another, unfinished"),
                                answer('{"text":"\u2603"}')))
    metrics = one.metrics()
    assert metrics["whiskloop_answer_bytes_total"].value() == len(reply.body)
    out, err = one.proxy.logs()
    assert b"one line\n" in out and b"another, unfinished\n" in err
    assert metrics["whiskloop_log_bytes_total"].values() == {"stdout": len(out), "stderr": len(err)}
    assert metrics["whiskloop_log_dropped_bytes_total"].values() == {"stdout": 0, "stderr": 0}


def test_bytes_of_requests_are_those_of_their_bodies(watched):
    one = native(watched)
    bodies = [b'{"value":{"steps":[%s["raw","e30K"]]}}' % (n * b" ") for n in (0, 10, 1000)]
    for body in bodies:
        assert one.proxy.post("/run", body).status == 200
    assert one.proxy.post("/run", b"refused").status == 400
    assert one.metrics()["whiskloop_request_bytes_total"].value() == sum(map(len, bodies))


def test_what_runs_and_what_waits_now(watched, gate):
    one, door = native(watched, "--queue-max", 2, "--workers", 1), gate()
    first = one.proxy.later(one.proxy.run, steps(puppet.wait_at(door), answer('{"a":1}')))
    door.wait_reached()
    rest = [one.proxy.later(one.proxy.run, steps(answer('{"a":1}'))) for _ in range(2)]
    wait_until(lambda: one.metrics()["whiskloop_activations_queued"].value() == 2, "two that wait")
    assert one.proxy.run({}).status == 429
    metrics = one.metrics()
    assert metrics["whiskloop_activations_in_flight"].value() == 1
    assert metrics["whiskloop_activations_queued"].value() == 2
    assert one.ends() == {"queue_full": 1}
    door.release()
    assert [later.result().status for later in (first, *rest)] == 3 * [200]
    metrics = one.metrics()
    assert metrics["whiskloop_activations_in_flight"].value() == 0
    assert metrics["whiskloop_activations_queued"].value() == 0
    assert one.ends() == {"queue_full": 1, "ok": 3}


def test_a_run_that_is_refused_as_the_second_is_busy(watched, gate):
    one, door = native(watched, "--one-at-a-time"), gate()
    first = one.proxy.later(one.proxy.run, steps(puppet.wait_at(door), answer('{"a":1}')))
    door.wait_reached()
    assert one.proxy.run({}).status == 403
    assert one.ends() == {"busy": 1}
    door.release()
    assert first.result().status == 200


def assert_tells_memory(one, n_processes):
    """It is that of all processes of the action."""
    pids, resident = one.proxy.children(), 0
    assert len(pids) == n_processes
    for pid in pids:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            resident += int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    told = one.metrics()["whiskloop_children_resident_memory_bytes"].value()
    assert 0.8 * resident <= told <= 1.2 * resident


def test_each_worker_counts(watched):
    one = watched("--runtime", "python", "--workers", 3)
    one.proxy.started(samples.PYTHON_CODES["echo"])
    wait_until(lambda: one.metrics()["whiskloop_workers"].value("ready") == 3, "three workers")
    metrics = one.metrics()
    assert metrics["whiskloop_worker_starts_total"].value() == 3
    assert metrics["whiskloop_worker_restarts_total"].value() == 0
    assert_tells_memory(one, 3)


def test_the_zygote_counts_in_the_memory_of_the_action(watched):
    one = watched("--runtime", "python", "--workers", 2, "--fork-workers", 1)
    one.proxy.started(samples.PYTHON_CODES["echo"])
    wait_until(lambda: one.metrics()["whiskloop_workers"].value("ready") == 2, "two workers")
    assert_tells_memory(one, 3)


def test_a_replaced_version_counts_until_it_has_ended(watched, gate):
    """Processor time, a counter, must not go back while its processes live on."""
    code = """
import time

def main(args):
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    with open(args["gate"]) as gate:
        gate.read()
    return {}
"""
    one, door = watched("--runtime", "python", "--workers", 1, "--allow-reinit", "--prelaunch", 0), gate()
    one.proxy.started(code)
    held = one.proxy.later(one.proxy.run, {"gate": door.path})
    door.wait_reached()
    before = one.metrics()["whiskloop_children_cpu_seconds_total"].value()
    assert before >= 0.18  # told in ticks of 10 ms
    one.proxy.started(samples.PYTHON_CODES["echo"])
    metrics = one.metrics()
    assert metrics["whiskloop_children_cpu_seconds_total"].value() >= before
    assert metrics["whiskloop_activations_in_flight"].value() == 1
    assert metrics["whiskloop_workers"].value("ready") == 2
    assert_tells_memory(one, 2)
    door.release()
    assert held.result().status == 200
    wait_until(lambda: one.metrics()["whiskloop_workers"].values() ==
               {"down": 0, "starting": 0, "ready": 1, "stopping": 0}, "the replaced one to end")


def test_what_the_system_knows_of_the_proxy(watched):
    one = watched()
    metrics = one.metrics()
    told = metrics["process_resident_memory_bytes"].value()
    assert 0.7 * told <= one.proxy.memory_kb("VmRSS") * 1024 <= 1.3 * told
    one.proxy.wait_left()
    # The one that asked was among them.
    assert metrics["process_open_fds"].value() == len(one.proxy.descriptors()) + 1
    assert metrics["process_max_fds"].value() >= metrics["process_open_fds"].value()
    assert 0 < time.time() - metrics["process_start_time_seconds"].value() < 600
    assert metrics["process_cpu_seconds_total"].value() > 0
    told = subprocess.run([str(whisk.PROGRAM), "--version"], capture_output=True, text=True,
                          timeout=WAIT_S, check=True).stdout.splitlines()
    version = told[0].split()[1]
    assert metrics["whiskloop_build_info"].value(version) == 1
    assert set(metrics["whiskloop_library_info"].values()) == set(told[1:])


def test_processor_time_of_the_action_stays_when_it_dies(watched):
    code = """
import os, time

def main(args):
    if "die" in args:
        os._exit(1)
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    return {}
"""
    one = watched("--runtime", "python")
    one.proxy.started(code)

    def told():
        return one.metrics()["whiskloop_children_cpu_seconds_total"].value()

    assert one.proxy.run({}).status == 200
    alive = told()
    assert alive >= 0.08  # told in ticks of 10 ms
    assert one.proxy.run({"die": 1}).status == 400
    wait_until(lambda: one.deaths(), "its end")
    assert told() >= alive
