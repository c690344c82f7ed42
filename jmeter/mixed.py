"""mixed - the action of MixedLoad.jmx: answers with what it was given, and fails when asked to.

jmeter.sh publishes it again in the middle of the load, with 2 for the version.
"""

VERSION = 1


def main(args):
    if args.get("fail"):
        raise ValueError("asked to fail: " + args["id"])
    return {"id": args["id"], "version": VERSION, "text": args["text"]}
