"""The page of `whiskloop dev`, used as a person does: Chromium clicks, types and looks."""

import http.client
import json
import re
import subprocess
import threading

import pytest
from browser import ALT, CTRL, SHIFT
from server import PROGRAM, REPO

HELLO = '''def main(args):
    name = args.get("name", "World")
    print("greeting", name)
    return {"greeting": f"Hello, {name}!"}
'''
ECHO = '''def main(args):
    for line in args.get("log", []):
        print(line)
    return args.get("answer", args)
'''
NODE = '''exports.main = (args) => ({ greeting: `Hello, ${args.name}!` });
'''
BROKEN = '''def main(args):
    print("greeting")
    return {"greeting": (1}
'''
INPUT = {"input.json": '{"name": "Mike"}'}
FILES = {"hello.py": HELLO, **INPUT}

READY = "document.querySelector('#state').textContent === 'ready'"
ANSWERED = "document.querySelector('#result').ariaBusy === 'false'"
PAGE_MAX_BYTES = 60000
STANDSTILL_MS = 10000  # between two frames: a busy machine is slow, but a page that stands still is broken


def shows(selector, text):
    """A condition: the element shows this text."""
    return f"document.querySelector({json.dumps(selector)}).innerText.includes({json.dumps(text)})"


def invoke(page, argument=None):
    """Type an argument, press Ctrl-Enter, and wait for the answer."""
    if argument is not None:
        page.replace("#argument", argument if isinstance(argument, str) else json.dumps(argument))
    page.run("document.querySelector('#result').ariaBusy = null")
    page.key("Enter", CTRL)
    page.wait(ANSWERED)


# Collects how long the page does not draw: gaps between frames, in ms.
WATCH = """(() => {
    window.gaps = [];
    let last = performance.now();
    const look = () => {
        const now = performance.now();
        window.gaps.push(now - last);
        last = now;
        if (window.gaps.length < 100000) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})()"""


def test_what_is_typed_is_invoked_and_its_answer_and_log_appear(dev, tab):
    page = tab(dev(FILES))
    assert page.text("#language") == "python"
    page.wait(READY)
    assert json.loads(page.run("document.querySelector('#argument').value")) == {"name": "Mike"}
    invoke(page, '{"name": "Zoë"}')
    assert "Hello, Zoë!" in page.text("#answer")
    assert "200 ok" in page.text("#facts")
    page.wait(shows("#log", "greeting Zoë"))
    page.wait("document.querySelectorAll('#activations button').length === 1")
    page.click("#tab-sent")
    assert "Zoë" in page.text("#sent")
    page.click("#tab-lines")
    page.wait(shows("#lines", "greeting Zoë"))


def test_a_save_changes_the_version_and_may_invoke(dev, tab):
    server = dev(FILES)
    page = tab(server)
    page.wait(shows("#version", "version 1"))
    page.click("#on-save")
    server.save("hello.py", HELLO.replace("Hello", "Good day"))
    page.wait(shows("#version", "version 2"))
    page.wait(shows("#answer", "Good day, Mike!"))


def test_a_broken_save_covers_the_page_until_it_is_mended(dev, tab):
    server = dev(FILES)
    page = tab(server)
    page.wait(READY)
    server.save("hello.py", BROKEN)
    page.wait("document.querySelector('#broken').open")
    assert "hello.py, line 3" in page.text("#broken-title")
    assert 'return {"greeting": (1}' in page.text("#broken-source .at")
    assert "Version 1" in page.text("#broken-serving")
    assert page.text("#state") == "broken"
    page.key("Escape")
    page.wait("!document.querySelector('#broken').open")
    invoke(page)
    assert "Hello, Mike!" in page.text("#answer"), "the last good version goes on serving"
    server.save("hello.py", BROKEN.replace("(1}", "[2}"))
    page.wait("document.querySelector('#broken').open")
    server.save("hello.py", HELLO.replace("Hello", "Mended"))
    page.wait("!document.querySelector('#broken').open")
    page.wait(READY)
    invoke(page)
    assert "Mended, Mike!" in page.text("#answer")


