"""How the images behave under what an engine and a platform do to a container."""

import json
import os
import socket
import struct
import subprocess
import tarfile
import time
import uuid
from pathlib import Path

import pytest

import archives
import whisk
from container import CLI, ENGINE, LABEL, engine, image_name, limits
from languages import C, GO, JAVA, NODEJS
from wire import WAIT_S, request_bytes

FIRST_ANSWER = Path(__file__).with_name("first_answer.py")
quick = pytest.mark.quick
# What a platform that trusts nobody asks for. A tmpfs of docker's is not executable by itself.
STRICT = ("--read-only", "--tmpfs", "/tmp:exec,mode=1777", "--cap-drop=ALL",
          "--security-opt=no-new-privileges")

# Answers each line with what it is told in C: static, so that it runs in any image.
STATIC_ECHO = r"""
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[65536];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        puts("{\"text\":\"hello\"}");
        fflush(stdout);
    }
    return 0;
}
"""
# The old skeleton's contract: the value as an argument, the last line of output is the answer.
ONESHOT = "#!/bin/bash\necho 'a line of the log'\necho \"$1\"\n"
PYTHON_ECHO = "def main(args):\n    return args\n"

# Images that serve by themselves, and code of which each returns its argument; None: STATIC_ECHO.
SERVING = {"native": None, "native-static": None, "native-shell": None, "native-debian": None,
           "oneshot": ONESHOT, "python3": PYTHON_ECHO, "python3-tiny": PYTHON_ECHO,
           "nodejs": NODEJS["echo"], "python3-modules": PYTHON_ECHO, "nodejs-modules": NODEJS["echo"], "c": C["echo"], "go": GO["echo"], "java": JAVA["echo"]}
QUICK = ("native", "python3-tiny")
each_image = pytest.mark.parametrize("image", [
    pytest.param(image, marks=[quick] if image in QUICK else []) for image in SERVING])

# Waits until a file says that it may go on.
PYTHON_WAITS = """
import os, time

def main(args):
    open('/shared/arrived', 'w').close()
    while not os.path.exists('/shared/go'):
        time.sleep(0.01)
    return {}
"""
PYTHON_LOOK = """
import os, resource

def status(pid):
    with open('/proc/%s/status' % pid) as lines:
        return dict(line.rstrip().split(':\\t', 1) for line in lines if ':\\t' in line)

def main(args):
    own = status('self')
    try:
        open('/usr/share/new', 'w').close()
        writable = True
    except OSError as error:
        writable = str(error)
    return {'user': os.getuid(), 'group': os.getgid(), 'writable': writable,
            'capabilities': own['CapEff'], 'no_new_privs': own['NoNewPrivs'],
            'files': resource.getrlimit(resource.RLIMIT_NOFILE)[0], 'parent': os.getppid()}
"""
PYTHON_USES_MEMORY = """
def main(args):
    if 'megabytes' in args:
        blocks = [bytearray(b'x' * (1 << 20)) for _ in range(args['megabytes'])]
        return {'megabytes': len(blocks)}
    return {'alive': True}
"""
PYTHON_STARTS_THREADS = """
import threading

def main(args):
    started, gate, threads = 0, threading.Event(), []
    try:
        for _ in range(args['threads']):
            thread = threading.Thread(target=gate.wait, daemon=True)
            thread.start()
            threads.append(thread)
            started += 1
    except RuntimeError:
        pass
    gate.set()
    for thread in threads:
        thread.join()
    return {'started': started}
"""


@pytest.fixture(scope="session")
def static_echo(tmp_path_factory):
    """An executable that needs no library."""
    folder = tmp_path_factory.mktemp("static")
    (folder / "echo.c").write_text(STATIC_ECHO)
    subprocess.run(["cc", "-static", "-O1", "-o", folder / "echo", folder / "echo.c"], check=True,
                   timeout=WAIT_S)
    return (folder / "echo").read_bytes()


def ask(one, image, executable):
    """Publish what the image is for, and check its answer."""
    if SERVING[image] is None:
        one.started(executable)
        assert one.run({}).json == {"text": "hello"}
        return
    one.started(SERVING[image])
    assert one.run({"name": "☃"}).json == {"name": "☃"}


