#!/usr/bin/env bash
#
# fuzz.sh - run the fuzz targets, and print how much each tried and covered.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: fuzz.sh [SECONDS] [TARGET]...

Build the fuzz targets with clang and run each named, all when none is, for SECONDS (10). Prints the
executions of each and the edges of code that it reached. Ends with 1 if a target found something:
the input is kept in FUZZ_BUILD/found. The inputs that reached something new are kept in FUZZ_BUILD/corpus, and
are where the next run begins.

Environment: FUZZ_BUILD, the folder that this builds in (build-fuzz). JOBS, targets at a time (2).
FUZZ_SEED, what the changes are drawn by (0: another one each time).
END
}

[[ ${1:-} != -h && ${1:-} != --help ]] || { usage && exit; }
seconds=10
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
FUZZ_BUILD=${FUZZ_BUILD:-$ROOT/build-fuzz}
command -v clang >/dev/null || {
    echo "skipped: clang is not installed: apt-get install clang"
    exit 77
}
mkdir -p -- "$FUZZ_BUILD"
if [[ ! -f $FUZZ_BUILD/build.ninja ]]; then
    # The build runs the program for its manuals, and meson runs a test program: keep their counters
    # out of this folder.
    CC=clang LLVM_PROFILE_FILE=$FUZZ_BUILD/built.profraw meson setup "$FUZZ_BUILD" "$ROOT" -Dfuzz=true -Dtests=enabled -Db_lundef=false \
        -Db_sanitize=address,undefined -Dc_link_args=-fprofile-instr-generate \
        -Dc_args="-fprofile-instr-generate=$FUZZ_BUILD/built.profraw -fcoverage-mapping" >"$FUZZ_BUILD/setup.log" 2>&1 || {
        tail -n 20 "$FUZZ_BUILD/setup.log" >&2
        die "cannot set up the build of the fuzz targets"
    }
fi
# FUZZ_BUILD may be a build of test.sh that is older than the option -Dfuzz.
if ! grep -q tests/fuzz_ "$FUZZ_BUILD/build.ninja"; then
    meson configure "$FUZZ_BUILD" -Dfuzz=true ||
        die "cannot add the fuzz targets to the build in '$FUZZ_BUILD'"
fi
cd -- "$ROOT"
all=()
for target in tests/fuzz/fuzz_*.c; do
    target=${target##*/fuzz_}
    all+=("${target%.c}")
done
targets=("$@")
((${#targets[@]} > 0)) || targets=("${all[@]}")
for target in "${targets[@]}"; do
    [[ " ${all[*]} " == *" $target "* ]] || die "unknown target '$target'" "the targets: ${all[*]}"
done
ninja -C "$FUZZ_BUILD" "${targets[@]/#/tests/fuzz_}" >"$FUZZ_BUILD/build.log" 2>&1 || {
    grep -v '^\[' "$FUZZ_BUILD/build.log" | tail -n 40 >&2
    die "cannot build the fuzz targets"
}
python3 tests/fuzz/seeds.py "$FUZZ_BUILD/seeds"
mkdir -p -- "$FUZZ_BUILD/corpus" "$FUZZ_BUILD/found" "$FUZZ_BUILD/logs"

# Run target $1.
fuzz() {
    local name=$1 options=()

    [[ ! -f tests/fuzz/fuzz_$name.dict ]] || options=(-dict="tests/fuzz/fuzz_$name.dict")
    [[ $name != archive ]] || options+=(-max_len=600)
    mkdir -p -- "$FUZZ_BUILD/corpus/$name" "$FUZZ_BUILD/seeds/$name"
    LLVM_PROFILE_FILE=$FUZZ_BUILD/logs/$name.profraw UBSAN_OPTIONS=halt_on_error=1 \
        "$FUZZ_BUILD/tests/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=1 \
        -print_final_stats=1 -seed="${FUZZ_SEED:-0}" -artifact_prefix="$FUZZ_BUILD/found/$name-" "${options[@]}" \
        "$FUZZ_BUILD/corpus/$name" "$FUZZ_BUILD/seeds/$name" >"$FUZZ_BUILD/logs/$name.log" 2>&1
}

failed=()
running=()
# Wait for the running targets.
finish() {
    local name

    for name in "${running[@]}"; do
        wait "${pids[$name]}" || failed+=("$name")
    done
    running=()
}
declare -A pids
for target in "${targets[@]}"; do
    fuzz "$target" &
    pids[$target]=$!
    running+=("$target")
    ((${#running[@]} < ${JOBS:-2})) || finish
done
finish

printf '%-10s %12s %8s %8s\n' target executions edges inputs
for target in "${targets[@]}"; do
    log=$FUZZ_BUILD/logs/$target.log
    # "#123 DONE cov: 456 ft: 789 corp: 12/34Kb …"
    printf '%-10s %12s %8s %8s%s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" \
        "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)" \
        "$(grep -o 'corp: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)" \
        "$([[ " ${failed[*]-} " != *" $target "* ]] || echo '   FAILED')"
done
if ((${#failed[@]} > 0)); then
    for target in "${failed[@]}"; do
        echo "--- $target: $FUZZ_BUILD/logs/$target.log"
        # Let sed read to the end: a broken pipe would end the script before the next target.
        grep -E -A 12 'ERROR|Assertion|runtime error|Test unit written' "$FUZZ_BUILD/logs/$target.log" | sed -n 1,40p || true
    done
    exit 1
fi
