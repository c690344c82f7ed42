#!/usr/bin/env python3
"""launcher - start the Python runtime: launcher.py [FOLDER-or-FILE.py [MAIN]].

All work is in whiskloop_launcher.py, because Python caches the compiled form of a module but not that
of the main file. That saves 3 ms of every start. Images compile the module when they are built.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.realpath(__file__))

# Python puts this folder first itself, unless PYTHONSAFEPATH is set. Take it out of the path again
# at once, because the action's own modules must not be looked for here.
if not sys.path or os.path.realpath(sys.path[0]) != FOLDER:
    sys.path.insert(0, FOLDER)
import whiskloop_launcher  # noqa: E402

del sys.path[0]

if __name__ == "__main__":
    try:
        whiskloop_launcher.main()
    except KeyboardInterrupt:
        sys.exit(130)  # the status that shells use for Control-C
elif __name__ == "__mp_main__":
    # A child of multiprocessing's "spawn" runs the main program, which is us, in the parent's
    # sys.path. It looks for the action's functions under the module name that they have there.
    whiskloop_launcher.import_action(os.path.join(sys.path[0], "__main__.py"))
