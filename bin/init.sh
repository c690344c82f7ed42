#!/usr/bin/env bash
#
# init.sh - publish an action to a running proxy.

set -euo pipefail

usage() {
    cat <<'END'
usage: init.sh [-e NAME=value]... FILE [MAIN]

Publish FILE to a running proxy (POST /init) and print its answer. FILE is

    an executable            any language; reads lines, answers lines
    a script with #!         the same
    a zip, tar or tar.gz     with an executable `exec` or a __main__.py at its root
    source text              such as hello.py, for the runtime that the proxy was started with
    a folder                 packed as it is, then as above

MAIN is the function to call, `main` when not given; executables have no use for it.

    -e NAME=value    put NAME into the action's environment; may be repeated
    -h               show this text

Environment: HOST (127.0.0.1), PORT (8080), WAIT_SECONDS (330).
END
}

# What the file is, by its first bytes as the proxy sees it: only for messages.
kind_of() {
    local head

    head=$(head -c 4 -- "$1" | od -An -tx1 | tr -d ' \n')
    case $head in
    7f454c46) echo executable ;;
    2321*) echo script ;;
    504b0304 | 504b0506) echo zip ;;
    1f8b*) echo tar.gz ;;
    *)
        if [[ $(head -c 262 -- "$1" | tail -c 5 | tr -d '\000') == ustar ]]; then
            echo tar
        else
            echo source
        fi
        ;;
    esac
}

# Pack folder $1 and print the archive's path. A tar.gz does as well where there is no zip.
pack() {
    [[ -n $(ls -A -- "$1") ]] ||
        fail "folder '$1' is empty" "want an executable exec or a __main__.py in it"
    if command -v zip >/dev/null; then
        # -y keeps links as links: the action might have a folder tree of its own behind one.
        (cd -- "$1" && zip -q -r -y "$WORK/action.zip" .) >&2 || fail "cannot zip folder '$1'"
        printf '%s\n' "$WORK/action.zip"
    else
        tar -czf "$WORK/action.tar.gz" -C "$1" . || fail "cannot pack folder '$1'"
        printf '%s\n' "$WORK/action.tar.gz"
    fi
}

# The members of "env" for the NAME=value arguments.
env_members() {
    local pair comma=

    for pair in "$@"; do
        printf '%s%s:%s' "$comma" "$(json_quote "${pair%%=*}")" "$(json_quote "${pair#*=}")"
        comma=,
    done
}

# Everything is sent as base64, source text too: then nothing in it needs escaping. $1: the file,
# $2: what to call it, further arguments: NAME=value.
envelope() {
    local file=$1 name=$2

    shift 2
    printf '{"value":{"name":%s,"main":%s,"binary":true,"env":{%s},"code":"' \
        "$(json_quote "$name")" "$(json_quote "$main")" "$(env_members "$@")"
    base64 -w0 -- "$file"
    printf '"}}\n'
}

# What to try when the proxy could not use the code, by what the code is.
hint_for_code() {
    case $1 in
    executable) echo "an executable must run on the proxy's machine and stay to read lines: ldd $2" ;;
    script) echo "a script must stay and read lines; is what its first line names installed there?" ;;
    source) echo "source text goes to the proxy's --runtime; is it for that language?" ;;
    *) echo "an archive must hold an executable exec or a __main__.py at its root, not in a folder" ;;
    esac
}

check_answer() {
    case $STATUS in
    200) print_answer ;;
    400) fail_answer "is '$main' (MAIN) and are the -e values UTF-8 text?" ;;
    403) fail_answer "a proxy takes one action in its life: end it, start it again, publish again" ;;
    404 | 405) fail_answer "is that an action proxy on $HOST port $PORT?" ;;
    413) fail_answer "raise the bound that the answer names, or make the action smaller" ;;
    502) fail_answer "$(hint_for_code "$1" "$2")" "the proxy's stdout and stderr say more" ;;
    503) fail_answer "the proxy is ending: start another" ;;
    *) fail_answer "the proxy's stderr says more" ;;
    esac
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=bin/lib.sh
. "$here/lib.sh"

env_pairs=()
while getopts ':e:h' option; do
    case $option in
    e)
        [[ $OPTARG =~ ^[^=]+= ]] || fail "-e '$OPTARG': want NAME=value"
        env_pairs+=("$OPTARG")
        ;;
    h)
        usage
        exit 0
        ;;
    :) fail "-$OPTARG needs a value" "init.sh -h shows how to call it" ;;
    *) fail "unknown option -$OPTARG" "init.sh -h shows how to call it" ;;
    esac
done
shift $((OPTIND - 1))
if (($# < 1 || $# > 2)); then
    fail "want FILE and perhaps MAIN, got $# arguments" "init.sh -h shows how to call it"
fi
file=$1
main=${2:-main}
check_settings
[[ -e $file ]] || fail "there is no '$file'" "bin/build.sh makes an executable from C"
[[ -r $file ]] || fail "cannot read '$file': no permission"

make_work

code=$file
if [[ -d $file ]]; then
    code=$(pack "$file")
elif [[ ! -f $file ]]; then
    fail "'$file' is neither a file nor a folder"
elif [[ ! -s $file ]]; then
    fail "'$file' is empty: there is nothing to publish"
fi
name=$(basename -- "$file")
envelope "$code" "${name%%.*}" "${env_pairs[@]}" >"$WORK/body"
post /init "$WORK/body"
check_answer "$(kind_of "$code")" "$file"
