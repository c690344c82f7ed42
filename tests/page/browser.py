"""
A headless Chromium by the DevTools protocol over a pipe: no driver and no package besides it.

    with Browser() as browser:
        page = browser.open(url)
        page.wait("document.title === 'x'")
"""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_S = 90  # for one answer of the browser, or one condition; nothing takes so long unless it is broken

KEYS = {"Enter": ("Enter", 13, "\r"), "Tab": ("Tab", 9, ""), "Escape": ("Escape", 27, ""), " ": ("Space", 32, " "),
        "ArrowRight": ("ArrowRight", 39, ""), "ArrowLeft": ("ArrowLeft", 37, ""), "ArrowDown": ("ArrowDown", 40, ""),
        "Home": ("Home", 36, ""), "End": ("End", 35, ""), "Backspace": ("Backspace", 8, "")}
ALT, CTRL, META, SHIFT = 1, 2, 4, 8


class Browser:
    """One process of Chromium with a profile of its own, ended and deleted by close()."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="whiskloop-page-")
        to_it, from_it = os.pipe(), os.pipe()

        def pipes():
            # Chromium reads on 3 and writes on 4; the copies keep one from closing the other.
            a, b = os.dup(to_it[0]), os.dup(from_it[1])
            os.dup2(a, 3)
            os.dup2(b, 4)

        options = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.home}", "--no-first-run",
                   "--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-sync",
                   "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio",
                   "--disable-features=Translate,OptimizationHints,MediaRouter", "--no-default-browser-check"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # it refuses to run as root with it
        self.log = open(pathlib.Path(self.home) / "chromium.log", "wb")
        self.process = subprocess.Popen([PROGRAM, *options, "about:blank"], preexec_fn=pipes, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(to_it[0])
        os.close(from_it[1])
        self.out, self.inp = to_it[1], from_it[0]
        self.number, self.buffer, self.answers, self.pages = 0, b"", {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.call("Browser.close")
        except (OSError, RuntimeError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.inp)
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def call(self, method, session=None, wait_s=WAIT_S, **params):
        """Send a command, return its result; events that come meanwhile go to their pages."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        number, until = self.number, time.monotonic() + wait_s
        while number not in self.answers:
            if not select.select([self.inp], [], [], max(0, until - time.monotonic()))[0]:
                raise RuntimeError(f"Chromium has not answered {method} in {wait_s} s")
            self.receive()
        answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def receive(self):
        data = os.read(self.inp, 1 << 20)
        if not data:
            raise RuntimeError("Chromium has ended: " + (pathlib.Path(self.home) / "chromium.log").read_text("utf-8", "replace")[-2000:])
        *messages, self.buffer = (self.buffer + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            elif message.get("sessionId") in self.pages:
                self.pages[message["sessionId"]].heard(message["method"], message["params"])

    def open(self, url, width=1280, height=800, dark=False, context=None, before=None):
        target = self.call("Target.createTarget", url="about:blank", newWindow=context is not None, **({"browserContextId": context} if context else {}))["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        self.pages[session] = page
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Log.enable")
        page.call("Network.enable")
        page.size(width, height)
        page.theme(dark)
        if before:
            page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        page.go(url)
        return page


class Page:
    """A tab. What it complains of is in `complaints`, what it asked for in `requests`."""

    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        self.complaints, self.requests = [], []

    def heard(self, method, params):
        if method == "Runtime.exceptionThrown":
            detail = params["exceptionDetails"]
            self.complaints.append(detail.get("exception", {}).get("description", detail["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error" and params["entry"]["source"] != "network":
            self.complaints.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def call(self, method, **params):
        return self.browser.call(method, session=self.session, **params)

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def size(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def theme(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def run(self, code, wait_s=WAIT_S):
        """The value of an expression; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, userGesture=True, wait_s=wait_s)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", str(answer)))
        return answer["result"].get("value")

    def wait(self, condition, wait_s=WAIT_S):
        """Until an expression is true; it is looked at before each frame, or each 50 ms where none is drawn."""
        code = f"""new Promise((resolve) => {{
            const end = performance.now() + {wait_s * 1000};
            const look = () => {{
                let is = false;
                try {{ is = ({condition}); }} catch {{ }}
                if (is || performance.now() > end) resolve(Boolean(is));
                else setTimeout(look, 20);
            }};
            look();
        }})"""
        try:
            done = self.run(code, wait_s + 10)
        except RuntimeError as error:
            if "context was destroyed" not in str(error) and "navigated" not in str(error):
                raise
            done = self.run(code, wait_s + 10)  # the page was loaded anew meanwhile
        if not done:
            raise AssertionError(f"not so within {wait_s} s: {condition}\nthe page shows:\n{self.run('document.body.innerText')[:3000]}\ncomplaints: {self.complaints}")

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector):
        """A real click in the middle of an element."""
        place = self.run(f"""(() => {{
            const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: 'nearest'}});
            const r = e.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2];
        }})()""")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="none" if kind == "mouseMoved" else "left",
                      clickCount=0 if kind == "mouseMoved" else 1)

    def key(self, name, modifiers=0):
        code, number, text = KEYS.get(name, (f"Key{name.upper()}", ord(name.upper()[0]), name))
        if modifiers & (CTRL | META | ALT):
            text = ""
        params = {"key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        commands = {"commands": ["selectAll"]} if (name, modifiers) == ("a", CTRL) else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **({"text": text} if text else {}), **commands, **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def replace(self, selector, text):
        """Type a text in place of what a field holds."""
        self.click(selector)
        self.key("a", CTRL)
        self.type(text)

    def picture(self, file):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(file).write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.pages.pop(self.session, None)
