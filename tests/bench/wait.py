"""wait - the Python action of the benchmarks that waits, as for a database, and computes nothing."""

import time


def main(args):
    time.sleep(args["seconds"])
    return {"waited": args["seconds"]}
