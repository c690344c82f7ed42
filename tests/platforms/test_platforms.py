"""docker/openwhisk, kubernetes, knative and compose: well formed, and true of the program."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import jsonschema
import pytest
import yaml

import shapes

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
PROGRAM = Path(os.environ.get("WHISKLOOP", ROOT / "build/proxy/whiskloop"))
WAIT_S = 60  # for what takes milliseconds; the bound is for a busy machine
IMAGES = {path.name.partition(".")[0] for path in DOCKER.glob("*.Dockerfile")}
VERSION = re.search(r"^project\('whiskloop'.* version: '([^']*)'",
                    (ROOT / "meson.build").read_text(), re.M)[1]

MANIFESTS = [
    ("openwhisk/runtimes.json", shapes.OPENWHISK), ("knative/service.yaml", shapes.KNATIVE),
    ("compose/compose.yaml", shapes.COMPOSE), ("compose/prometheus.yml", shapes.PROMETHEUS),
    ("compose/grafana-datasources.yaml", shapes.DATASOURCES),
    ("compose/grafana-dashboards.yaml", shapes.PROVIDERS),
    ("compose/dashboard.json", shapes.DASHBOARD), ("swarm/stack.yaml", shapes.STACK),
    ("swarm/prometheus.yml", shapes.PROMETHEUS),
    ("prometheus/alerts.yaml", shapes.ALERTS), ("kubernetes/monitoring.yaml", shapes.POD_MONITOR),
    ("kubernetes/adapter-values.yaml", shapes.ADAPTER),
]


def read(name):
    text = (DOCKER / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def kubernetes():
    text = (DOCKER / "kubernetes/action.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def settings():
    """The program's variables and their defaults, by what it says of itself."""
    text = subprocess.run([PROGRAM, "--help-markdown"], capture_output=True, text=True, check=True,
                          timeout=60).stdout
    return dict(re.findall(r"^\| `--[a-z-]+` \| `(WHISKLOOP_[A-Z_]+)` \| (\S+)(?: \S+)? \|", text, re.M))


def metrics():
    """The metrics that docs/monitoring.md lists; tests/conformance compares it with what is served."""
    part = re.search(r"<!-- metrics -->(.*?)<!-- /metrics -->", (ROOT / "docs/monitoring.md").read_text(),
                     re.S)[1]
    return dict(re.findall(r"^\| `(\w+)[^`]*` \| (\w+) \|", part, re.M))


@pytest.mark.parametrize("name, shape", MANIFESTS, ids=[name for name, _ in MANIFESTS])
def test_file_has_its_platforms_form(name, shape):
    """Every member is one that the platform knows, at its place, of its type."""
    jsonschema.validate(read(name), shape)


def test_kubernetes_objects_have_their_form():
    """All five, each once."""
    objects = kubernetes()
    assert sorted(objects) == sorted(shapes.KUBERNETES)
    for kind, document in objects.items():
        jsonschema.validate(document, shapes.KUBERNETES[kind])


def test_every_file_of_a_platform_is_checked():
    """No file stands beside these that nobody looks at."""
    found = {str(path.relative_to(DOCKER)) for folder in
             ("openwhisk", "kubernetes", "knative", "compose", "swarm", "prometheus") for path in (DOCKER / folder).iterdir()}
    assert found == {name for name, _ in MANIFESTS} | {"kubernetes/action.yaml"}


def refusals(document):
    """
    Why a controller of OpenWhisk would not start with this manifest: what ExecManifest.scala
    requires beyond types. Of a family without a default one kind only may be there.
    """
    faults, kinds = [], []
    for name, family in document["runtimes"].items():
        n_defaults = sum(kind.get("default", False) for kind in family)
        if n_defaults != 1 and not (n_defaults == 0 and len(family) == 1):
            faults.append(f"{name}: {n_defaults} defaults")
        kinds += [kind["kind"] for kind in family]
        for cell in [cell for kind in family for cell in kind.get("stemCells", [])]:
            reactive = cell.get("reactive", {"minCount": 0, "maxCount": 1, "increment": 1})
            if reactive["minCount"] > reactive["maxCount"]:
                faults.append(f"{name}: minCount over maxCount")
            if reactive["increment"] > reactive["maxCount"]:
                faults.append(f"{name}: increment over maxCount")
    if len(set(kinds)) < len(kinds):
        faults.append("a kind is there twice")
    return faults


