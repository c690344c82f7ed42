"""What the cases of the dev page are made of: a browser, a server with an action, and a tab."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True

import browser as chromium  # noqa: E402  (after the switch above, so that no cache folder appears here)
from server import Dev  # noqa: E402

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all cases of this process; each case has a profile of its own in it."""
    if chromium.PROGRAM is None:
        pytest.skip("chromium is not installed: setup.sh --tests")
    with chromium.Browser() as running:
        yield running


@pytest.fixture
def folder():
    """A private folder of the case, gone afterwards whatever happened."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="whiskloop-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def dev(folder, browser):
    """dev(files) starts `whiskloop dev` on an action made of files; after the case it must end with 0."""
    running = []

    def start(files, *options, port=0):
        home = folder / "hello"
        home.mkdir(exist_ok=True)
        for name, text in files.items():
            (home / name).write_text(text)
        running.append(Dev(home, *options, port=port))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def tab(browser):
    """tab(server) opens its page and waits for it; further tabs share the storage. None may complain, and none may ask others."""
    context = browser.call("Target.createBrowserContext")["browserContextId"]
    opened = []

    def open_tab(server, before=None, arrived="document.querySelector('#name').textContent !== ''"):
        """before: a script that runs before those of the page; arrived: a condition."""
        page = browser.open(server.url, context=context, before=before)
        opened.append((page, server))
        page.wait(arrived)
        return page

    yield open_tab
    for page, server in opened:
        assert page.complaints == []
        assert [url for url in page.requests if not url.startswith((server.url, "data:"))] == []
        page.close()
    browser.call("Target.disposeBrowserContext", browserContextId=context)


@pytest.fixture(scope="session")
def axe():
    """The text of axe-core, which npm brings once into the build folder; whole, whoever else fetches it at the same time."""
    build = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
    script = build / f"{AXE}.js"
    if not script.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed, which brings axe-core")
        with tempfile.TemporaryDirectory(dir=build, prefix="axe-") as home:
            done = subprocess.run(["npm", "install", "--prefix", home, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", AXE],
                                  capture_output=True, text=True, timeout=120, check=False)
            brought = pathlib.Path(home) / "node_modules/axe-core/axe.min.js"
            if not brought.exists():
                pytest.skip(f"npm cannot bring {AXE}: {done.stderr.strip()[-200:]}")
            brought.rename(script)
    return script.read_text(encoding="utf-8")
