#!/usr/bin/env python3
"""assets.py OUT FILE... - write a C file with the files of the dev server's page as arrays.

Indentation and whole lines of comment stay out: readers of the source need them, browsers do not.
"""

import re
import sys
from pathlib import Path

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
COMMENT_RE = re.compile(r"^(?:/\*(?s:.*?)\*/|//.*)\n", re.MULTILINE)


def served(path):
    """The text for browsers. No string spans lines, so a line that begins with // is a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "".join(line.lstrip("\t") + "\n" for line in lines if line)
    return COMMENT_RE.sub("", text)


def array(path):
    data = served(path).encode()
    lines = [", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    return data, ",\n    ".join(lines)


def main(out, *files):
    parts, rows = ['#include "dev/assets.h"\n'], []
    for path in map(Path, files):
        name = path.name.replace(".", "_").replace("-", "_")
        data, body = array(path)
        parts.append(f"static const unsigned char {name}[] = {{\n    {body}, 0}};\n")
        rows.append(f'    {{"{path.name}", "{TYPES[path.suffix]}", (const char *){name}, {len(data)}}},')
    parts.append("const struct asset assets[] = {\n" + "\n".join(rows) + "\n};")
    parts.append(f"const size_t n_assets = {len(rows)};\n")
    Path(out).write_text("\n".join(parts), encoding="utf-8")


main(*sys.argv[1:])
