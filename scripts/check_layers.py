#!/usr/bin/env python3
"""check_layers - includes of proxy/ follow the arrows: http -> action, pool -> worker -> base.

A library's header may be included only by the file that wraps it. No files include one another in
a circle (a .c and its .h are one unit), and no modules of a Python launcher import one another in
one. Prints one line per offence and ends with 1 if there is any; see architecture in
proxy/README.md for the reasons.
"""

import ast
import re
import sys
from pathlib import Path

# Folder of the including file -> folders it may include from. Files directly in proxy/ may include
# from all.
MAY_INCLUDE = {
    "base": {"base"},
    "action": {"action", "base"},
    "worker": {"worker", "base"},
    "pool": {"pool", "worker", "base"},
    "filter": {"filter", "pool", "worker", "base"},
    "dev": {"dev", "http", "filter", "action", "pool", "worker", "base"},
    "http": {"http", "action", "pool", "worker", "base"},
}

# Start of a library header's name -> the only files that may include it.
LIBRARIES = {
    "h2o": {"http/server.c", "http/connections.c", "http/connection.c", "http/receive.c",
            "http/request.c", "http/libraries.c", "base/loop.c"},
    "archive.h": {"action/unpack.c", "http/libraries.c"},
    "archive_entry.h": {"action/unpack.c"},
    "jansson.h": {"action/manifest.c", "dev/canonical.c"},
    "zlib.h": {"action/gunzip.c", "action/zip.c", "http/libraries.c"},
    "openssl/": {"base/base64.c", "http/libraries.c"},
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


def unit_of(proxy, path):
    """A .c file and its .h are one unit."""
    return path.relative_to(proxy).with_suffix("").as_posix()


def includes(proxy):
    """Unit -> units that it includes."""
    graph = {}
    for path in [*proxy.rglob("*.c"), *proxy.rglob("*.h")]:
        unit = unit_of(proxy, path)
        targets = {unit_of(proxy, proxy / included)
                   for mark, included in INCLUDE.findall(path.read_text(encoding="utf-8"))
                   if mark == '"' and (proxy / included).exists()}
        graph.setdefault(unit, set()).update(targets - {unit})
    return graph


def imports(folder):
    """Module -> modules of the same folder that it imports, anywhere in it."""
    graph = {path.stem: set() for path in folder.glob("*.py")}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            graph[path.stem].update(name for name in names if name in graph and name != path.stem)
    return graph


def reachable(graph, start):
    found, ahead = set(), list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += graph.get(name, ())
    return found


def circles(graph):
    """Sets of names that all lead to one another."""
    ways = {name: reachable(graph, name) for name in graph}
    found = []
    for name in sorted(graph):
        if name in ways[name] and not any(name in circle for circle in found):
            found.append({other for other in ways[name] if name in ways.get(other, ())})
    return found


def circle_offences(root):
    proxy = root / "proxy"
    for circle in circles(includes(proxy)):
        yield f"proxy/: these include one another in a circle: {', '.join(sorted(circle))}"
    for folder in sorted({path.parent for path in (root / "runtime").rglob("*.py")}):
        for circle in circles(imports(folder)):
            yield (f"{folder.relative_to(root)}/: these import one another in a circle: "
                   f"{', '.join(sorted(circle))}")


def main(root):
    root = Path(root)
    proxy = root / "proxy"
    files = sorted([*proxy.rglob("*.c"), *proxy.rglob("*.h")])
    found = [line for path in files for line in offences(proxy, path)]
    found += circle_offences(root)
    if not files:
        found = [f"no C files in {proxy}: nothing was checked"]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent))