@each_image
def test_serves_with_nothing_but_a_scratch_folder(start, static_echo, image, record_property):
    """Read-only root, no capabilities, no new privileges, and a user that nobody knows. What it takes
    to serve is not judged, but put on record: docs/images.md tells it."""
    one = start(image, run=(*STRICT, "--user=4321:4321"))
    began = time.monotonic()
    ask(one, image, static_echo)
    record_property(f"{image}-init-and-run-ms", round((time.monotonic() - began) * 1000))
    if os.geteuid() == 0:
        record_property(f"{image}-pss-mb", round(one.pss_mb(), 1))
    whisk.wait_until(lambda: min(one.sentinels()) >= 1, "sentinels")
    assert one.execute("/usr/bin/whiskloop", "--health").returncode == 0


@quick
def test_runs_as_its_own_user_on_a_read_only_root(start):
    """What the options do is seen from inside, and nothing is left that the action can do."""
    one = start("python3-tiny", run=(*STRICT, *limits(1024)))
    one.started(PYTHON_LOOK)
    seen = one.run({}).json
    assert "Read-only file system" in seen.pop("writable")
    assert seen == {"user": 1000, "group": 1000, "capabilities": "0000000000000000",
                    "no_new_privs": "1", "files": 1024, "parent": 1}


@each_image
def test_images_say_what_they_are(image):
    """The settings that platforms and people read."""
    document = json.loads(engine("image", "inspect", image_name(image)).stdout)[0]
    config = {**document, **document["Config"]}  # podman tells of the health check one level up
    labels = config["Labels"]
    assert config["User"] == "1000:1000"
    assert config["Entrypoint"] == ["/usr/bin/whiskloop"]
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert labels["org.opencontainers.image.title"] == f"whiskloop {image}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"]
    assert labels["org.opencontainers.image.revision"]
    # OpenWhisk freezes containers behind the engine's back, which then counts each as unhealthy.
    assert not config.get("Healthcheck")


