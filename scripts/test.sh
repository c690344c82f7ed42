#!/usr/bin/env bash
#
# test.sh - run all tests, count them, and print one closing line for the whole run.

set -uo pipefail # no -e: a failed stage is counted, and the others still run

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: test.sh [--quick | --all]

Install what the tests need, build with gcc, and with clang and its sanitizers, run the tests, and end
with one line "N passed, N failed". Builds and logs are kept in build-test/.

    --quick    one build with gcc, the unit tests, the checks, and the tests that depend on the
               place, the user and the packages. Leaves out the other tests of the conformance
               suite and of bin/, the documents, faults, clang and its sanitizers, bare
               roots, benchmarks and images
    --all      also what takes too long for each change: all cases of .NET but one, the conformance
               suite with several workers, with one line at a time and with sanitizers, the packages
               and the quick form in bare roots, JMeter, the instruction budget, and every image in
               containers
    -h         show this text
END
}

OUT=$ROOT/build-test
LOGS=$OUT/logs
N_JSON_CASES=100000

n_passed=0 n_failed=0 n_skipped=0
stage_pid=  # the stage that is running now; finish() ends it
beside_pid= # the stages that run in the background
finished=no # set when the last stage is done

# Print the closing line, however the script ends.
finish() {
    local skipped=

    if [[ -n $stage_pid$beside_pid ]]; then
        # shellcheck disable=SC2086 # one of them, or both
        kill -TERM $stage_pid $beside_pid 2>/dev/null
        # shellcheck disable=SC2086
        wait $stage_pid $beside_pid 2>/dev/null
    fi
    if [[ $finished == no ]]; then
        echo "FAILED   the run was broken off"
        n_failed=$((n_failed + 1))
    fi
    ((n_skipped == 0)) || skipped=", $n_skipped skipped"
    printf '\n%s passed, %s failed%s\n' "$n_passed" "$n_failed" "$skipped"
    ((n_failed == 0 && n_passed > 0)) || exit 1
    exit 0
}

# Run a command for at most $2 seconds, its output into the log of stage $1. Returns its status.
run() {
    local name=$1 limit=$2 status=0

    shift 2
    # In the background, so that a signal to this script is handled at once.
    timeout --kill-after=20 "$limit" "$@" >"$LOGS/$name.log" 2>&1 </dev/null &
    stage_pid=$!
    wait "$stage_pid" || status=$?
    stage_pid=
    ((status != 124 && status != 137)) || echo "ended: not done in $limit s" >>"$LOGS/$name.log"
    return "$status"
}

# Print a stage's line. $1: ok, FAILED or skipped; $2: its name; $3: remark.
report() {
    printf '%-8s %-34s %s\n' "$1" "$2" "$3"
}

# Print the end of a stage's log, marked: an inner tool's closing line must not look like ours.
show_log() {
    tail -n 40 "$LOGS/$1.log" | tr -d '\000' | sed 's/^/         | /'
    printf '         the whole log: %s\n' "$LOGS/$1.log"
}

# A stage that is one case: passed if its command ends with 0, skipped if with 77.
single() {
    local name=$1 status=0 started=$SECONDS

    run "$@" || status=$?
    case $status in
    0)
        n_passed=$((n_passed + 1))
        report ok "$name" "$((SECONDS - started)) s"
        ;;
    77)
        n_skipped=$((n_skipped + 1))
        report skipped "$name" "$(tail -n 2 "$LOGS/$name.log" | head -n 1)"
        ;;
    *)
        n_failed=$((n_failed + 1))
        report FAILED "$name" "exit status $status after $((SECONDS - started)) s"
        show_log "$name"
        ;;
    esac
    return "$status"
}

# Run stages in the background, one after the other and at lower priority: a bare root mostly waits
# for the disk. join() shows their lines. Arguments: a function.
beside() {
    (
        # shellcheck disable=SC2030 # a subshell's own counts, passed on in the file below
        n_passed=0 n_failed=0 n_skipped=0 stage_pid=
        trap - EXIT INT
        trap '[[ -z $stage_pid ]] || kill -TERM "$stage_pid"; wait; exit 1' TERM
        renice -n 5 "$BASHPID" >/dev/null
        "$@"
        printf '%s %s %s\n' "$n_passed" "$n_failed" "$n_skipped" >"$LOGS/beside.counts"
    ) >"$LOGS/beside.log" 2>&1 </dev/null &
    beside_pid=$!
}

