#!/usr/bin/env python3
"""check_layers - includes of proxy/ follow the arrows: http -> action, worker -> base.

A library's header may be included only by the file that wraps it. Prints one line per offence and
ends with 1 if there is any; see architecture in proxy/README.md for the reasons.
"""

import re
import sys
from pathlib import Path

# Folder of the including file -> folders it may include from. Files directly in proxy/ may all.
MAY_INCLUDE = {
    "base": {"base"},
    "action": {"action", "base"},
    "worker": {"worker", "base"},
    "filter": {"filter", "worker", "base"},
    "http": {"http", "action", "worker", "base"},
}

# Start of a library header's name -> the only files that may include it.
LIBRARIES = {
    "h2o": {"http/server.c", "base/loop.c"},
    "archive.h": {"action/unpack.c"},
    "archive_entry.h": {"action/unpack.c"},
    "jansson.h": {"action/manifest.c"},
    "zlib.h": {"action/gunzip.c", "action/zip.c"},
    "openssl/": {"base/base64.c"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


def offences(proxy, path):
    """One sentence for each include in `path` that goes against the arrows."""
    name = path.relative_to(proxy).as_posix()
    folder = name.split("/")[0] if "/" in name else None
    for mark, included in INCLUDE.findall(path.read_text(encoding="utf-8")):
        if mark == '"':
            target = included.split("/")[0] if "/" in included else None
            if folder is not None and target not in MAY_INCLUDE.get(folder, ()):
                yield f"proxy/{name}: must not include \"{included}\""
        for start, allowed in LIBRARIES.items():
            if included.startswith(start) and name not in allowed:
                yield f"proxy/{name}: <{included}> belongs to {' and '.join(sorted(allowed))} alone"


def main(root):
    proxy = Path(root) / "proxy"
    files = sorted([*proxy.rglob("*.c"), *proxy.rglob("*.h")])
    found = [line for path in files for line in offences(proxy, path)]
    if not files:
        found = [f"no C files in {proxy}: nothing was checked"]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent))
