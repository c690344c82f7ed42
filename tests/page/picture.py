#!/usr/bin/env python3
"""picture.py FOLDER - make dev-light.png and dev-dark.png: the page of `whiskloop dev` after some use."""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

sys.dont_write_bytecode = True

from browser import CTRL, PROGRAM, Browser  # noqa: E402  (after the switch above)
from server import Dev  # noqa: E402

ACTION = '''import sys
import time


def main(args):
    name = args.get("name", "World")
    print("looking up", name)
    time.sleep(len(name) ** 2 / 20000)
    if name == "Nobody":
        print("\\x1b[31mno greeting for\\x1b[0m", name, file=sys.stderr)
        return {"error": "nobody to greet"}
    print(f"\\x1b[32mgreeting\\x1b[0m {name}")
    return {"greeting": f"Hello, {name}!", "letters": len(name), "initial": {"letter": name[0], "vowel": name[0] in "AEIOU"}}
'''
NAMES = ["Ann", "Bartholomew", "Cleo", "Nobody", "Eve", "Maximilian", "Li", "Ruth", "Anastasia", "Oscar"]
SIZE = (1180, 640)


def squeeze(file):
    """Compress a PNG file better than Chromium does, which is in a hurry."""
    data, at, parts, image = file.read_bytes(), 8, [], b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            image += data[at + 8:at + 8 + length]
        elif kind != b"IEND":
            parts.append(data[at:at + 12 + length])
        at += 12 + length
    for kind, body in ((b"IDAT", zlib.compress(zlib.decompress(image), 9)), (b"IEND", b"")):
        parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    file.write_bytes(data[:8] + b"".join(parts))


def main(folder):
    if PROGRAM is None:
        sys.exit("picture.py: chromium is not installed: setup.sh --tests")
    with tempfile.TemporaryDirectory() as home, Browser() as browser:
        place = pathlib.Path(home) / "hello"
        place.mkdir()
        (place / "hello.py").write_text(ACTION)
        (place / "input.json").write_text('{"name": "Mike"}')
        server = Dev(place)
        page = browser.open(server.url, *SIZE)
        page.wait("document.querySelector('#state').textContent === 'ready'")
        for name in NAMES * 4:
            subprocess.run(["curl", "-s", "-o", "/dev/null", f"{server.url}run", "-d", json.dumps({"value": {"name": name}})], check=True)
        page.key("Enter", CTRL)
        page.wait("document.querySelector('#result').ariaBusy === 'false'")
        page.wait(f"document.querySelector('#summary').textContent.startsWith('{4 * len(NAMES) + 1} ')")
        page.wait("document.querySelector('#log').innerText.includes('greeting Mike')")
        page.wait("document.querySelector('#activations [aria-pressed=true]')")
        for theme in ("light", "dark"):
            page.theme(theme == "dark")
            file = pathlib.Path(folder) / f"dev-{theme}.png"
            page.picture(file)
            squeeze(file)
        server.stop()


main(*sys.argv[1:])