def test_openwhisk_starts_with_the_manifest():
    """As it is, and with our kinds added to a family that the deployment has already."""
    document = read("openwhisk/runtimes.json")
    assert not refusals(document)
    theirs = {"runtimes": {"python": [{"kind": "python:3", "default": True, "image": {"name": "p"}}]}}
    for name, family in document["runtimes"].items():
        known = theirs["runtimes"].setdefault(name, [])
        known += [{**kind, "default": kind["default"] and not known} for kind in family]
    assert not refusals(theirs)
    jsonschema.validate(theirs, shapes.OPENWHISK)


BAD_KINDS = {
    "a second default": lambda kind: {**kind, "kind": "python:other"},
    "the same kind again": lambda kind: {**kind, "default": False},
    "more at least than at most": lambda kind: {**kind, "kind": "python:other", "default": False, "stemCells": [
        {"initialCount": 1, "memory": "256 MB", "reactive": {
            "minCount": 3, "maxCount": 2, "ttl": "2 minutes", "threshold": 1, "increment": 1}}]},
}
MISSPELT_KINDS = {
    "count": lambda kind: {**kind, "stemCells": [{"number": 1, "memory": "256 MB"}]},
    "memory": lambda kind: {**kind, "stemCells": [{"initialCount": 1, "memory": 256}]},
    "no cells": lambda kind: {**kind, "stemCells": [{"initialCount": 0, "memory": "256 MB"}]},
    "ttl": lambda kind: {**kind, "stemCells": [{"initialCount": 1, "memory": "256 MB", "reactive": {
        "minCount": 0, "maxCount": 2, "ttl": 120, "threshold": 1, "increment": 1}}]},
    "image": lambda kind: {**kind, "image": "whiskloop/python3:0.2.0"},
    "attachment": lambda kind: {**kind, "attached": True},
}


@pytest.mark.parametrize("change", BAD_KINDS.values(), ids=BAD_KINDS)
def test_what_openwhisk_refuses_would_be_seen(change):
    """What the case above relies on."""
    document = read("openwhisk/runtimes.json")
    document["runtimes"]["python"].append(change(document["runtimes"]["python"][0]))
    assert refusals(document)


