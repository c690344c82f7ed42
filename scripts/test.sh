#!/usr/bin/env bash
#
# test.sh - all tests there are, counted, with one closing line for the whole run.

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
stage_pid=  # what is running now, to be ended with us
beside_pid= # the stages that run beside the others
finished=no # set when the last stage is done

# The closing line, however the script ends.
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

# Run a command for at most $2 seconds, its words into the log of stage $1. Returns its status.
run() {
    local name=$1 limit=$2 status=0

    shift 2
    # In the background, so that a signal to this script is handled at once and not afterwards.
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

# The end of a stage's log, marked as such: an inner tool's closing line must not look like ours.
show_log() {
    tail -n 40 "$LOGS/$1.log" | tr -d '\000' | sed 's/^/         | /'
    printf '         the whole log: %s\n' "$LOGS/$1.log"
}

# A stage that is one case: it passes when its command ends with 0, 77 is skipped.
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

# Run stages beside the others, one after the other, after whose turn the processors are: much of a bare
# root is waiting for a disk. Their lines are shown by join(). Arguments: a function.
beside() {
    (
        # shellcheck disable=SC2030 # its own counts, which the file below tells
        n_passed=0 n_failed=0 n_skipped=0 stage_pid=
        trap - EXIT INT
        trap '[[ -z $stage_pid ]] || kill -TERM "$stage_pid"; wait; exit 1' TERM
        renice -n 5 "$BASHPID" >/dev/null
        "$@"
        printf '%s %s %s\n' "$n_passed" "$n_failed" "$n_skipped" >"$LOGS/beside.counts"
    ) >"$LOGS/beside.log" 2>&1 </dev/null &
    beside_pid=$!
}

# Wait for the stages that run beside the others, show and count them.
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
    # A tool that failed without a failed case, or had no case at all, is a failure of its own.
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

# The pytest cases of tests/$2 (a folder, or files without .py) as stage $1, on the program of build-test/$3, for at most $4 s.
# Further arguments: for pytest.
pytest_cases() {
    local name=$1 where build=$OUT/$3 limit=$4
    local status=0 started=$SECONDS paths=()

    for where in $2; do
        [[ -d $ROOT/tests/$where ]] || where+=.py
        paths+=("$ROOT/tests/$where")
    done
    shift 4
    rm -f -- "$LOGS/$name.xml"
    # Four at a time: most of a case is waiting.
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

# Arguments by which pytest leaves out files of cases, named without test_ and .py.
without() {
    printf -- '--ignore-glob=*/test_%s.py\n' "$@"
}

# What is about launchers and interpreters, and not about the program under test.
OTHERS_CODE=(languages nodejs shell go java dotnet new_language c_sdk python_accelerator python_launcher python_launcher_world apache stalls)
# What only --all tries: the compiler of .NET takes seconds for each case. One case stays.
BUT_SLOW='not dotnet or dotnet-echo'
# What neither the number of processes nor the way to feed them can change.
ONE_WAY=(ahead fork replace archives archives_hostile own_log privileges trace compile dropin carried knative launchers
    memory admin oneshot http framing bounds clients endurance filter once auto php python terminal unix_socket hostile
    descendants
    calls call_library)

# What is tried with sanitizers at each change.
ASAN_CONFORMANCE=(basic init failures knative)

# What depends on the place, the user and the packages that are installed.
QUICK_CONFORMANCE=(basic init privileges memory carried new_language)
QUICK_SCRIPTS=(init run manual)
# Of other files the cases that need a package which nothing else in the quick form needs.
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

# The conformance suite again, where the promises are the same and the way there is another: with
# several processes; and with each activation written alone, into processes started for their action.
other_ways() {
    local left_out

    mapfile -t left_out < <(without "${OTHERS_CODE[@]}" "${ONE_WAY[@]}")
    WHISKLOOP_OPTIONS=--workers=3 pytest_cases conformance-pool conformance gcc 600 "${left_out[@]}"
    WHISKLOOP_OPTIONS='--write-ahead=1 --prelaunch=0' \
        pytest_cases conformance-alone conformance gcc 600 "${left_out[@]}"
}

# A short soak on build-test/$1, with its closing note.
soak() {
    single "soak-$1" 300 env WHISKLOOP="$OUT/$1/proxy/whiskloop" \
        python3 "$ROOT/tests/fault/soak.py" --seconds 30 --seed 1 &&
        grep -h 'requests amid' "$LOGS/soak-$1.log" | sed 's/^ */         /'
}

# Each activation counted as it begins, in every language, amid deaths of every kind.
begins() {
    single begins 300 env WHISKLOOP="$OUT/gcc/proxy/whiskloop" \
        python3 "$ROOT/tests/fault/begins.py" --quick --seed 1
}

# Every system call of the proxy fails once: of these lives, as many as a minute has room for.
walk() {
    single walk 300 env BUILD="$OUT/gcc" \
        python3 "$ROOT/tests/fault/walk.py" --every 16 --jobs 3
}

# Our JSON checker against Python's parser: a difference in any document is a failure.
json_differential() {
    single json-differential 600 python3 "$ROOT/tests/fuzz/json_differential.py" \
        --cases "$N_JSON_CASES" --helper "$OUT/gcc/tests/json_lines"
}

# Run each fuzz target for a second, with a fixed random seed: an old fault must not fail an unrelated
# commit. Longer runs are for scripts/fuzz.sh.
fuzz() {
    single fuzz 180 env FUZZ_BUILD="$OUT/asan" FUZZ_SEED=1 "$here/fuzz.sh" 1 && sed 's/^/         /' "$LOGS/fuzz.log"
}

# JMeter's plans in short, and the instructions of an activation against their budget.
benchmarks() {
    single jmeter 300 env BUILD="$OUT/bench" "$here/jmeter.sh" --quick
    single budget 300 env BUILD="$OUT/bench" "$here/bench.sh" --quick --only instructions --budget
}

quickstart() {
    # A folder of its own, emptied first: the fresh build belongs to what is shown. And nothing in the
    # environment: what it needs from there it must not need.
    rm -rf -- "$OUT/quickstart"
    single quickstart 300 env -i BUILD="$OUT/quickstart" "$here/quickstart.sh"
}

# In a bare Debian 12, from a clone of the commit: what a stranger does first, and what CI itself needs.
bare() {
    if ! "$here/setup.sh" --bare >"$LOGS/setup-bare.log" 2>&1; then
        n_skipped=$((n_skipped + 1))
        report skipped bare "$(tail -n 1 "$LOGS/setup-bare.log")"
        quickstart # here, at least
        return
    fi
    # Where no root can be had the first one says so, and the others would say the same.
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

# The images, built and run in containers, where an engine can be had; what they leave is deleted.
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
# Settings of the caller's own would reach the proxies under test.
unset HOST PORT BUILD "${!WHISKLOOP@}" "${!OW_@}" "${!__OW_@}"
export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99
# Leaks of libraries that are not ours to mend; the file says which and why.
export LSAN_OPTIONS=suppressions=$ROOT/tests/conformance/lsan.supp:print_suppressions=0
export PYTHONDONTWRITEBYTECODE=1
trap finish EXIT
trap 'exit 130' INT TERM

needs=(--tests)
[[ $all == no ]] || needs+=(--bench --jmeter --report)
# Nothing is worth trying without what the tests need.
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
        pytest_cases page page gcc 300 -n 2 # a browser has processes of its own
        pytest_cases platforms platforms gcc 120
        single docs 300 env BUILD="$OUT/gcc" "$here/check_docs.py" && sed 's/^/         /' "$LOGS/docs.log"
        [[ $all == no ]] || other_ways
    fi
fi
checks
if [[ $quick == no ]]; then
    [[ ! -x $OUT/gcc/proxy/whiskloop ]] || json_differential
    # One build for both: what the second compiler says, and what its sanitizers find.
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