def test_two_tabs_see_the_same_and_type_their_own(dev, tab):
    server = dev(FILES)
    one, two = tab(server), tab(server)
    two.wait(READY)
    two.replace("#argument", '{"name": "two"}')
    invoke(one, '{"name": "one"}')
    two.wait(shows("#log", "greeting one"))
    two.wait("document.querySelectorAll('#activations button').length === 1")
    assert two.run("document.querySelector('#argument').value") == '{"name": "two"}'
    two.click("#activations button")
    two.wait(shows("#answer", "Hello, one!"))


def test_a_restart_of_the_server_keeps_what_was_typed(dev, tab):
    server = dev(FILES)
    page = tab(server)
    page.wait(READY)
    page.replace("#argument", '{"name": "typed before"}')
    server.stop()
    page.wait("document.querySelector('#state').textContent === 'offline'")
    invoke(page)
    assert "cannot be reached" in page.text("#answer")
    dev({}, port=server.port)
    page.wait(READY)
    invoke(page)
    assert "Hello, typed before!" in page.text("#answer"), "with the token of the new server"
    page.call("Page.reload")
    page.wait(READY)
    assert page.run("document.querySelector('#argument').value") == '{"name": "typed before"}'


def test_the_keyboard_alone_is_enough(dev, tab):
    page = tab(dev(FILES))
    page.wait(READY)
    seen = []
    for _ in range(60):
        page.key("Tab")
        name = page.run("document.activeElement.id || document.activeElement.className || document.activeElement.tagName")
        if name == "BODY" or name in seen:
            break  # once around
        assert page.run("document.activeElement.matches(':focus-visible')"), f"{name} shows that it has the focus"
        seen.append(name)
    for name in ("example", "format", "argument", "invoke", "on-save", "copy-curl", "tab-answer", "of", "from", "contains", "log"):
        assert name in seen
    page.run("document.querySelector('#argument').focus()")
    page.key("a", CTRL)
    page.type('{"name": "keys"}')
    page.key("Enter", CTRL)
    page.wait(shows("#answer", "Hello, keys!"))
    page.run("document.querySelector('#tab-answer').focus()")
    page.key("ArrowRight")
    page.wait("!document.querySelector('#sent').hidden")
    page.key("Tab", SHIFT)
    page.key("Tab")
    assert page.run("document.activeElement.id") == "tab-sent", "one stop for all tabs"
    page.run("document.querySelector('#keep').focus()")
    page.key("Enter")
    page.type("by keys")
    page.key("Enter")
    page.wait("document.querySelector('#example').value === 'mine:by keys'")


def test_examples_come_from_the_folder_and_are_saved_in_the_browser(dev, tab):
    server = dev({**FILES, "input-long.json": '{"name": "a much longer name", "n": 12345678901234567890}'})
    page = tab(server)
    page.wait(READY)
    assert sorted(page.run("[...document.querySelectorAll('#example option')].map((o) => o.textContent)")) == ["as typed", "input-long.json", "input.json"]
    page.run("(() => { const e = document.querySelector('#example'); e.value = 'file:input-long.json'; e.dispatchEvent(new Event('change')); })()")
    assert "12345678901234567890" in page.run("document.querySelector('#argument').value")
    invoke(page)
    page.click("#make-example")
    page.type("long one")
    page.key("Enter")
    page.wait("[...document.querySelectorAll('#example option')].some((o) => o.value === 'mine:long one')")
    server.save("input-long.json", '{"name": "changed on disk"}')
    page.wait("document.querySelector('#argument').value.includes('changed on disk') || document.querySelector('#example').value !== 'file:input-long.json'")
    page.call("Page.reload")
    page.wait(READY)
    page.run("(() => { const e = document.querySelector('#example'); e.value = 'mine:long one'; e.dispatchEvent(new Event('change')); })()")
    assert "12345678901234567890" in page.run("document.querySelector('#argument').value")
    page.click("#forget")
    page.wait("![...document.querySelectorAll('#example option')].some((o) => o.value === 'mine:long one')")


