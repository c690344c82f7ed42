"""compute - the Python action of the benchmarks that keeps a processor busy: about a millisecond."""


def main(args):
    total = 0
    for i in range(args["steps"]):
        total = (total * 31 + i) % 1000003
    return {"total": total}
