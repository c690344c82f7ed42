# lib.sh - what the developer's scripts share: paths, errors, the samples, and a proxy that runs
# while the script does.
#
# Sourced, not run.
# shellcheck shell=bash

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# Debian's own Python comes first, because pytest is installed for it. In an empty environment the
# shell has a PATH but does not export it, and then gcc does not find its own parts.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:${PATH:-/usr/local/bin}
# The folder that meson builds in.
BUILD=${BUILD:-$ROOT/build}

# How long a proxy may take to start listening, and to end, in tenths of a second. Both take
# milliseconds; the limit is for a busy machine.
PROXY_WAIT_TENTHS=300

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    if (($# > 0)); then
        printf '    %s\n' "$@" >&2
    fi
    exit 1
}

# Handle a script's remaining argument: print help and end with 0, or refuse an unknown word.
help_or_die() {
    if [[ $1 == -h || $1 == --help ]]; then
        usage
        exit 0
    fi
    die "unknown argument '$1'" "${0##*/} -h shows how to call it"
}

# Fail if option $1, with $2 words left including itself, has no value.
needs_value() {
    (($2 >= 2)) || die "$1 needs a value" "${0##*/} -h shows how to call it"
}

# Configure folder $1 if it is not yet configured, and build it. Further arguments: options for
# meson setup.
build_in() {
    local folder=$1

    shift
    if [[ ! -f $folder/build.ninja ]]; then
        meson setup "$folder" "$ROOT" "$@" || return 1
    else # what was missing before, such as a JDK, may be installed now
        meson setup --reconfigure "$folder" "$ROOT" "$@" || return 1
    fi
    meson compile -C "$folder"
}

# Start a proxy on a free port. $1: folder for its files; further arguments: its options. Sets
# PROXY_PID, and PORT, which the scripts in bin/ read from the environment.
proxy_start() {
    local work=$1 tenths

    shift
    mkdir -p -- "$work"
    : >"$work/err" # create it now: the loop may read it before the proxy has started
    "$BUILD/proxy/whiskloop" --listen 127.0.0.1 --port 0 --log-level info \
        --action-dir "$work/action" "$@" >"$work/out" 2>"$work/err" &
    PROXY_PID=$!
    for ((tenths = 0; tenths < PROXY_WAIT_TENTHS; tenths++)); do
        # With port 0 the system chooses the port. The proxy logs it in its first line.
        PORT=$(sed -n 's/^whiskloop: .*listen.* port=\([0-9]*\).*/\1/p' "$work/err" | head -n 1)
        if [[ -n $PORT ]]; then
            export PORT
            return
        fi
        kill -0 "$PROXY_PID" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/err" >&2
    die "the proxy '$BUILD/proxy/whiskloop' does not listen" "its own words stand above"
}

# End the proxy of proxy_start. Return whether it ended well. Harmless when there is none.
proxy_stop() {
    local pid=${PROXY_PID:-} tenths

    PROXY_PID=
    [[ -n $pid ]] || return 0
    kill -TERM "$pid" 2>/dev/null || true
    for ((tenths = 0; tenths < PROXY_WAIT_TENTHS; tenths++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid"
}

# Print the options that a proxy needs for sample $1, one per line.
sample_options() {
    case $1 in
    hello-oneshot) printf '%s\n' --runtime=oneshot ;;
    esac
}

# Print the interpreter that sample $1 needs and that is not installed, or nothing.
sample_lacks() {
    local program

    case $1 in
    hello-nodejs) program=node ;;
    hello-perl)
        program=perl
        # perl-base, which every Debian has, comes without JSON::PP.
        perl -MJSON::PP -MEncode -e 1 2>/dev/null || program=JSON::PP
        ;;
    hello-ruby) program=ruby ;;
    hello-php) program=php ;;
    hello-lua) program=lua5.4 ;;
    sum-sdk) program=gcc ;;
    hello-go) program=go ;;
    hello-dotnet) program=dotnet ;;
    hello-java)
        program=javac
        [[ -f /usr/share/java/gson.jar ]] || program=libgoogle-gson-java
        ;;
    *) return 0 ;;
    esac
    command -v "$program" >/dev/null || printf '%s\n' "$program"
}

# Print the path that bin/init.sh publishes for sample $1. $2: folder in which a C sample is built.
sample_code() {
    local folder=$ROOT/actions/$1

    case $1 in
    *-c) "$ROOT/bin/build.sh" -o "$2/exec" "$folder"/*.c ;;
    hello-python) printf '%s\n' "$folder/hello.py" ;;
    counter-python) printf '%s\n' "$folder/counter.py" ;;
    hello-shell) printf '%s\n' "$folder/hello.sh" ;;
    hello-actionloop) printf '%s\n' "$folder/exec" ;;
    words-python | hello-function | hello-nodejs | hello-perl | hello-ruby | hello-php | hello-lua | sum-sdk | \
        hello-go | hello-java | hello-dotnet)
        printf '%s\n' "$folder" # published as a zip, whose content shows its language
        ;;
    hello-oneshot) printf '%s\n' "$folder/exec" ;;
    *) die "there is no sample '$1'" "the samples are the folders of actions/" ;;
    esac
}

# Make a release build with the programs that the benchmarks need, and a folder WORK. What bench_run
# starts ends with the script, and WORK is deleted then.
bench_prepare() {
    # The options with which the images are built (docker/builder.Dockerfile).
    local options=(--buildtype=release -Dstatic_libarchive=true -Dbench=true -Dtests=disabled)

    # These variables would change the proxy from the one that users run.
    unset HOST PORT OW_WAIT_FOR_ACK OW_COMPILER OW_EXECUTION_ENV
    BENCH_PID=
    WORK=$(mktemp -d)
    trap bench_end EXIT
    trap 'exit 130' INT TERM
    {
        if [[ -f $BUILD/build.ninja ]]; then
            meson configure "$BUILD" "${options[@]}"
        fi
        build_in "$BUILD" "${options[@]}"
    } >"$WORK/build.log" 2>&1 || {
        tail -n 30 "$WORK/build.log" >&2
        die "the build in '$BUILD' failed; its last lines stand above"
    }
}

# Run a Python program of tests/bench. Returns its status.
bench_run() {
    local status=0

    # In the background, so that a signal to this script is handled at once.
    TMPDIR=$WORK setsid /usr/bin/python3 "$@" &
    BENCH_PID=$!
    wait "$BENCH_PID" || status=$?
    # If a signal killed it, its servers may still run. Otherwise its group is gone and the id may
    # be reused.
    ((status > 128)) || BENCH_PID=
    return "$status"
}

# End the measuring process and everything that it started: they share a process group.
bench_end() {
    if [[ -n $BENCH_PID ]]; then
        kill -TERM -- "-$BENCH_PID" 2>/dev/null || true
        wait "$BENCH_PID" 2>/dev/null || true
    fi
    rm -rf -- "$WORK"
}