# Wait for the background stages, print their lines and add their counts.
join() {
    local passed=0 failed=1 skipped=0

    [[ -n $beside_pid ]] || return 0
    wait "$beside_pid"
    beside_pid=
    cat "$LOGS/beside.log"
    read -r passed failed skipped <"$LOGS/beside.counts" || report FAILED beside "broken off"
    # shellcheck disable=SC2031
    {
        n_passed=$((n_passed + passed))
        n_failed=$((n_failed + failed))
        n_skipped=$((n_skipped + skipped))
    }
}

# Add up the cases of stage $1 from result file $3 of kind $2, after its command ended with $4.
count() {
    local name=$1 kind=$2 file=$3 status=$4 seconds=$5 lines passed failed skipped

    mapfile -t lines < <(python3 "$here/count_results.py" "$kind" "$file")
    read -r passed failed skipped <<<"${lines[0]:-0 0 0}"
    # A tool that failed without a failed case, or ran no case at all, is itself a failure.
    if ((failed == 0)) && ((status != 0 || passed + skipped == 0)); then
        failed=1
        lines+=("exit status $status, $passed cases passed")
    fi
    n_passed=$((n_passed + passed))
    n_failed=$((n_failed + failed))
    n_skipped=$((n_skipped + skipped))
    if ((failed > 0)); then
        report FAILED "$name" "$failed of $((passed + failed)) cases, $seconds s"
        printf '         %s\n' "${lines[@]:1}"
        show_log "$name"
        return 1
    fi
    report ok "$name" "$passed cases, $skipped skipped, $seconds s"
}

# Build into build-test/$1. Further arguments: compiler, options for meson setup.
build() {
    local name=$1 compiler=$2

    shift 2
    # shellcheck disable=SC2016 # the inner shell expands these
    single "build-$name" 600 env CC="$compiler" \
        bash -c 'set -e; . "$1/lib.sh"; shift; build_in "$@"' _ "$here" "$OUT/$name" "$@"
}

# The unit tests of build-test/$1.
unit_tests() {
    local name=unit-$1 folder=$OUT/$1 status=0 started=$SECONDS

    rm -f -- "$folder/meson-logs/testlog.json"
    run "$name" 600 env CMOCKA_MESSAGE_OUTPUT=TAP TEST_SOURCE_ROOT="$ROOT" \
        meson test -C "$folder" --no-rebuild --print-errorlogs || status=$?
    count "$name" meson "$folder/meson-logs/testlog.json" "$status" $((SECONDS - started))
}

# The pytest cases of tests/$2 (a folder, or files without .py) as stage $1, on the program of
# build-test/$3, for at most $4 s. Further arguments: for pytest.
pytest_cases() {
    local name=$1 where build=$OUT/$3 limit=$4
    local status=0 started=$SECONDS paths=()

    for where in $2; do
        [[ -d $ROOT/tests/$where ]] || where+=.py
        paths+=("$ROOT/tests/$where")
    done
    shift 4
    rm -f -- "$LOGS/$name.xml"
    # Four at a time, because most cases mostly wait.
    run "$name" "$limit" env WHISKLOOP="$build/proxy/whiskloop" BUILD="$build" \
        python3 -m pytest -q -p no:cacheprovider -n 4 \
        --junitxml="$LOGS/$name.xml" "$@" "${paths[@]}" || status=$?
    count "$name" junit "$LOGS/$name.xml" "$status" $((SECONDS - started))
}

checks() {
    local name

    for name in format layers shell python spell readme analyze; do
        single "check-$name" 600 env BUILD="$OUT/gcc" "$here/check.sh" "$name"
    done
}

# Everything that runs on one build. $1: its name; $2: seconds for the conformance suite; further
# arguments: for it.
tests_on() {
    local name=$1 limit=$2

    shift 2
    unit_tests "$name"
    pytest_cases "conformance-$name" conformance "$name" "$limit" "$@"
    pytest_cases "fault-$name" fault "$name" 300
    soak "$name"
}

# Print pytest options that leave out the named files of cases, given without test_ and .py.
without() {
    printf -- '--ignore-glob=*/test_%s.py\n' "$@"
}

