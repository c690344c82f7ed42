"""The pages' kubectl commands, run by the real kubectl against a stand-in for a cluster's API."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import jsonschema
import pytest
import yaml

import shapes

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60
# What a cluster with Knative and the Prometheus operator offers, as far as our files go: the plural of each kind.
PLURALS = {"Deployment": "deployments", "Service": "services", "HorizontalPodAutoscaler": "horizontalpodautoscalers",
           "PodDisruptionBudget": "poddisruptionbudgets", "NetworkPolicy": "networkpolicies",
           "PodMonitor": "podmonitors"}
SHAPES = [*shapes.KUBERNETES.values(), shapes.KNATIVE, shapes.POD_MONITOR]
GROUPS = {}  # API version to its kinds
for shape in SHAPES:
    (version,), (kind,) = (shape["properties"][name]["enum"] for name in ("apiVersion", "kind"))
    GROUPS.setdefault(version, {})[kind] = shape
COMMANDS = [line for page in sorted((ROOT / "docs").rglob("*.md"))
            for line in re.findall(r"^(kubectl [^#\n]*[^#\s])", page.read_text(encoding="utf-8"), re.M)]
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Cluster(http.server.ThreadingHTTPServer):
    """What kubectl asks of an API server to create objects; it keeps what it was given and holds it to its form."""

    daemon_threads = True

    def __init__(self):
        self.objects = {}
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, document, status=200):
        text = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, code, reason, message):
        self.answer({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": message,
                     "code": code}, code)

    def do_GET(self):
        path = self.path.partition("?")[0].strip("/")
        if path == "openapi/v2":  # an empty description: kubectl leaves the check to the server
            self.answer(None)
        elif path == "api":
            self.answer({"kind": "APIVersions", "versions": ["v1"]})
        elif path == "apis":
            versions = [{"groupVersion": name, "version": name.rpartition("/")[2]} for name in GROUPS if "/" in name]
            self.answer({"kind": "APIGroupList", "groups": [
                {"name": one["groupVersion"].rpartition("/")[0], "versions": [one], "preferredVersion": one}
                for one in versions]})
        elif (version := re.sub(r"^apis?/", "", path)) in GROUPS:
            self.answer({"kind": "APIResourceList", "groupVersion": version, "resources": [
                {"name": PLURALS[kind], "singularName": "", "namespaced": True, "kind": kind,
                 "verbs": ["create", "get", "patch"]} for kind in GROUPS[version]]})
        else:
            self.refuse(404, "NotFound", path)

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        of_the_file = json.loads(given["metadata"]["annotations"][APPLIED])
        of_the_file["metadata"] = {name: value for name, value in of_the_file["metadata"].items()
                                   if name not in ("annotations", "namespace")}
        try:
            jsonschema.validate(of_the_file, GROUPS[given["apiVersion"]][given["kind"]])
        except (KeyError, jsonschema.ValidationError) as error:
            self.refuse(400, "BadRequest", str(error)[:500])
            return
        self.server.objects[given["kind"], given["metadata"]["name"]] = of_the_file
        self.answer(given, 201)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture
def cluster(tmp_path):
    """A cluster, and the configuration that leads kubectl to it."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    with Cluster() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "test", "users": [], "contexts": [
            {"name": "test", "context": {"cluster": "test"}}], "clusters": [
            {"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}]}
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        server.env = {**os.environ, "KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}
        yield server
        server.shutdown()


def kubectl(line, server):
    return subprocess.run(["bash", "-ec", line], cwd=ROOT, env=server.env, capture_output=True, text=True,
                          timeout=WAIT_S, check=False)


def test_pages_have_commands_for_kubectl():
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("line", COMMANDS)
def test_kubectl_applies_what_the_pages_name(cluster, line):
    """All objects of the file arrive, each in its API's form."""
    done = kubectl(line, cluster)
    assert done.returncode == 0, done.stderr
    wanted = [one for one in yaml.safe_load_all((ROOT / line.split()[-1]).read_text()) if one]
    assert {(one["kind"], one["metadata"]["name"]) for one in wanted} == set(cluster.objects)


def test_a_misspelt_member_would_be_seen(cluster, tmp_path):
    """What the case above relies on."""
    text = (ROOT / "docker/kubernetes/action.yaml").read_text()
    (tmp_path / "bad.yaml").write_text(text.replace("readinessProbe:", "readynessProbe:"))
    done = kubectl(f"kubectl apply -f '{tmp_path}/bad.yaml'", cluster)
    assert done.returncode != 0 and re.search("read[iy]nessProbe", done.stderr), done.stderr
