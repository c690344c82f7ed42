"""Found first by python3 under whiskloop dev --inspect: lets a debugger attach through debugpy."""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PORT = os.environ.pop("WHISKLOOP_INSPECT_PORT", None)
_FILE = os.environ.pop("WHISKLOOP_INSPECT_FILE", None)

# Programs that the action starts are not debugged, and find the system's own sitecustomize.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
os.environ["PYTHONPATH"] = os.pathsep.join(
    entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry != _HERE)
if not os.environ["PYTHONPATH"]:
    del os.environ["PYTHONPATH"]


def _name_copy(file):
    """An action of one file runs as a copy, __main__.py elsewhere. Make breakpoints name the original file."""
    from importlib.machinery import SourceFileLoader

    to_code = SourceFileLoader.source_to_code

    def source_to_code(self, data, path, **more):
        if os.path.basename(path) == "__main__.py":
            path = file
        return to_code(self, data, path, **more)

    SourceFileLoader.source_to_code = source_to_code


if _PORT:
    if _FILE:
        _name_copy(_FILE)
    try:
        import debugpy
    except ImportError:
        print("--inspect: debugpy is not installed (Debian package python3-debugpy)",
              file=sys.stderr)
    else:
        debugpy.listen(("127.0.0.1", int(_PORT)))
