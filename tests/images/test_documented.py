"""The commands of the pages that need an engine, run as they are written there."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest
import yaml

import archives
import whisk
from container import ENGINE, LABEL, REPO, engine, image_name, lacks
from wire import WAIT_S

# The pages' port is 8080: free for certain only in a network of our own.
pytestmark = [pytest.mark.skipif(ENGINE != "docker" or not os.environ.get("IMAGES_PRIVATE"),
                                 reason="the pages say docker and port 8080, which are ours only in a docker of our own"),
              pytest.mark.xdist_group("port-8080")]
HELLO = "def main(args):\n    return {'text': 'Hello, ' + args['name'] + '!'}\n"
VALUE = {"name": "Mike"}
ANSWER = {"text": "Hello, Mike!"}


def block(page, start):
    """The commands of the block of docs/PAGE that starts with this text; long ones on one line."""
    text = (REPO / "docs" / page).read_text(encoding="utf-8")
    at = text.index("\n```sh\n" + start) + len("\n```sh\n")
    lines = text[at:text.index("\n```", at)].replace("\\\n", "").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def shell(line, folder=REPO):
    """Run a command as a reader would; what it prints."""
    done = subprocess.run(["bash", "-ec", line], cwd=folder, capture_output=True, text=True,
                          timeout=4 * WAIT_S, check=False)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout.strip()


def answers():
    try:
        with socket.create_connection(("127.0.0.1", 8080), timeout=WAIT_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return client.recv(12).startswith(b"HTTP/1.1 404")
    except OSError:
        return False


def greets(init="bin/init.sh actions/hello-python/hello.py", run="bin/run.sh '{\"name\":\"Mike\"}'"):
    """Whether the sample greets once it is published."""
    whisk.wait_until(answers, "the container to answer")
    shell(init)
    return "Mike" in json.dumps(json.loads(shell(run)))


def test_a_first_container():
    """docs/images.md, from the build to an /init; scripts/test-images.sh ran the build."""
    build, start, publish = block("images.md", "scripts/images.sh")
    assert build == "scripts/images.sh" and start.startswith("docker run -d ")
    name = shell(start)
    try:
        assert greets(publish)
    finally:
        engine("rm", "--force", name)


def test_a_container_with_all_that_hardens_it():
    """docs/security.md."""
    (line,) = block("security.md", "docker run ")
    name = shell(line.replace("docker run ", f"docker run -d --label {LABEL} "))
    try:
        assert greets()
    finally:
        engine("rm", "--force", name)


def test_pipe_in_a_container(folder):
    """docs/filter.md."""
    with_file, carried = block("filter.md", "docker run -i ")
    (folder / "hello.py").write_text(HELLO)
    (folder / "lines").write_text(json.dumps({"value": VALUE}) + "\n")
    folder.chmod(0o755)
    for line in (with_file, carried.replace("IMAGE-WITH-AN-ACTION", image_name("test-carried"))):
        shell(line, folder)
        assert json.loads((folder / "answers").read_text()) == ANSWER


def test_an_image_with_an_action(folder):
    """docs/images.md: the Dockerfile, and what one types to build it, run it and call it."""
    build, start, call = block("images.md", "docker build -t hello")
    page = (REPO / "docs/images.md").read_text(encoding="utf-8")
    (folder / "Dockerfile").write_text(re.search(r"<!-- file: Dockerfile -->\n```dockerfile\n(.*?)```", page, re.S)[1])
    (folder / "hello.py").write_text(HELLO)
    shell(build, folder)
    name = shell(start)
    try:
        whisk.wait_until(answers, "the container to answer")
        assert json.loads(shell(call)) == ANSWER
    finally:
        engine("rm", "--force", name)
        engine("rmi", "hello:latest", check=False)


def test_run_and_save(folder):
    """scripts/images.sh --run and --save, which docs/images.md names; docker load takes what was saved."""
    text = (REPO / "docs/images.md").read_text(encoding="utf-8")
    assert "`scripts/images.sh --run python3`" in text and "`scripts/images.sh --save DIR python3`" in text
    with subprocess.Popen([REPO / "scripts/images.sh", "--run", "python3"], start_new_session=True) as one:
        try:
            assert greets()
        finally:
            os.killpg(one.pid, signal.SIGINT)
            one.wait(WAIT_S)
    shell(f"scripts/images.sh --save {shlex.quote(str(folder))} python3")
    assert "whiskloop/python3:latest" in engine("load", "-i", folder / "python3.tar").stdout


def kind_of(words):
    """(the image, whether the code is a file's text) that a controller takes for this `wsk action` command."""
    if "--docker" in words:
        return words[words.index("--docker") + 1].rpartition("/")[2]
    kind = words[words.index("--kind") + 1]
    families = json.loads((REPO / "docker/openwhisk/runtimes.json").read_text())["runtimes"].values()
    (image,) = [one["image"]["name"] for family in families for one in family if one["kind"] == kind]
    return image


def static_greeting(folder):
    """An executable for the image native, which has no shell."""
    (folder / "exec.c").write_text('#include <stdio.h>\n\nint main(void)\n{\n    char line[65536];\n\n'
                                   '    while (fgets(line, sizeof(line), stdin)) {\n'
                                   '        puts("{\\"text\\":\\"Hello, Mike!\\"}");\n        fflush(stdout);\n    }\n}\n')
    shell("cc -static -o exec exec.c", folder)
    return (folder / "exec").read_bytes()


def test_what_wsk_creates(start, folder):
    """docs/platforms/openwhisk.md: wsk itself is not packaged; the test sends what controller and invoker send for its commands."""
    create, update = [], []
    for line in block("platforms/openwhisk.md", "wsk action"):
        words = shlex.split(line)
        (create if words[2] == "create" else update).append(words)
    code_of = {"hello.py": HELLO, "exec.zip": archives.zipped({"exec": static_greeting(folder)}),
               "hello.sh": "#!/bin/bash\necho '{\"text\":\"Hello, Mike!\"}'\n"}
    assert {words[4] for words in create} == set(code_of)
    for words in create:
        one = start(kind_of(words))
        one.started(code_of[words[4]])
        assert one.run(VALUE).json == ANSWER, words
    ((*_, option, n),) = update
    assert option == "--concurrency"
    one = start(kind_of(create[0]), env={"__OW_ALLOW_CONCURRENT": "true"})
    one.started("import asyncio\nn, gate = 0, None\n\nasync def main(args):\n    global n, gate\n"
                "    gate = gate or asyncio.Event()\n    n += 1\n"
                f"    if n == {n}:\n        gate.set()\n    await gate.wait()\n    return {{'n': args['n']}}\n")
    found = whisk.together([lambda i=i: one.run({"n": i}).json for i in range(int(n))])
    assert [answer["n"] for answer in found] == list(range(int(n)))


def ask_prometheus(path):
    try:
        with urllib.request.urlopen("http://127.0.0.1:9091/api/v1/" + path, timeout=WAIT_S) as answer:
            return json.load(answer)["data"]
    except OSError:
        return {}


def compose():
    """docker's plugin where it is, else Debian's docker-compose, which takes the same words."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return "docker compose "
    if shutil.which("docker-compose") is None:
        lacks("neither docker's plugin compose nor docker-compose is installed")
    return "docker-compose "


def test_compose():
    """docs/platforms/compose.md: a real Prometheus asks the action and reads the rules. Grafana is not in Debian: an image
    that only waits stands in its place; tests/platforms compares the dashboard with the metrics."""
    up, init, run, logs, down = block("platforms/compose.md", "docker compose ")
    up, logs, down = (line.replace("docker compose ", compose() + "--project-name whiskloop-test ")
                      for line in (up, logs, down))
    engine("tag", image_name("test-prometheus"), "prom/prometheus:latest")
    engine("tag", image_name("native"), "grafana/grafana:latest")
    try:
        shell(up)
        assert greets(init, run)
        whisk.wait_until(lambda: shell(logs).count("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX") == 2,
                         "an end mark of each stream in the engine's log")
        query = "query?query=whiskloop_activations_total%7Boutcome%3D%22ok%22%7D"
        whisk.wait_until(lambda: any(float(one["value"][1]) >= 1 for one in ask_prometheus(query).get("result", [])),
                         "Prometheus to count an activation", 4 * WAIT_S)
        n_rules = len(yaml.safe_load((REPO / "docker/prometheus/alerts.yaml").read_text())["groups"][0]["rules"])
        whisk.wait_until(lambda: [rule["health"] for group in ask_prometheus("rules").get("groups", [])
                                  for rule in group["rules"]] == ["ok"] * n_rules, "Prometheus to evaluate all rules", 4 * WAIT_S)
    finally:
        shell(down)
        engine("rmi", "prom/prometheus:latest", "grafana/grafana:latest", check=False)


METRICS = """
import socket
client = socket.socket(socket.AF_UNIX)
client.connect('/tmp/.whiskloop-admin')
client.sendall(b'GET /metrics HTTP/1.0\\r\\n\\r\\n')
text = b''.join(iter(lambda: client.recv(65536), b'')).decode()
print(text.partition('\\r\\n\\r\\n')[2], end='')
"""


def promtool(*arguments, run=(), **options):
    return engine("run", "--rm", "--interactive", "--label", LABEL, "--pull=never", *run, "--entrypoint=promtool",
                  image_name("test-prometheus"), *arguments, check=False, **options)


def test_promtool_takes_the_rules_and_the_metrics(start):
    """docs/monitoring.md: the alert rules, and what a container serves after an activation."""
    one = start("python3-tiny")
    one.started(HELLO)
    assert one.run(VALUE).json == ANSWER
    metrics = one.execute("python3", "-c", METRICS).stdout
    assert 'whiskloop_activations_total{outcome="ok"} 1' in metrics
    done = promtool("check", "metrics", input=metrics)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = REPO / "docker/prometheus/alerts.yaml"
    done = promtool("check", "rules", "/alerts.yaml", run=(f"--volume={rules}:/alerts.yaml:ro",))
    assert done.returncode == 0 and "SUCCESS" in done.stdout + done.stderr, done.stdout + done.stderr
