#!/usr/bin/env bash
#
# coverage.sh - tell which lines of the proxy the tests run.

set -uo pipefail # no -e: lines that a failed stage ran still count

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: coverage.sh [--all | --report]

Build with clang and its counters, run the unit tests, parts of the conformance suite, the fault tests, the
fuzz targets on their seeds and begins.py, and print for each file of the proxy how many lines were run and
which were not, with the reason where tests/uncovered.txt has one. Ends with 1 if a test failed or less than
90 % of the lines of a file were run. Takes some twenty minutes on 2 cores.

    --all      the whole conformance suite, the tests of scripts/, and all of the fault walk
    --report   run nothing: print what the last run found
    -h         show this text

The counters lie in a file that the processes share, so that also those count that are killed or end by
_exit(). Environment: COVERAGE_BUILD, the folder that this builds in (build-coverage).
END
}

OUT=${COVERAGE_BUILD:-$ROOT/build-coverage}
LINES_MIN_PERCENT=90

# Fast tests that together run each part of the proxy at least once. Left out, because they run no
# other line of the proxy:
#   dotnet go java languages launchers new_language nodejs php python* requirements shell
#                                    the same cases in each language; the launchers alone
#   apache ahead endurance simultaneous stalls
#                                    the same lines, with other programs or thousands of times
#   c_sdk call_library               the libraries for actions and callers, not part of the proxy
#   small_container starved          containers, where the coverage counters would distort memory and time
CONFORMANCE=(actionloop admin answers archives archives_hostile auto basic bounds built calls carried
    clients compile concurrent descendants dev dropin failures filter fork framing functions health
    hostile http init knative logs memory oneshot once own_log parts parts_hostile pool prelaunch privileges
    reason replace restarts starter terminal trace unix_socket)
# ... without their slowest cases: compilers, and the case with the most bytes.
BUT_SLOW='not dotnet and not java and not flood'

all=no run=yes
case ${1:-} in
'') ;;
--all) all=yes ;;
--report) run=no ;;
*) help_or_die "$1" ;;
esac
cd -- "$ROOT" || exit 1
for tool in clang llvm-cov llvm-profdata; do
    command -v "$tool" >/dev/null || {
        echo "skipped: $tool is not installed: scripts/setup.sh --tests"
        exit 77
    }
done
unset HOST PORT BUILD "${!WHISKLOOP@}" "${!OW_@}" "${!__OW_@}"
export PYTHONDONTWRITEBYTECODE=1 BUILD=$OUT WHISKLOOP=$OUT/proxy/whiskloop
LOGS=$OUT/logs COUNTERS=$OUT/counters
n_failed=0

# Run a command as stage $1, its output into a log.
stage() {
    local name=$1 started=$SECONDS

    shift
    if "$@" >"$LOGS/$name.log" 2>&1 </dev/null; then
        printf 'ok       %-14s %d s\n' "$name" $((SECONDS - started))
    else
        n_failed=$((n_failed + 1))
        printf 'FAILED   %-14s %d s: %s\n' "$name" $((SECONDS - started)) "$LOGS/$name.log"
        tail -n 15 "$LOGS/$name.log" | sed 's/^/         | /'
    fi
}

build() {
    # The name of the file is compiled in, because the tests give their proxies their own
    # environment. %c: counters are in the file from the start; %m: one file per program.
    local counters="-fprofile-instr-generate=$COUNTERS/%m%c.profraw"

    [[ -f $OUT/build.ninja ]] ||
        CC=clang meson setup "$OUT" "$ROOT" -Dtests=enabled -Db_lundef=false -Doptimization=1 \
            -Dc_args="$counters -fcoverage-mapping -mllvm -runtime-counter-relocation" \
            -Dc_link_args="$counters" || return 1
    meson compile -C "$OUT"
}

# Run pytest on tests/$2 and more, on cases whose name matches $1. The counters make everything
# slower, so a case may exceed a time limit: cases that failed beside three others run again, alone.
cases() {
    local options=(-q -o addopts= -o "cache_dir=$OUT/cache" -k "$1")

    shift
    rm -rf -- "$OUT/cache"
    python3 -m pytest "${options[@]}" -n 4 "${@/#/tests/}" && return
    python3 -m pytest "${options[@]}" --last-failed --last-failed-no-failures none "${@/#/tests/}"
}

if [[ $run == yes ]]; then
    mkdir -p -- "$LOGS" "$COUNTERS" || exit 1
    rm -f -- "$COUNTERS"/*
    stage build build
    ((n_failed == 0)) || exit 1
    stage unit meson test -C "$OUT" --no-rebuild --print-errorlogs --timeout-multiplier 5
    if [[ $all == yes ]]; then
        stage conformance cases '' conformance
        stage scripts cases '' scripts page
        stage walk python3 tests/fault/walk.py --jobs 2
    else
        CONFORMANCE=("${CONFORMANCE[@]/#/conformance/test_}")
        stage conformance cases "$BUT_SLOW" "${CONFORMANCE[@]/%/.py}"
        stage walk python3 tests/fault/walk.py --every 16 --jobs 3
    fi
    stage fault cases '' fault
    stage begins python3 tests/fault/begins.py --quick --seed 1
    stage fuzz env FUZZ_BUILD="$OUT/fuzz" "$here/fuzz.sh" 1
fi
mapfile -t counters < <(find "$COUNTERS" "$OUT/fuzz/logs" -name "*.profraw" -size +1k 2>/dev/null)
llvm-profdata merge -sparse -o "$OUT/all.profdata" "${counters[@]}" ||
    die "no counters to read in '$COUNTERS'"
objects=()
for object in "$OUT"/tests/test_* "$OUT"/fuzz/tests/fuzz_*; do
    [[ ! -f $object || ! -x $object ]] || objects+=(-object "$object")
done
llvm-cov export -format=lcov -instr-profile="$OUT/all.profdata" "$WHISKLOOP" "${objects[@]}" >"$OUT/all.lcov" ||
    die "llvm-cov cannot read the counters"
python3 scripts/coverage.py "$OUT/all.lcov" tests/uncovered.txt "$LINES_MIN_PERCENT" || n_failed=$((n_failed + 1))
((n_failed == 0))
