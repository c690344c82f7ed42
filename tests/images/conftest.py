"""Fixtures of the images' tests: those of the conformance suite, with containers for proxies."""

import importlib.util

import pytest

from container import REPO, Container  # and with it the conformance suite's folder on the path

pytest.register_assert_rewrite("test_basic", "test_languages", "test_nodejs", "test_python")

import samples  # noqa: E402
import whisk  # noqa: E402


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


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: part of scripts/test-images.sh --quick, which has"
                            " the images native and python3-tiny only")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.limit(900))  # images are built and loaded on the way


# A new runtime's image: one row.
KINDS = [Kind("python3", samples.PYTHON_CODES),
         pytest.param(Kind("python3-tiny", samples.PYTHON_CODES), marks=pytest.mark.quick),
         Kind("native-shell", samples.SHELL_CODES)]


# Images of languages that have a row in the conformance suite's table, where the names differ.
IMAGE_OF_ROW = {"python": "python3"}


@pytest.fixture(params=KINDS, ids=["python3", "python3-tiny", "native-shell"])
def kind(request):
    """The basic suite's actions in one image after the other."""
    return request.param


@pytest.fixture
def serve():
    """serve(image, *options, env=None, run=()) -> a container that serves, and ends well."""
    with whisk.finished() as running:
        def start_one(image, *options, env=None, run=()):
            running.append(Container(image, options, env, run))
            return running[-1]

        yield start_one


@pytest.fixture
def start(serve):
    """The same; a case of the conformance suite may bring a start of its own."""
    return serve


@pytest.fixture
def proxy(request, serve):
    """What the conformance suite's cases start: the image of their kind or row, else Python's."""
    image = "python3"
    if "kind" in request.fixturenames:
        image = request.getfixturevalue("kind").image
    elif "row" in request.fixturenames:
        image = IMAGE_OF_ROW.get(row := request.getfixturevalue("row").name, row)
    return lambda *options, env=None: serve(image, *options, env=env)