# Tests of launchers and interpreters, not of the proxy.
OTHERS_CODE=(languages nodejs shell go java dotnet new_language c_sdk python_accelerator python_launcher python_launcher_world apache stalls)
# Cases that only --all runs: the compiler of .NET takes seconds for each. One of them always runs.
BUT_SLOW='not dotnet or dotnet-echo'
# Tests whose result cannot depend on the number of processes or on how lines are fed.
ONE_WAY=(ahead fork replace archives archives_hostile own_log privileges trace compile dropin carried knative launchers
    memory admin oneshot http framing bounds clients endurance filter once auto php python terminal unix_socket hostile
    descendants
    calls call_library)

# Tests that run with sanitizers at each change.
ASAN_CONFORMANCE=(basic init failures knative)

# Tests that depend on the machine, the user and the installed packages.
QUICK_CONFORMANCE=(basic init privileges memory carried new_language)
QUICK_SCRIPTS=(init run manual)
# From other files, cases that need a package which no other quick case needs.
QUICK_FILES=(archives admin actionloop c_sdk starter)
QUICK_CASES='archive_with_a_password or parser_of_prometheus or TU16_bc or every_compiler or starter_is_served'

quick_tests() {
    unit_tests gcc
    pytest_cases conformance-quick "${QUICK_CONFORMANCE[*]/#/conformance/test_}" gcc 600
    pytest_cases packages-quick "${QUICK_FILES[*]/#/conformance/test_}" gcc 300 -k "$QUICK_CASES"
    pytest_cases page-quick page gcc 300 -k the_page_is_small
    pytest_cases scripts-quick "${QUICK_SCRIPTS[*]/#/scripts/test_}" gcc 600
    pytest_cases platforms platforms gcc 120
}

# Run the conformance suite again in two other ways that must give the same results: with several
# processes, and with activations written one at a time to processes that start with their action.
other_ways() {
    local left_out

    mapfile -t left_out < <(without "${OTHERS_CODE[@]}" "${ONE_WAY[@]}")
    WHISKLOOP_OPTIONS=--workers=3 pytest_cases conformance-pool conformance gcc 600 "${left_out[@]}"
    WHISKLOOP_OPTIONS='--write-ahead=1 --prelaunch=0' \
        pytest_cases conformance-alone conformance gcc 600 "${left_out[@]}"
}

# A short soak on build-test/$1, and its closing remark.
soak() {
    single "soak-$1" 300 env WHISKLOOP="$OUT/$1/proxy/whiskloop" \
        python3 "$ROOT/tests/fault/soak.py" --seconds 30 --seed 1 &&
        grep -h 'requests amid' "$LOGS/soak-$1.log" | sed 's/^ */         /'
}

# Count each activation as it begins, in every language, while processes die in every way.
begins() {
    single begins 300 env WHISKLOOP="$OUT/gcc/proxy/whiskloop" \
        python3 "$ROOT/tests/fault/begins.py" --quick --seed 1
}

# Make each system call of the proxy fail once, in as many runs as fit into a minute.
walk() {
    single walk 300 env BUILD="$OUT/gcc" \
        python3 "$ROOT/tests/fault/walk.py" --every 16 --jobs 3
}

# Compare our JSON checker with Python's parser: a difference in any document is a failure.
json_differential() {
    single json-differential 600 python3 "$ROOT/tests/fuzz/json_differential.py" \
        --cases "$N_JSON_CASES" --helper "$OUT/gcc/tests/json_lines"
}

# Run each fuzz target for a second, with a fixed random seed, so that an old bug does not fail an
# unrelated commit. Longer runs are for scripts/fuzz.sh.
fuzz() {
    single fuzz 180 env FUZZ_BUILD="$OUT/asan" FUZZ_SEED=1 "$here/fuzz.sh" 1 && sed 's/^/         /' "$LOGS/fuzz.log"
}

# Short runs of JMeter's plans, and an activation's instruction count against its budget.
benchmarks() {
    single jmeter 300 env BUILD="$OUT/bench" "$here/jmeter.sh" --quick
    single budget 300 env BUILD="$OUT/bench" "$here/bench.sh" --quick --only instructions --budget
}

quickstart() {
    # A build folder of its own, emptied first, because the fresh build is part of the
    # demonstration. An empty environment, because the quickstart must not depend on any variable.
    rm -rf -- "$OUT/quickstart"
    single quickstart 300 env -i BUILD="$OUT/quickstart" "$here/quickstart.sh"
}