def files_of(image):
    """(its file's entry, a function that reads it) of each file of an image."""
    name = f"whiskloop-{uuid.uuid4().hex[:12]}"
    engine("create", "--name", name, "--label", LABEL, "--pull=never", image_name(image))
    try:
        with subprocess.Popen([*CLI, "export", name], stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
                for member in archive:
                    if member.isreg():
                        yield member, lambda member=member: archive.extractfile(member).read()
    finally:
        engine("rm", "--force", name)


@each_image
def test_images_bring_authorities_and_no_rights(image):
    """The usual certificate authorities, Java's in its own form, too; no program has a setuid or setgid bit; and in an
    image without dpkg each package that is recorded for scanners comes with its licence."""
    n_certificates, with_rights, recorded, licences, has_dpkg = {}, [], set(), set(), False
    for member, read in files_of(image):
        if member.mode & 0o6000:
            with_rights.append(member.name)
        if member.name == "etc/ssl/certs/ca-certificates.crt":
            n_certificates["all"] = read().count(b"BEGIN CERT")
        elif member.name == "etc/ssl/certs/java/cacerts":
            n_certificates["java"] = struct.unpack_from(">I", read(), 8)[0]
        elif member.name == "var/lib/dpkg/status":
            has_dpkg = True
        elif member.name.startswith("var/lib/dpkg/status.d/"):
            recorded.add(member.name.rpartition("/")[2])
        elif member.name.startswith("usr/share/doc/") and member.name.endswith("/copyright"):
            licences.add(member.name.split("/")[3])
    assert not with_rights
    assert set(n_certificates) == ({"all", "java"} if image == "java" else {"all"})
    assert min(n_certificates.values()) > 100
    assert has_dpkg or {"ca-certificates", "libarchive-dev"} <= recorded
    assert recorded <= licences


@quick
def test_stop_waits_for_the_activation_that_runs(start, folder):
    """docker stop: what runs is finished and answered, then the container ends with 0."""
    folder.chmod(0o777)
    one = start("python3-tiny", run=(f"--volume={folder}:/shared",))
    one.started(PYTHON_WAITS)
    answer = one.later(one.run, {})
    whisk.wait_until((folder / "arrived").exists, "the activation to run")
    end = one.later(one.stop)
    # A body that is none is refused with 400 until the proxy drains.
    whisk.wait_until(lambda: one.post("/run", b"none").status == 503, "the proxy to drain")
    (folder / "go").touch()
    assert answer.result().status == 200
    end.result()
    assert one.state()["ExitCode"] == 0
    assert one.check_streams(1) == ("", "")


@quick
def test_pause_and_unpause(start):
    """A container that the platform froze goes on where it was: nothing is lost, nothing late."""
    one = start("python3-tiny")
    one.started(PYTHON_ECHO)
    assert one.run({"n": 1}).json == {"n": 1}
    engine("pause", one.name)
    try:
        with socket.create_connection(("127.0.0.1", one.port), timeout=0.3) as client:
            client.sendall(request_bytes("/run", b'{"value":{"n":2}}'))
            with pytest.raises(TimeoutError):
                client.recv(1)
            engine("unpause", one.name)
            client.settimeout(WAIT_S)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    finally:
        engine("unpause", one.name, check=False)
    assert one.run({"n": 3}).json == {"n": 3}


@quick
def test_memory_used_up_costs_one_activation(start):
    """--memory: the activation that passes it is told so, the container goes on."""
    one = start("python3-tiny", run=("--memory=96m", "--memory-swap=96m"))
    one.started(PYTHON_USES_MEMORY)
    answer = one.run({"megabytes": 400})
    assert answer.status == 502
    assert answer.error == "The action exhausted its memory and was aborted."
    assert one.run({}).json == {"alive": True}
    assert one.run({"megabytes": 8}).json == {"megabytes": 8}


def test_processes_used_up_cost_nothing_more(start):
    """--pids-limit: the action gets as many as there are, and the container goes on."""
    one = start("python3-tiny", run=("--pids-limit=40",))
    one.started(PYTHON_STARTS_THREADS)
    assert 10 < one.run({"threads": 100}).json["started"] < 40
    assert one.run({"threads": 5}).json == {"started": 5}


def test_openwhisks_own_limits(start, static_echo):
    """What the platform's invoker gives a container: 1024 files and processes, fewer rights."""
    one = start("native-shell", run=(*limits(1024), "--pids-limit=1024", "--cap-drop=NET_RAW",
                                     "--cap-drop=NET_ADMIN", "--memory=256m", "--memory-swap=256m", "--cpu-shares=256"))
    one.started(archives.zipped({"exec": static_echo}))
    answers = whisk.together([lambda: one.run({}) for _ in range(50)])
    assert [answer.status for answer in answers] == [200] * 50
    one.check_streams(50)


@quick
def test_ends_by_itself_where_nothing_can_be_written():
    """Without a scratch folder the program says what it lacks, and does not linger."""
    done = engine("run", "--rm", "--pull=never", "--read-only", "--read-only-tmpfs=false",
                  image_name("native"), check=False) if ENGINE == "podman" else \
        engine("run", "--rm", "--pull=never", "--read-only", image_name("native"), check=False)
    assert done.returncode == 1
    assert "whiskloop: " in done.stderr and "/tmp" in done.stderr


@quick
def test_a_derived_image_carries_its_action(start):
    """FROM ours with one COPY: the action is there without an /init, and ready."""
    one = start("test-carried", env={"WHISKLOOP_ADMIN": "unix:/tmp/admin"})
    assert one.run({"name": "Mike"}).json == {"text": "Hello, Mike!"}
    assert one.execute("/usr/bin/whiskloop", "--health").returncode == 0
    assert one.check_streams(1) == ("greeting Mike", "")


@quick
def test_a_derived_image_carries_what_was_copied(start):
    """FROM ours with one COPY: the action finds it."""
    one = start("test-derived")
    one.started("from derived_greetings import greet\n\ndef main(args):\n"
                "    return {'text': greet(args['name'])}\n")
    assert one.run({"name": "Mike"}).json == {"text": "Hello, Mike!"}


def test_a_derived_image_installs_by_apt_and_pip(start):
    """python3, extended by a package of Debian's and one of pip's."""
    one = start("test-pip")
    one.started("from derived_greetings import greet\nimport pip\n\ndef main(args):\n"
                "    return {'text': greet('pip'), 'pip': bool(pip.__version__)}\n")
    assert one.run({}).json == {"text": "Hello, pip!", "pip": True}


@pytest.mark.parametrize("name", ["go", "php", "python"])
def test_the_program_in_an_image_of_the_actionloop_kind(start, name):
    """docker/actionloop, on a base that stands for Apache's: the program takes the place of /bin/proxy."""
    assert {path.stem for path in (whisk.REPO / "docker/actionloop").iterdir()} == {"go", "php", "python"}
    one = start(f"test-actionloop-{name}")
    with open(whisk.REPO / "actions/hello-actionloop/exec", "rb") as file:
        one.started(file.read())
    wanted = json.loads((whisk.REPO / "actions/hello-actionloop/expected.json").read_text())
    value = json.loads((whisk.REPO / "actions/hello-actionloop/input.json").read_text())
    assert one.run(value).json == wanted


def piped(image, values, *arguments, run=()):
    """(what pipe answered to each value, the finished process)."""
    lines = "".join(json.dumps({"value": value}) + "\n" for value in values)
    done = engine("run", "--rm", "--interactive", "--label", LABEL, "--pull=never", *STRICT, *run, image_name(image), "pipe", *arguments, check=False, input=lines)
    return [json.loads(line) for line in done.stdout.splitlines()], done


@quick
def test_pipe_answers_lines_in_a_container(folder):
    """docker run -i IMAGE pipe FILE: an answer for each line, in their order; the log is on stderr."""
    code = folder / "hello.py"
    code.write_text("def main(args):\n    print('log of', args['n'])\n    return {'n': args['n'] * 2}\n")
    values = [{"n": n} for n in range(200)] + [{}, {"n": 7}]
    answers, done = piped("python3-tiny", values, "/hello.py", run=(f"--volume={code}:/hello.py:ro",))
    assert done.returncode == 0, done.stderr
    assert answers == [{"n": n * 2} for n in range(200)] + [{"error": "'n'", "kind": "action"}, {"n": 14}]
    assert done.stderr.startswith("log of 0\n") and done.stderr.count("log of ") == 201
    assert done.stderr.endswith("log of 7\n")


@quick
def test_pipe_takes_the_action_that_the_image_carries():
    """Without FILE; in a derived image."""
    answers, done = piped("test-carried", [{"name": "Mike"}, {"name": "☃"}])
    assert (done.returncode, answers) == (0, [{"text": "Hello, Mike!"}, {"text": "Hello, ☃!"}])


@quick
def test_pipe_without_any_action_says_so():
    answers, done = piped("native", [{}])
    assert (done.returncode, answers) == (2, [])
    assert "no FILE is named" in done.stderr


def test_version_is_asked_without_serving():
    """The program's own options reach it."""
    done = engine("run", "--rm", "--pull=never", image_name("proxy"), "--version")
    assert done.stdout.startswith("whiskloop ")


@pytest.mark.parametrize("image", ["python3", pytest.param("python3-tiny", marks=quick)])
def test_time_from_start_to_the_first_answer(image, record_property):
    """Not judged, but put on record: from exec inside the container to the first answer."""
    # The shares are against the other containers: what the machine does besides is still in it.
    done = engine("run", "--rm", "--label", LABEL, "--pull=never", "--network=none",
                  "--cpu-shares=262144", f"--volume={FIRST_ANSWER}:/first_answer.py:ro",
                  "--entrypoint=/usr/bin/python3", image_name(image), "/first_answer.py", 9,
                  "/usr/bin/whiskloop")
    found = json.loads(done.stdout)
    record_property(f"{image}-start-to-answer-ms", found["median_ms"])
    assert len(found["all_ms"]) == 9 and found["median_ms"] in found["all_ms"]
