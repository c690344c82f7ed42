"""Found first by python3 under whiskloop dev --inspect: lets a debugger attach, by debugpy."""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PORT = os.environ.pop("WHISKLOOP_INSPECT_PORT", None)

# What the action starts is not debugged, and finds the sitecustomize that the system has.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
os.environ["PYTHONPATH"] = os.pathsep.join(
    entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry != _HERE)
if not os.environ["PYTHONPATH"]:
    del os.environ["PYTHONPATH"]

if _PORT:
    try:
        import debugpy
    except ImportError:
        print("--inspect: debugpy is not installed (Debian package python3-debugpy)",
              file=sys.stderr)
    else:
        debugpy.listen(("127.0.0.1", int(_PORT)))