# In a bare Debian 12, from a clone of the commit: what a new user does first, and what CI itself
# needs.
bare() {
    if ! "$here/setup.sh" --bare >"$LOGS/setup-bare.log" 2>&1; then
        n_skipped=$((n_skipped + 1))
        report skipped bare "$(tail -n 1 "$LOGS/setup-bare.log")"
        quickstart # here, at least
        return
    fi
    # If no root can be made, the first stage says so, and the others would only repeat it.
    single bare-quickstart 900 "$here/bare-root.sh" scripts/quickstart.sh
    if grep -q 'no bare root can be had' "$LOGS/bare-quickstart.log"; then
        quickstart
        return
    fi
    single bare-user 900 "$here/bare-root.sh" -d '/home/stranger/a folder/whiskloop' scripts/bare-tests.sh user
    [[ $all == yes ]] || return
    rm -rf -- "$OUT/packages"
    if single bare-build 600 "$here/bare-root.sh" -o "/root/whiskloop/build-packages=$OUT/packages" \
        scripts/bare-tests.sh build; then
        single bare-packages 600 "$here/bare-root.sh" -i "$OUT/packages" scripts/bare-tests.sh packages
    fi
    single bare-quick 1500 "$here/bare-root.sh" scripts/bare-tests.sh quick
}

# Build the images and run them in containers, if an engine can be had. Delete what they leave.
images() {
    local name=images status=0 started=$SECONDS

    if ! "$here/setup.sh" --images >"$LOGS/setup-images.log" 2>&1; then
        n_skipped=$((n_skipped + 1))
        report skipped "$name" "no container engine can be installed: $LOGS/setup-images.log"
        return
    fi
    rm -f -- "$LOGS/$name.xml"
    run "$name" 1500 env IMAGES_DIR="$OUT/images" "$here/test-images.sh" --clean \
        --junitxml="$LOGS/$name.xml" || status=$?
    if ((status == 77)); then
        n_skipped=$((n_skipped + 1))
        report skipped "$name" "$(grep '^\(test-\)\?images.sh: ' "$LOGS/$name.log" | tail -n 1)"
    else
        count "$name" junit "$LOGS/$name.xml" "$status" $((SECONDS - started))
    fi
}

quick=no all=no
case ${1:-} in
'') ;;
--quick) quick=yes ;;
--all) all=yes ;;
*) help_or_die "$1" ;;
esac
cd -- "$ROOT" || exit 1
mkdir -p -- "$LOGS"
# The caller's own settings would reach the proxies under test.
unset HOST PORT BUILD "${!WHISKLOOP@}" "${!OW_@}" "${!__OW_@}"
export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99
# Leaks in libraries that are not ours to fix. The file says which and why.
export LSAN_OPTIONS=suppressions=$ROOT/tests/conformance/lsan.supp:print_suppressions=0
export PYTHONDONTWRITEBYTECODE=1
trap finish EXIT
trap 'exit 130' INT TERM

needs=(--tests)
[[ $all == no ]] || needs+=(--bench --jmeter --report)
# Without the tests' packages, no other stage is worth running.
single setup 900 "$here/setup.sh" "${needs[@]}" || {
    finished=yes
    exit 1
}
rm -f -- "$LOGS/beside.counts"
[[ $quick == yes ]] || beside bare
if build gcc gcc -Dtests=enabled -Dwerror=true -Dbench=true; then
    if [[ $quick == yes ]]; then
        quick_tests
    else
        if [[ $all == yes ]]; then
            tests_on gcc 1500
        else
            tests_on gcc 1200 -k "$BUT_SLOW"
        fi
        begins
        walk
        pytest_cases scripts scripts gcc 300
        pytest_cases page page gcc 300 -n 2 # each browser starts several processes
        pytest_cases platforms platforms gcc 120
        single docs 300 env BUILD="$OUT/gcc" "$here/check_docs.py" && sed 's/^/         /' "$LOGS/docs.log"
        [[ $all == no ]] || other_ways
    fi
fi
checks
if [[ $quick == no ]]; then
    [[ ! -x $OUT/gcc/proxy/whiskloop ]] || json_differential
    # One build for both: the second compiler's warnings, and its sanitizers' reports.
    if build asan clang -Dtests=enabled -Dwerror=true -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dfuzz=true; then
        fuzz
        if [[ $all == yes ]]; then
            mapfile -t left_out < <(without "${OTHERS_CODE[@]}")
            tests_on asan 1800 "${left_out[@]}"
        else
            unit_tests asan
            pytest_cases conformance-asan "${ASAN_CONFORMANCE[*]/#/conformance/test_}" asan 600
        fi
    fi
    join
    if [[ $all == yes ]]; then
        benchmarks
        images
    fi
fi
finished=yes
