"""counter - tells which process ran it and how often: the same process answers every time.

The answer differs from machine to machine, so there is no expected.json here; scripts/quickstart.sh
and tests/scripts look at what must hold: one process id, and a count without gaps.
"""

import os

activations = 0


def main(args):
    global activations
    activations += 1
    return {"pid": os.getpid(), "activation": activations}
