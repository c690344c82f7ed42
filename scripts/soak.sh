#!/usr/bin/env bash
#
# soak.sh - a long load on the proxy while its workers, its clients and its log's readers fail.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: soak.sh [--seconds N] [--connections N] [--workers N] [--seed N] [--action python|c|nodejs|all]

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
exec python3 tests/fault/soak.py "$@"