def test_mistakes_are_said_with_their_place(dev, tab):
    page = tab(dev(FILES))
    page.wait(READY)
    for text, said in (
            ('{"a": 1,}', "Line 1, column 8: A comma has nothing"),
            ('{\n  "a": tru\n}', "Line 2, column 8: A value is expected"),
            ("{'a': 1}", "Line 1, column 2: A name in double quotes"),
            ('{"a": True}', "Line 1, column 7: True is written true"),
            ('{"a": "b}', "Line 1, column 7: The string has no closing quote"),
            ('{"a": 1', "Line 1, column 8: The closing } is missing"),
            ('{"a": 1} x', "Line 1, column 10: More text"),
            ("3", "Line 1, column 1: The argument of an action is an object {…} or a list […]"),
    ):
        page.replace("#argument", text)
        assert said in page.text("#syntax"), text
        assert page.run("document.querySelector('.mistake').textContent.length") > 0, text
    page.click("#invoke")
    assert "Not invoked" in page.run("document.querySelector('#say').textContent")
    page.replace("#argument", '{"b":[1.0,{"2":1,"1":12345678901234567890}],"e":{}}')
    page.click("#format")
    assert page.run("document.querySelector('#argument').value") == \
        '{\n  "b": [\n    1.0,\n    {\n      "2": 1,\n      "1": 12345678901234567890\n    }\n  ],\n  "e": {}\n}'
    assert page.text("#syntax") == ""


def test_an_argument_may_be_a_list(dev, tab):
    """As for invoke, test and in production."""
    page = tab(dev({"hello.py": "def main(args):\n    return {'n': len(args)}\n", "input.json": '["Ann", "Bob"]'}))
    page.wait(READY)
    invoke(page)
    assert '"n": 2' in page.text("#answer")
    invoke(page, "[]")
    assert '"n": 0' in page.text("#answer")


def test_the_copied_commands_give_the_same_answer(dev, tab, folder):
    server = dev({"hello.py": 'import os\n\n\ndef main(args):\n    return {"got": args, "namespace": os.environ.get("__OW_NAMESPACE", "")}\n'})
    page = tab(server)
    page.wait(READY)
    page.run("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.click("#metadata summary")
    page.replace("[name=namespace]", "o'brien")
    invoke(page, '{"it\'s": "a \\"test\\" $HOME `x` \\u202e ä\\n", "n": 1.0}')
    page.click("#copy-answer")
    page.wait("window.copied")
    wanted = json.loads(page.run("window.copied"))
    assert wanted["namespace"] == "o'brien"
    for button in ("#copy-curl", "#copy-invoke"):
        page.run("window.copied = ''")
        page.click(button)
        page.wait("window.copied")
        command = page.run("window.copied").replace("whiskloop invoke", f"{PROGRAM} invoke")
        done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=30, check=True)
        assert json.loads(done.stdout) == wanted, command


