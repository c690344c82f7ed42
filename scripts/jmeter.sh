#!/usr/bin/env bash
#
# jmeter.sh - measure, with JMeter, a process for each request against resident actions.

set -euo pipefail

build=${BUILD:-}
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# A build folder of its own, because it holds a release build.
BUILD=${build:-$ROOT/build-bench}

usage() {
    cat <<'END'
usage: jmeter.sh [--quick] [--plan hello|mixed|both] [--threads N] [--loops N] [--payload BYTES]
                 [--new-connections] [--port N] [--out FILE.json]

Install JMeter and what else is missing, build for release, start the targets, run the plans of
jmeter/ without a window, and print a table for each: milliseconds as JMeter takes them.

    --quick              10 threads, 20 requests each: to see that all works, not to measure
    --plan NAME          hello: jmeter/HelloStress.jmx; mixed: jmeter/MixedLoad.jmx; both (both)
    --threads N          threads of the first plan (100)
    --loops N            requests of each thread (100)
    --payload BYTES      so much more in each body of the first plan (0)
    --new-connections    a new connection for each request, instead of one per thread
    --port N             the first port that targets use; without it any that is free
    --out FILE           write the tables as JSON, too
    -h                   show this text

Ends with 1 when an answer is not the one to its request, when a target dies or when JMeter does not
get to its end; never because of speed. Nothing else should run if the figures are to mean much.

Environment: BUILD, the folder to build in (build-bench); JMETER, another JMeter than Debian's.
END
}

arguments=()
while (($# > 0)); do
    case $1 in
    --quick) arguments+=(--threads 10 --loops 20) ;;
    --new-connections) arguments+=("$1") ;;
    --plan | --threads | --loops | --payload | --port | --out)
        needs_value "$1" $#
        arguments+=("$1" "$2")
        shift
        ;;
    *) help_or_die "$1" ;;
    esac
    shift
done
needs=(--bench)
[[ -n ${JMETER:-} ]] || needs+=(--jmeter)
"$here/setup.sh" "${needs[@]}"
bench_prepare
bench_run "$ROOT/tests/bench/stress.py" --build "$BUILD" "${arguments[@]}"
