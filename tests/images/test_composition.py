"""A composition that npm's openwhisk-composer makes runs as a conductor action."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

COMPOSITION = Path(__file__).with_name("composition.js")


@pytest.fixture(scope="session")
def conductor(tmp_path_factory):
    """The conductor's code."""
    folder = tmp_path_factory.mktemp("npm")
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                           "openwhisk-composer@0.12.0"], capture_output=True, text=True, timeout=600,
                          check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install openwhisk-composer: {done.stderr[-200:]}")
    return subprocess.run(["node", COMPOSITION], capture_output=True, text=True, check=True, timeout=120,
                          env={**os.environ, "NODE_PATH": str(folder / "node_modules")}).stdout


def test_a_composition_runs_on_the_image_with_the_usual_modules(start, conductor):
    """The test invokes what the conductor asks for, as OpenWhisk's controller does."""
    one = start("nodejs-modules")
    one.started(conductor)
    value, asked = {"n": 1}, []
    for _ in range(10):
        answer = one.run(value).json
        if "action" not in answer:
            break
        asked.append(answer["action"])
        value = {"error": "no"}  # what the action answers
        value.update(answer["state"])
    assert asked == ["/_/fails"]
    assert answer == {"params": {"caught": "no", "log": [3, 2], "branch": "then"}}


@pytest.mark.parametrize("image, code", [
    ("nodejs-modules", "exports.main = () => { for (const name of ['body-parser', 'express', 'openwhisk',"
     " 'redis', 'serialize-error', 'uuid']) require(name); return { all: true }; };"),
    ("python3-modules", "import bs4, dateutil, httplib2, jinja2, jsonschema, lxml.etree, redis, requests,"
     " simplejson, yaml\n\ndef main(args):\n    return {'all': True}\n")])
def test_the_usual_modules_are_there(start, image, code):
    one = start(image)
    one.started(code)
    assert one.run({}).json == {"all": True}