@pytest.mark.parametrize("change", MISSPELT_KINDS.values(), ids=MISSPELT_KINDS)
def test_what_openwhisk_cannot_read_would_be_seen(change):
    """A member of another name or type fails the form."""
    document = read("openwhisk/runtimes.json")
    document["runtimes"]["python"][0] = change(document["runtimes"]["python"][0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, shapes.OPENWHISK)


def test_openwhisk_names_images_that_are_built():
    """Of this version; every image that actions are created for has its kind or is a blackbox."""
    document = read("openwhisk/runtimes.json")
    kinds = [kind for family in document["runtimes"].values() for kind in family]
    images = [kind["image"] for kind in kinds] + document["blackboxes"]
    for image in images:
        assert (image["prefix"], image["tag"]) == ("whiskloop", VERSION)
    assert {image["name"] for image in images} == IMAGES - {"builder", "builder-static", "proxy"}
    for name, family in document["runtimes"].items():
        assert all(kind["kind"].partition(":")[0] == name for kind in family)
    for cell in [cell for kind in kinds for cell in kind.get("stemCells", [])]:
        assert cell["reactive"]["minCount"] <= cell["initialCount"] <= cell["reactive"]["maxCount"]


def containers():
    """(where, settings by name, container) of all that run our program."""
    pod = kubernetes()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    knative = read("knative/service.yaml")["spec"]["template"]["spec"]["containers"][0]
    for where, container in (("kubernetes", pod), ("knative", knative)):
        yield where, {one["name"]: one["value"] for one in container["env"]}, container
    action = read("compose/compose.yaml")["services"]["action"]
    yield "compose", action["environment"], action
    action = read("swarm/stack.yaml")["services"]["action"]
    yield "swarm", action["environment"], action


def served(values):
    """(exit status, its words) of the program, started with these variables and ended again."""
    # Any free ports instead of the ones named: those of this machine are not ours. No delay at the end.
    values = {**values, "WHISKLOOP_ADMIN": re.sub(r":\d+$", ":0", values["WHISKLOOP_ADMIN"])}
    if int(values.get("WHISKLOOP_DRAIN_DELAY", 0)) > 0:
        values["WHISKLOOP_DRAIN_DELAY"] = "1"
    with subprocess.Popen([PROGRAM, "--listen=127.0.0.1", "--port=0", "--log-level=info"],
                          env={"PATH": os.environ["PATH"], **values}, stderr=subprocess.PIPE,
                          text=True) as one:
        watchdog = threading.Timer(WAIT_S, one.kill)
        watchdog.start()
        words = []
        for line in one.stderr:
            words.append(line)
            if "admin.listen" in line:
                one.terminate()
        watchdog.cancel()
    return one.returncode, "".join(words)


@pytest.mark.parametrize("where, values", [case[:2] for case in containers()],
                         ids=[case[0] for case in containers()])
def test_settings_are_the_programs(where, values):
    """Each variable is one that it takes, with a value that it takes: it serves with them."""
    assert set(values) <= set(settings()), where
    status, words = served(values)
    assert status == 0 and "admin.listen" in words, words


@pytest.mark.parametrize("name, value", [("WHISKLOOP_WORKERS", "many"),
                                         ("WHISKLOOP_ADMIN", "everywhere:9090")])
def test_a_setting_that_is_not_the_programs_would_be_seen(name, value):
    """What the case above relies on: a wrong value ends the program, which names the variable."""
    status, words = served({**next(containers())[1], name: value})
    assert status != 0 and "admin.listen" not in words
    assert value.partition(":")[0] in words


def test_probes_ask_the_admin_listener():
    """At the port that --admin has, in all probes; the other port is the contract's."""
    for where, values, container in containers():
        if where in ("compose", "swarm"):
            continue
        admin = int(values["WHISKLOOP_ADMIN"].rpartition(":")[2])
        names = {port.get("name"): port["containerPort"] for port in container["ports"]}
        probes = [container[name]["httpGet"] for name in container if name.endswith("Probe")]
        assert probes
        for probe in probes:
            assert names.get(probe["port"], probe["port"]) == admin
        assert container["ports"][0]["containerPort"] == 8080


def drain_s(values):
    """How long the program may take to its end."""
    known = settings()
    return sum(int(values.get(name, known[name]))
               for name in ("WHISKLOOP_DRAIN_DELAY", "WHISKLOOP_DRAIN_TIMEOUT")) / 1000


def test_kubernetes_waits_longer_than_the_proxy_drains():
    """Else what runs is killed at each rollout."""
    spec = kubernetes()["Deployment"]["spec"]["template"]["spec"]
    values = {one["name"]: one["value"] for one in spec["containers"][0]["env"]}
    assert int(values["WHISKLOOP_DRAIN_DELAY"]) > 0
    assert spec["terminationGracePeriodSeconds"] > drain_s(values)
    for name in ("compose/compose.yaml", "swarm/stack.yaml"):
        action = read(name)["services"]["action"]
        assert int(action["stop_grace_period"].rstrip("s")) > drain_s(action["environment"]), name


def test_kubernetes_puts_no_service_into_the_environment():
    """It would set WHISKLOOP_PORT=tcp://... for a service named whiskloop."""
    assert kubernetes()["Deployment"]["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_kubernetes_objects_mean_the_same_pods():
    """Labels, selectors and names fit, so that each finds the pods."""
    objects = kubernetes()
    deployment = objects["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    ports = {port["name"] for port in deployment["template"]["spec"]["containers"][0]["ports"]}
    assert deployment["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == \
        objects["Deployment"]["metadata"]["name"]
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} <= ports
    for rule in objects["NetworkPolicy"]["spec"]["ingress"]:
        assert {port["port"] for port in rule["ports"]} <= ports
    scaler = objects["HorizontalPodAutoscaler"]["spec"]
    assert objects["PodDisruptionBudget"]["spec"]["minAvailable"] < scaler["minReplicas"] <= \
        scaler["maxReplicas"]
    monitor = read("kubernetes/monitoring.yaml")["spec"]
    assert monitor["selector"]["matchLabels"] == labels
    assert {one["port"] for one in monitor["podMetricsEndpoints"]} <= ports


def test_scaling_is_by_a_figure_that_is_served():
    """A gauge, as a count that only grows would scale for ever."""
    for metric in kubernetes()["HorizontalPodAutoscaler"]["spec"]["metrics"]:
        if metric["type"] == "Pods":
            name = metric["pods"]["metric"]["name"]
            assert metrics()[name] == "gauge"
            rule = read("kubernetes/adapter-values.yaml")["rules"]["custom"][0]
            assert rule["seriesQuery"].partition("{")[0] == rule["name"]["as"] == name


def test_knative_gives_a_container_as_many_as_it_has_workers():
    """More would wait inside, where no container is started for them."""
    template = read("knative/service.yaml")["spec"]["template"]["spec"]
    values = {one["name"]: one["value"] for one in template["containers"][0]["env"]}
    assert template["containerConcurrency"] == int(values["WHISKLOOP_WORKERS"])
    assert template["timeoutSeconds"] > int(values["WHISKLOOP_TIMEOUT"]) / 1000


def test_dashboard_asks_for_figures_that_are_served():
    """Counters by their rate, histograms by their buckets."""
    known = metrics()
    seen = set()
    panels = read("compose/dashboard.json")["panels"]
    for expression in [target["expr"] for panel in panels for target in panel["targets"]]:
        for name in re.findall(r"\b(?:whiskloop|process)_\w+", expression):
            base = re.sub(r"_bucket$", "", name)
            assert base in known, name
            assert (known[base] == "histogram") == name.endswith("_bucket"), name
            if known[base] != "gauge":
                assert f"rate({name}" in expression, expression
            seen.add(base)
    assert {name for name, kind in known.items() if kind == "histogram"} <= seen
    assert len({panel["id"] for panel in panels}) == len(panels)


def promtool(*arguments, **options):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=WAIT_S, **options)


def test_promtool_takes_the_alert_rules():
    done = promtool("check", "rules", DOCKER / "prometheus/alerts.yaml")
    assert done.returncode == 0 and "SUCCESS" in done.stdout + done.stderr, done.stderr


def real_metrics(folder):
    """/metrics of the program, and its series' names with their labels' names."""
    with subprocess.Popen([PROGRAM, "--listen=127.0.0.1", "--port=0", "--log-level=info",
                           f"--admin=unix:{folder}/admin"], stderr=subprocess.PIPE, text=True) as one:
        watchdog = threading.Timer(WAIT_S, one.kill)
        watchdog.start()
        for line in one.stderr:
            if "admin.listen" in line:
                break
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{folder}/admin")
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            reply = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        one.terminate()
        one.stderr.read()
        watchdog.cancel()
    text = reply.partition("\r\n\r\n")[2]
    series = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*?)\})? ", text, re.M):
        series.setdefault(name, set()).update(re.findall(r'(\w+="[^"]*")', labels))
    return text, series


