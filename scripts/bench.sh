#!/usr/bin/env bash
#
# bench.sh - measure the proxy against libh2o alone, a process for each request, and its goals.

set -euo pipefail

build=${BUILD:-}
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# A build folder of its own, because it holds a release build.
BUILD=${build:-$ROOT/build-bench}

usage() {
    cat <<'END'
usage: bench.sh [--quick] [--pin] [--out FILE.json] [--only PART]... [--budget]
                [--report [--from FILE.json] [--keep FOLDER]] [--compare OLD.json] [--languages]

Install what is missing, build for release, measure, and print each figure beside its goal. About
six minutes; the machine should have nothing else to do. See tests/bench/README.md.

    --quick        about a minute: fewer rounds, so less certain
    --pin          wrk on the first processor, all else on the others; what it changes: the README
    --out FILE     where every sample goes (bench.json in the build folder)
    --only PART    throughput, echo, cold, memory or instructions, and those that only the report
                   shows: jmeter, feeding, peers, calls, launcher, pool, open, timeline, languages;
                   may be given more than once
    --languages    measure the languages alone, about four minutes, and put the figures into the table
                   of docs/languages.md; with --from those of FILE
    --report       measure all parts, about 15 minutes, and write bench-report/index.html, one
                   page with all pictures; with --only there is no page, just the figures
    --from FILE    do not measure: make the report, the comparison or the table of what is in FILE
    --keep FOLDER  also write what the repository keeps: FOLDER/benchmarks.md with its pictures and
                   its numbers, and the block of the README beside FOLDER
    --compare OLD  say which shares moved beyond noise since OLD, a file of an earlier run
    --budget       count instructions too, and end with 1 when an activation takes more of them than
                   tests/bench/budget.json allows
    -h             show this text

Speed is never a failure, but for --budget: ends with 0 whatever the figures say, with 1 when
something did not run or an answer was wrong. Then there is no new report.

Environment: BUILD, the folder to build in (build-bench); WHISKLOOP_..., settings for the proxy that
is measured, which the JSON file tells.
END
}

# Run the measurements; results go to $out.
measure() {
    bench_prepare
    [[ -d $(dirname -- "$out") ]] ||
        die "cannot write '$out': there is no folder '$(dirname -- "$out")'"
    bench_run "$ROOT/tests/bench/bench.py" --build "$BUILD" --out "$out" "${arguments[@]}"
}

out=$BUILD/bench.json
from='' keep='' old='' report=no only=no languages=no
arguments=()
while (($# > 0)); do
    case $1 in
    --quick | --pin | --budget) arguments+=("$1") ;;
    --report)
        report=yes
        arguments+=("$1")
        ;;
    --languages)
        languages=yes
        only=yes
        arguments+=(--only languages)
        ;;
    --out | --only | --from | --keep | --compare)
        needs_value "$1" $#
        value=$2
        case $1 in
        --out) out=$value ;;
        --from) from=$value ;;
        --keep) keep=$value ;;
        --compare) old=$value ;;
        --only)
            only=yes
            arguments+=(--only "$value")
            ;;
        esac
        shift
        ;;
    *) help_or_die "$1" ;;
    esac
    shift
done
[[ $report == yes || -z $keep ]] || die "--keep is for --report"
[[ -z $from || $report == yes || $languages == yes || -n $old ]] ||
    die "--from is for --report and --compare, and for --languages"
# Fail now, not after all measurements.
[[ -z $old || -r $old ]] || die "cannot read '$old', the file to compare with"
needs=()
[[ $report == no && $languages == no ]] || needs+=(--report)
if [[ -z $from ]]; then
    needs+=(--bench)
    [[ $report == no || -n ${JMETER:-} ]] || needs+=(--jmeter)
fi
((${#needs[@]} == 0)) || "$here/setup.sh" "${needs[@]}"
if [[ -z $from ]]; then
    measure
    from=$out
fi
if [[ -n $old ]]; then
    /usr/bin/python3 "$ROOT/tests/bench/compare.py" "$old" "$from"
fi
if [[ $languages == yes ]]; then
    /usr/bin/python3 "$ROOT/tests/bench/language_table.py" "$from"
fi
if [[ $report == yes && $only == no ]]; then
    words=("$from" --out "$ROOT/bench-report")
    [[ -z $keep ]] || words+=(--keep "$keep")
    /usr/bin/python3 "$ROOT/tests/bench/page.py" "${words[@]}"
fi
