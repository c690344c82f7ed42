"""The fixtures and helpers of the conformance suite, for cases of what goes wrong around the proxy."""

import importlib.util
import pathlib
import sys

sys.dont_write_bytecode = True
CONFORMANCE = pathlib.Path(__file__).resolve().parents[1] / "conformance"
sys.path.insert(0, str(CONFORMANCE))

# By its path: two modules cannot both be called conftest.
_spec = importlib.util.spec_from_file_location("conformance_fixtures", CONFORMANCE / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

folder, proxy, gate, compiled = (getattr(_fixtures, name)
                                 for name in ("folder", "proxy", "gate", "compiled"))
