"""echo - the Python action of the benchmarks for large bodies: answers with what it was given."""


def main(args):
    return args
