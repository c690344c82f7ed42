#!/usr/bin/env bash
#
# soak.sh - put load on the proxy for long, while workers, clients and readers of its log fail.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: soak.sh [--seconds N] [--connections N] [--workers N] [--seed N] [--action python|c|nodejs|all]
       soak.sh --begins [--activations N] [--more N] [--seed N] [--only NAME]...

Build, and let the proxy serve while faults are injected: workers killed and frozen, the proxy frozen,
its logs not read, actions that exit, hang, answer twice or nonsense or flood their logs, clients that
leave or send half. Ends with an account of every fault and every answer, and with status 1 when
anything does not add up.

    --seconds      how long, shared by the actions (900)
    --connections  clients at a time (32)
    --workers      processes of the action (4)
    --seed         what the faults are drawn by (any)
    --action       the action in Python, in C, in Node.js where each process does many at a time, or one after
                   the other (all)
    --begins       count instead how often each activation is begun, in every language that is here, while
                   processes end in every way: it fails when one is begun twice, is not answered, or answered
                   as another, or when more innocents fail than deaths allow
    --activations  how many, of Python, of Node.js in both its ways, of C with the library and without (1000000)
    --more         how many of each other language (20000)
    --only         one language, by the name that the run prints
    -h             show this text

Environment: BUILD, the folder to build in (build); WHISKLOOP, a program that is built already.
END
}

for argument in "$@"; do
    if [[ $argument == -h || $argument == --help ]]; then
        usage
        exit 0
    fi
done
cd -- "$ROOT"
if [[ -z ${WHISKLOOP:-} ]]; then
    build_in "$BUILD" >&2
    WHISKLOOP=$BUILD/proxy/whiskloop
fi
export WHISKLOOP PYTHONDONTWRITEBYTECODE=1
if [[ ${1:-} == --begins ]]; then
    shift
    exec python3 tests/fault/begins.py "$@"
fi
exec python3 tests/fault/soak.py "$@"
