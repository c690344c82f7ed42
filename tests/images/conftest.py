"""Fixtures of the images' tests: those of the conformance suite, with containers for proxies."""

import importlib.util

import pytest

from container import REPO, Container  # and with it the conformance suite's folder on the path

pytest.register_assert_rewrite("test_basic", "test_python")

import samples  # noqa: E402


def conformance_fixtures():
    """The other suite's conftest, which cannot be imported by its name: that is this file's."""
    path = REPO / "tests/conformance/conftest.py"
    spec = importlib.util.spec_from_file_location("conformance_fixtures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


folder = conformance_fixtures().folder
compiled = conformance_fixtures().compiled


class Kind:
    """The basic suite's actions in one language, and the image that runs them."""

    options = ()  # the image knows its runtime

    def __init__(self, image, codes):
        self.image = image
        self.codes = codes

    def __getitem__(self, code):
        return self.codes[code]


# A new runtime's image: one row.
KINDS = [Kind("python3", samples.PYTHON_CODES), Kind("python3-tiny", samples.PYTHON_CODES),
         Kind("native-shell", samples.SHELL_CODES)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.image)
def kind(request):
    """The basic suite's actions in one image after the other."""
    return request.param


@pytest.fixture
def start():
    """start(image, *options, env=None, run=()) -> a container that serves, and ends well."""
    running = []

    def start_one(image, *options, env=None, run=()):
        running.append(Container(image, options, env, run))
        return running[-1]

    yield start_one
    faults = []
    for one in running:
        try:
            one.finish()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture
def proxy(request, start):
    """What the conformance suite's cases start: the image of their kind, else the Debian one."""
    image = request.getfixturevalue("kind").image if "kind" in request.fixturenames else "python3"
    return lambda *options, env=None: start(image, *options, env=env)