def test_a_copied_command_may_hold_an_argument_longer_than_a_word_of_the_shell(dev, tab, folder):
    """Linux counts bytes, and an apostrophe takes four of them in quotes."""
    server = dev({"hello.py": "def main(args):\n    return {'length': len(args['text'])}\n"})
    page = tab(server)
    page.wait(READY)
    page.run("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    for text in ("\u6f22" * 60000, "'" * 60000):
        page.replace("#argument", json.dumps({"text": text}, ensure_ascii=False))
        for button in ("#copy-curl", "#copy-invoke"):
            page.run("window.copied = ''")
            page.click(button)
            page.wait("window.copied")
            command = page.run("window.copied").replace("whiskloop invoke", f"{PROGRAM} invoke")
            done = subprocess.run(["sh"], input=command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0 and json.loads(done.stdout) == {"length": 60000}, done.stderr


def test_a_page_of_another_machine_copies_too(dev, tab):
    """Browsers give a page at http://ADDRESS no navigator.clipboard, unless the address is of their own machine."""
    page = tab(dev(FILES), before="Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.wait(READY)
    page.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    invoke(page, {"name": "Ann"})
    page.click("#copy-answer")
    page.wait("document.querySelector('#copy-answer').classList.contains('done')")
    assert json.loads(page.run("window.copied")) == {"greeting": "Hello, Ann!"}
    assert page.text("#say") == "Copied"
    assert page.run("document.activeElement.id") == "copy-answer"
    assert page.run("document.querySelectorAll('textarea').length") == 1


def test_a_copy_that_the_browser_refuses_is_told(dev, tab):
    page = tab(dev(FILES))
    page.wait(READY)
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))")
    page.click("#copy-curl")
    page.wait(shows("#say", "Not copied"))


def test_what_an_action_writes_stays_text(dev, tab):
    page = tab(dev({"hello.py": ECHO}))
    page.wait(READY)
    evil = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>"
    lines = [evil, "\x1b[31mred\x1b[0m \x1b[1;38;5;208morange\x1b[m \x1b[48;2;1;2;3mrgb\x1b[0m", "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
             "safe \u202egnp.exe", "zero\u200bwidth", "bell\x07", "\x1b[2J\x1b[Hcleared"]
    invoke(page, {"log": lines, "answer": {"error": evil + "\nsecond \u202eline", evil: [evil, "\u202e", "\ud800"]}})
    page.wait(shows("#log", "cleared"))
    shown = page.text("#log")
    assert evil in shown and evil in page.text("#answer")
    assert "red orange rgb" in shown and "link" in shown and "javascript:" not in shown
    assert "U+202E" in shown and "U+200B" in shown and "U+0007" in shown
    assert "\u202e" not in shown and "\u202e" not in page.text("#answer")
    assert page.run("document.querySelectorAll('main img, main script, main a').length") == 0
    assert page.run("window.hit") is None
    assert page.run("[...document.querySelectorAll('#log span')].find((e) => e.textContent === 'red').style.color") == page.run("'var(--bad)'")
    assert page.run("[...document.querySelectorAll('#log span')].some((e) => e.style.fontWeight === 'bold' && e.style.color === 'rgb(255, 135, 0)')")


def test_the_log_is_filtered_by_activation_stream_and_text(dev, tab):
    page = tab(dev({"hello.py": 'import sys\n\n\ndef main(args):\n    print("to out", args["n"])\n    print("to err", args["n"], file=sys.stderr)\n    return args\n'}))
    page.wait(READY)
    for n in (1, 2):
        invoke(page, {"n": n})
        page.wait(shows("#log", f"to err {n}"))
        page.wait(shows("#log", f"to out {n}"))

    def choose(selector, value):
        page.run(f"(() => {{ const e = document.querySelector('{selector}'); e.value = '{value}'; e.dispatchEvent(new Event('input')); }})()")

    def wait_lines(*wanted):
        """A filter is applied with the next frame: their number alone may be right already with the one before."""
        page.wait(f"[...document.querySelectorAll('#log .line')].map((e) => e.lastChild.textContent).sort().join() === {json.dumps(','.join(wanted))}")

    choose("#from", "stderr")
    wait_lines("to err 1", "to err 2")
    choose("#of", "selected")
    wait_lines("to err 2")
    page.wait("document.querySelectorAll('#activations button').length === 2")  # a row that comes later moves the others
    page.click("#activations li:last-child button")
    wait_lines("to err 1")
    choose("#of", "")
    choose("#from", "")
    choose("#contains", "OUT 2")
    wait_lines("to out 2")
    choose("#contains", "nowhere")
    page.wait(shows("#no-lines", "No line passes the filter."))


def test_an_activation_that_ran_when_the_server_ended_is_not_shown_as_running_on(dev, tab):
    server = dev({"hello.py": "import time\n\n\ndef main(args):\n    time.sleep(60)\n"})
    page = tab(server)
    page.wait(READY)
    client = http.client.HTTPConnection("127.0.0.1", server.port)
    client.request("POST", "/run", '{"value":{}}')
    page.wait("document.querySelector('.activation.running')")
    page.click(".activation")
    page.wait(shows("#answer", "Running"))
    server.process.kill()
    server.process.wait()
    client.close()
    server.process = dev({}, port=server.port).process  # this one ends well
    page.wait(shows("#answer", "Nothing is kept of this activation any more."))
    assert page.run("document.querySelector('#facts .running')") is None


def test_an_earlier_activation_is_shown_run_again_and_edited(dev, tab):
    page = tab(dev(FILES))
    page.wait(READY)
    for name in ("first", "second"):
        invoke(page, {"name": name})
    page.wait("document.querySelectorAll('#activations button').length === 2")
    page.click("#activations li:last-child button")
    page.wait(shows("#answer", "Hello, first!"))
    page.wait("document.querySelector('#activations li:last-child button').ariaPressed === 'true'")
    assert page.run("document.querySelectorAll('#chart rect').length") == 2
    page.click("#again")
    page.wait("document.querySelectorAll('#activations button').length === 3")
    page.wait(shows("#answer", "Hello, first!"))
    assert "second" in page.run("document.querySelector('#argument').value"), "running it again leaves the editor alone"
    page.click("#edit")
    assert "first" in page.run("document.querySelector('#argument').value")


PARTS = '''import os
import time


def main(args):
    yield {"word": "first"}
    while not os.path.exists(args["gate"]):
        time.sleep(0.01)
    yield {"word": "second"}
    return {"all": "result"}
'''


def test_parts_of_an_answer_appear_as_they_come(dev, tab, folder):
    page = tab(dev({"hello.py": PARTS}))
    page.wait(READY)
    page.replace("#argument", json.dumps({"gate": str(folder / "gate")}))
    page.key("Enter", CTRL)
    page.wait(shows("#answer", '"first"'))
    page.wait(shows("#activations", "running, first part"))
    (folder / "gate").touch()
    page.wait(shows("#answer", '"result"'))
    page.wait(shows("#activations", "ok, first part"))
    page.wait(shows("#facts", "first part"))


def test_an_answer_of_5_mb_does_not_freeze_the_page(dev, tab):
    many = '''def main(args):
    if "long" in args:
        return {"text": "x" * 5000000}
    return {"items": [{"id": i, "name": f"item {i}", "tags": ["a", "b"]} for i in range(80000)]}
'''
    page = tab(dev({"hello.py": many}))
    page.wait(READY)
    page.run(WATCH)
    invoke(page, "{}")
    assert page.run("document.querySelectorAll('#answer *').length") < 5000
    page.run("document.querySelector('#answer > details > .members > details > .members > .more').click()")
    page.wait("document.querySelectorAll('#answer > details > .members > details > .members > *').length === 401")
    invoke(page, '{"long": 1}')
    page.wait(shows("#answer", "characters left"))
    assert page.run("document.querySelector('#answer').textContent.length") < 20000
    assert max(page.run("window.gaps")) < STANDSTILL_MS


def test_100000_lines_leave_the_page_responsive(dev, tab):
    flood = '''import sys


def main(args):
    for part in range(100):
        sys.stdout.write("".join(f"line {part * 1000 + i} of a flood that a page must stand\\\\n" for i in range(1000)))
    print("the last line")
    return {}
'''.replace("\\\\n", "\\n")
    page = tab(dev({"hello.py": flood}))
    page.wait(READY)
    page.run(WATCH)
    page.replace("#argument", "{}")
    page.key("Enter", CTRL)
    page.replace("#contains", "")
    page.wait(shows("#log", "the last line"))
    assert page.run("document.querySelectorAll('#log .line').length") < 200
    assert page.run("document.querySelector('#log').scrollHeight / 18") < 26000, "its memory is bounded"
    page.replace("#contains", "the last")
    page.wait("document.querySelectorAll('#log .line').length === 1")
    assert max(page.run("window.gaps")) < STANDSTILL_MS


def test_a_thousand_activations_a_second_leave_the_page_responsive(dev, tab):
    server = dev({"hello.js": NODE})
    page = tab(server)
    page.wait(READY)
    page.run(WATCH)
    n, left, failed = 2000, [2000], []

    def post():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while left[0] > 0:
            left[0] -= 1
            connection.request("POST", "/run", b'{"value":{"name":"x"}}', {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            if reply.status != 200:
                failed.append(reply.status)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    page.replace("#argument", '{"name": "typed meanwhile"}')
    page.key("Enter", CTRL)
    page.wait(shows("#answer", "Hello, typed meanwhile!"))
    for thread in threads:
        thread.join()
    assert failed == []
    page.wait(f"parseInt(document.querySelector('#summary').textContent.replace(',', '')) >= {n}")
    page.wait("document.querySelectorAll('#activations button').length === 100")
    assert max(page.run("window.gaps")) < STANDSTILL_MS


# In place of the server's events: night.send(text) gives the page what a server would, night.hour(n)
# an activation for each second of that hour.
NIGHT = """(() => {
    const fetched = window.fetch;
    const night = window.night = {asked: [], id: 0};
    window.fetch = (url, options) => {
        if (url !== '/dev/events')
            return fetched(url, options);
        night.asked.push(options.headers['Last-Event-ID'] ?? '');
        const bytes = new TransformStream();
        const writer = bytes.writable.getWriter();
        night.send = (text) => { writer.write(new TextEncoder().encode(text)); };
        night.end = () => { writer.close(); };
        return Promise.resolve(new Response(bytes.readable));
    };
    night.event = (name, data) => `id: ${++night.id}\\nevent: ${name}\\ndata: ${JSON.stringify(data)}\\n\\n`;
    night.hour = (n) => {
        const events = [];
        for (let i = n * 3600; i < (n + 1) * 3600; i++) {
            const one = {id: String(i).padStart(32, '0'), version: 1, started: 1.7e12 + 1000 * i};
            const lines = [0, 1, 2].map((k) => ({activation: one.id, stream: 'stdout', text: `line ${k} of ${i}`, time: one.started}));
            events.push(night.event('activation', {...one, status: 'running'}), night.event('log', lines),
                night.event('activation', {...one, status: 'ok', duration_us: 1000 + i % 999, answer_bytes: 12, http: 200}));
        }
        night.send(events.join(''));
    };
})()"""


def test_a_page_left_open_over_night_stays_small_and_goes_on(dev, tab):
    """Ten hours of pings, then an activation each second for hours, far more than is kept."""
    server = dev(FILES)
    state = json.dumps({**json.loads(server.get("dev/state")), "state": "ready", "version": 1})
    page = tab(server, before=NIGHT, arrived="night.send")
    page.run(f"night.send(night.event('state', {state}) + ': ping\\n\\n'.repeat(3600))")
    page.wait(READY)
    sizes = []
    for n in range(5):
        page.run(f"night.hour({n})")
        page.wait(shows("#log", f"line 2 of {3600 * n + 3599}"))
        page.wait(f"parseInt(document.querySelector('#summary').textContent.replace(',', '')) === {3600 * (n + 1)}")
        page.call("HeapProfiler.collectGarbage")
        sizes.append((page.call("Runtime.getHeapUsage")["usedSize"], page.run("document.querySelectorAll('*').length")))
    assert sizes[-1][0] < sizes[2][0] + 4_000_000, sizes  # the bounds are reached by then; it would be 7 MB without them
    assert sizes[-1][1] < sizes[2][1] + 50, sizes
    page.run("night.end()")
    page.wait("night.asked.length === 2")
    assert page.run("night.asked[1] === String(night.id)"), "it goes on where it was"
    page.run(f"night.send(night.event('dropped', {{count: 12345}}) + night.event('state', {state}))")
    page.wait(shows("#log", "12,345 lines left out"))
    invoke(page, {"name": "morning"})
    assert "Hello, morning!" in page.text("#answer")


LOOKS = {"light": {"width": 1280, "height": 800, "dark": False}, "dark": {"width": 1280, "height": 800, "dark": True},
         "phone": {"width": 375, "height": 667, "dark": False}}
AXE_RUN = """axe.run(document, {resultTypes: ['violations'], %s}).then((r) => r.violations.map((v) =>
    `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 120) + ' ' + n.any.map((a) => a.message).join()).join(' | ')}`))"""
BY_EYE = "runOnly: ['color-contrast', 'scrollable-region-focusable', 'target-size']"  # what a look can change


def test_everybody_can_use_it(dev, tab, axe):
    """axe-core finds nothing, in each look: empty, used, with metadata, with each dialog."""
    server = dev({"hello.py": ECHO, **INPUT})
    page = tab(server)
    page.wait(READY)
    page.run(axe)

    def check(what):
        for name, look in LOOKS.items():
            page.size(look["width"], look["height"])
            page.theme(look["dark"])
            page.wait(f"innerWidth === {look['width']} && document.getAnimations().length === 0")  # a new version's tag glows for a moment
            assert page.run(AXE_RUN % ("" if name == "light" else BY_EYE)) == [], (what, name)
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), f"{what}, {name}: nothing is wider than the page"
            cut = page.run("""[...document.querySelectorAll('section > .bar')].filter((bar) =>
                bar.getBoundingClientRect().bottom > bar.parentElement.getBoundingClientRect().bottom).map((bar) => bar.innerText)""")
            assert cut == [], f"{what}, {name}: no buttons are cut off"

    check("as it opens")
    invoke(page, {"log": [f"\x1b[{code}mcolour {code}\x1b[0m" for code in [*range(30, 38), *range(90, 98), "41;30", "7", "2", "1;4;9"]],
                  "answer": {"error": "of\nlines", "list": [1, True, None, {"a": "b" * 200}]}})
    page.wait(shows("#log", "colour 1;4;9"))
    page.wait("document.querySelector('#activations .error')")  # its last event: axe must not look while rows are drawn anew
    page.click("#metadata summary")
    page.replace("#argument", '{"wrong": ,}')
    check("used, with a mistake")
    page.click("#keep")
    page.wait("document.querySelector('#naming').open")
    check("asking for a name")
    page.key("Escape")
    server.save("hello.py", BROKEN)
    page.wait("document.querySelector('#broken').open")
    check("broken")


def test_the_page_is_small_and_has_everything_inside(dev, tab):
    files = list((REPO / "proxy/dev/page").iterdir())
    server = dev(FILES)
    page = tab(server)
    page.wait(READY)
    served = {file.name: server.get("" if file.name == "index.html" else f"dev/page/{file.name}") for file in files}
    assert sum(map(len, served.values())) < PAGE_MAX_BYTES
    asked = {url.removeprefix(server.url) for url in page.requests}
    assert {f"dev/page/{file.name}" for file in files if file.name != "index.html"} <= asked, "no file is there for nothing"
    for file in files:
        assert not re.search(r"\sstyle=|\son\w+=\"|<script>|innerHTML|https?://(?!www\.w3\.org/)", file.read_text()), file.name
