#!/usr/bin/env bash
#
# quickstart.sh - from a fresh Debian 12 to running actions: install, build, start, publish, run.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

N_ACTIVATIONS=50 # of the counter: enough to see that no process is restarted

usage() {
    cat <<'END'
usage: quickstart.sh

Install what is missing, build the proxy, and run the samples of actions/ through it. Every
request and answer is shown and compared with what the sample expects. Ends with 0 if all is well.

Environment: BUILD, the folder to build in (build).
END
}

# Print a command as a user would type it, and its answer below.
say() {
    printf '\n$ %s\n' "$*"
}

# Publish sample $1 to a proxy of its own, because a proxy takes one action in its life.
publish() {
    local sample=$1 code options

    proxy_stop || die "the proxy did not end well, its exit status was $?"
    mapfile -t options < <(sample_options "$sample")
    proxy_start "$WORK/$sample" "${options[@]}"
    if [[ $sample == *-c ]]; then
        say "bin/build.sh -o $WORK/$sample/exec actions/$sample/*.c"
    fi
    code=$(sample_code "$sample" "$WORK/$sample")
    say "PORT=$PORT bin/init.sh ${code#"$ROOT/"}"
    "$ROOT/bin/init.sh" "$code"
}

# Publish and run one sample; the answer must be the expected one, byte for byte.
show_sample() {
    local sample=$1 folder=$ROOT/actions/$1 answer lacks

    printf '\n--- actions/%s\n' "$sample"
    lacks=$(sample_lacks "$sample")
    if [[ -n $lacks ]]; then
        printf 'skipped: %s is not installed\n' "$lacks"
        N_SKIPPED=$((N_SKIPPED + 1))
        return
    fi
    publish "$sample"
    say "bin/run.sh '$(cat "$folder/input.json")'"
    answer=$("$ROOT/bin/run.sh" "@$folder/input.json")
    printf '%s\n' "$answer"
    if [[ $answer != "$(cat "$folder/expected.json")" ]]; then
        die "the answer of actions/$sample is not the expected one" \
            "expected: $(cat "$folder/expected.json")" "its log: $WORK/$sample/out, $WORK/$sample/err"
    fi
    N_SHOWN=$((N_SHOWN + 1))
}

# Run the counter many times: the process id must not change and the count must have no gaps.
show_one_process() {
    local i answer pid first_pid=

    printf '\n--- actions/counter-python: one process for all activations\n'
    publish counter-python
    say "for i in 1 ... $N_ACTIVATIONS; do bin/run.sh; done"
    for ((i = 1; i <= N_ACTIVATIONS; i++)); do
        answer=$("$ROOT/bin/run.sh")
        if ((i <= 2 || i == N_ACTIVATIONS)); then
            printf '%s\n' "$answer"
        elif ((i == 3)); then
            printf '...\n'
        fi
        [[ $answer =~ ^\{\"pid\":([0-9]+),\"activation\":$i\}$ ]] ||
            die "activation $i answered '$answer'" "want {\"pid\":NUMBER,\"activation\":$i}"
        pid=${BASH_REMATCH[1]}
        first_pid=${first_pid:-$pid}
        [[ $pid == "$first_pid" ]] || die "activation $i ran in process $pid, the first in $first_pid"
    done
    printf '%s activations, one process: %s\n' "$N_ACTIVATIONS" "$first_pid"
}

# The samples are built and run in WORK.
check_place() {
    printf '#!/bin/sh\n' >"$WORK/program" || die "cannot write to ${TMPDIR:-/tmp}: is its disk full?" \
        "make room, or set TMPDIR to another folder"
    chmod +x "$WORK/program"
    "$WORK/program" 2>/dev/null ||
        die "${TMPDIR:-/tmp} is mounted noexec" \
            "set TMPDIR to a folder where programs may run; the proxy has --action-dir for that"
}

clean_up() {
    proxy_stop 2>/dev/null || true
    rm -rf -- "$WORK"
}

if (($# > 0)); then
    usage
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 1
fi
# Sanitizer and developer settings of the caller must not leak into the demonstration.
unset HOST PORT OW_WAIT_FOR_ACK OW_COMPILER OW_EXECUTION_ENV
PROXY_PID=
N_SHOWN=0
N_SKIPPED=0
WORK=$(mktemp -d) || die "cannot write to ${TMPDIR:-/tmp}" "set TMPDIR to a folder that can be written"
trap clean_up EXIT
trap 'exit 130' INT TERM
check_place

printf -- '--- scripts/setup.sh: what building and running need\n'
"$here/setup.sh"
printf -- '\n--- meson: build in %s\n' "$BUILD"
build_in "$BUILD" >"$WORK/build.log" 2>&1 || {
    tail -n 30 "$WORK/build.log" >&2
    ! grep -q 'No space left on device' "$WORK/build.log" || die "the disk of '$BUILD' is full"
    die "the build in '$BUILD' failed; its last lines stand above"
}
"$BUILD/proxy/whiskloop" --version

for folder in "$ROOT"/actions/*/; do
    if [[ -f $folder/expected.json ]]; then
        show_sample "$(basename -- "$folder")"
    fi
done
show_one_process
proxy_stop || die "the proxy did not end well, its exit status was $?"
printf '\n%s samples answered as expected' "$N_SHOWN"
if ((N_SKIPPED > 0)); then
    printf '; %s skipped, as their language is not installed' "$N_SKIPPED"
fi
printf '.\nNext: "Your first function" in README.md.\n'