def test_promtool_takes_what_is_served(tmp_path):
    done = promtool("check", "metrics", input=real_metrics(tmp_path)[0])
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_ask_for_series_that_are_served(tmp_path):
    """Each value of a label that a rule names is one that /metrics has, before anything happened."""
    series = real_metrics(tmp_path)[1]
    for rule in read("prometheus/alerts.yaml")["groups"][0]["rules"]:
        name, labels = re.search(r"(whiskloop_\w+)(?:\{(.*?)\})?", rule["expr"]).groups()
        assert name in series, name
        for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', labels or ""):
            for value in values.split("|"):
                assert f'{label}="{value}"' in series[name], rule["alert"]


def test_alerts_are_explained():
    """Counters by their rate; and docs/monitoring.md shows each alert."""
    text = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    for rule in read("prometheus/alerts.yaml")["groups"][0]["rules"]:
        name = re.search(r"whiskloop_\w+", rule["expr"])[0]
        assert (metrics()[name] == "counter") == rule["expr"].startswith("rate("), name
        assert f"`{rule['alert']}`" in text


def test_compose_mounts_files_that_are_there():
    """And Prometheus asks the service of our program, at its admin port."""
    services = read("compose/compose.yaml")["services"]
    for service in services.values():
        for volume in service.get("volumes", []):
            assert (DOCKER / "compose" / volume.split(":")[0]).is_file(), volume
    target = read("compose/prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"][0]
    host, _, port = target.partition(":")
    assert services[host]["environment"]["WHISKLOOP_ADMIN"].rpartition(":")[2] == port
    (found,) = read("swarm/prometheus.yml")["scrape_configs"][0]["dns_sd_configs"]
    action = found["names"][0].removeprefix("tasks.")
    assert read("swarm/stack.yaml")["services"][action]["environment"]["WHISKLOOP_ADMIN"].endswith(f":{found['port']}")
    assert services[host]["image"].partition("/")[2].partition(":")[0] in IMAGES
    dashboard = read("compose/dashboard.json")["panels"][0]["datasource"]
    assert dashboard["uid"] == read("compose/grafana-datasources.yaml")["datasources"][0]["uid"]
