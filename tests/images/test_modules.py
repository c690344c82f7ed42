"""The images with the usual modules; and a composition of npm's openwhisk-composer, which needs them."""

import os
import subprocess
from pathlib import Path

import pytest

from container import npm_modules
from wire import WAIT_S

COMPOSITION = Path(__file__).with_name("composition.js")


def conductor():
    """The code that openwhisk-composer makes of the composition."""
    return subprocess.run(["node", COMPOSITION], capture_output=True, text=True, check=True, timeout=WAIT_S,
                          env={**os.environ, "NODE_PATH": str(npm_modules())}).stdout


def test_a_composition_runs_on_the_image_with_the_usual_modules(start):
    """try, repeat, if and let. The test invokes what the conductor asks for, as the controller does."""
    code = conductor()
    one = start("nodejs-modules")
    one.started(code)
    value, asked = {"n": 1}, []
    for _ in range(10):
        answer = one.run(value).json
        if "action" not in answer:
            break
        asked.append(answer["action"])
        value = {"error": "no", **answer["state"]}  # what the action answers
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
