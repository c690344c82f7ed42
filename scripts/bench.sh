#!/usr/bin/env bash
#
# bench.sh - measure the proxy against libh2o alone, a process for each request, and its goals.

set -euo pipefail

build=${BUILD:-}
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# A folder of its own: what is measured is a release build.
BUILD=${build:-$ROOT/build-bench}

usage() {
    cat <<'END'
usage: bench.sh [--quick] [--pin] [--out FILE.json] [--only PART]...

Install what is missing, build for release, measure, and print each figure beside its goal. About
six minutes; the machine should have nothing else to do. See tests/bench/README.md.

    --quick       about a minute: fewer rounds, so less certain
    --pin         wrk on the first processor, all else on the others; what it changes: the README
    --out FILE    where every sample goes (bench.json in the build folder)
    --only PART   throughput, echo, cold, memory or instructions; may be given more than once
    -h            show this text

Speed is never a failure: ends with 0 whatever the figures say, with 1 when something did not run or
an answer was wrong.

Environment: BUILD, the folder to build in (build-bench); WHISKLOOP_..., settings for the proxy that
is measured, which the JSON file tells.
END
}

out=$BUILD/bench.json
arguments=()
while (($# > 0)); do
    case $1 in
    --quick | --pin) arguments+=("$1") ;;
    --out | --only)
        (($# >= 2)) || die "$1 needs a value" "bench.sh -h shows how to call it"
        if [[ $1 == --out ]]; then
            out=$2
        else
            arguments+=(--only "$2")
        fi
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die "unknown argument '$1'" "bench.sh -h shows how to call it" ;;
    esac
    shift
done
"$here/setup.sh" --bench
bench_prepare
[[ -d $(dirname -- "$out") ]] ||
    die "cannot write '$out': there is no folder '$(dirname -- "$out")'"
bench_run "$ROOT/tests/bench/bench.py" --build "$BUILD" --out "$out" "${arguments[@]}"
