#!/usr/bin/env bash
#
# init.sh - publish an action to a running proxy.

set -euo pipefail

usage() {
    cat <<END
usage: $self [--watch] [-e NAME=value]... FILE [MAIN]

Publish FILE to a running proxy (POST /init) and print its answer. FILE is

    an executable            any language; reads lines, answers lines
    a script with #!         the same, if it reads lines
    a zip, tar or tar.gz     with an entry at its root: exec, __main__.py, index.js, ... (docs/languages)
    source text              its ending tells the language, as for whiskloop invoke: .c .cs .go
                             .java .js .lua .mjs .php .pl .py .rb .sh
    a folder                 packed as it is, then as above

MAIN is the function to call, main when not given; executables have no use for it.

    --watch          publish again each time that FILE changes, until Ctrl-C; a line for each. The
                     proxy must have been started with --allow-reinit. A proxy that is
                     restarted, or started later, gets the action too
    -e NAME=value    put NAME into the action's environment; may be repeated
    -h, --help       show this text

Environment: HOST (127.0.0.1), PORT (8080), WAIT_SECONDS (330).
END
}

# What the file is, by its first bytes, as the proxy decides it. Used for messages only.
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

# Pack folder $1 and print the archive's path. Without zip, make a tar.gz.
pack() {
    [[ -n $(ls -A -- "$1") ]] ||
        fail "folder '$1' is empty" "want one of these in it: ${ENTRIES[*]}"
    if command -v zip >/dev/null; then
        # -y keeps links as links: a link of the action may lead to a large folder.
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

# Send everything as base64, source text too, so that nothing in it needs escaping. $1: the file,
# $2: what to call it, further arguments: NAME=value.
envelope() {
    local code=$1 name=$2

    shift 2
    # "file" tells the proxy the language of source text, and what to call it in messages.
    printf '{"value":{"name":%s,"file":%s,"main":%s,"binary":true,"env":{%s},"code":"' \
        "$(json_quote "$name")" "$(json_quote "$(basename -- "$file")")" "$(json_quote "$main")" \
        "$(env_members "$@")"
    base64 -w0 -- "$code" || return 1
    printf '"}}\n'
}

# What to try when the proxy could not use the code, by the kind of the code.
hint_for_code() {
    case $1 in
    executable) echo "an executable must run on the proxy's machine and stay to read lines: ldd $2" ;;
    script) echo "a script must stay and read lines; is what its first line names installed there?" ;;
    source) echo "source text goes to the proxy's --runtime; is it for that language?" ;;
    *) echo "an archive must hold one of these at its root, not in a folder: ${ENTRIES[*]}" ;;
    esac
}

check_answer() {
    local why lines

    # The proxy's own reason is better than a guess of ours.
    why=$(reason)
    if [[ $STATUS == 502 && -n $why ]]; then
        mapfile -t lines <<<"$why"
        fail_answer "${lines[@]}"
    fi
    case $STATUS in
    200) print_answer ;;
    400) fail_answer "are the name '${file##*/}', '$main' (MAIN) and the -e values UTF-8 text?" ;;
    403)
        if grep -q 'another /init is in progress' "$WORK/answer"; then
            fail_answer "somebody else publishes: try again in a moment"
        fi
        fail_answer "a proxy serves one action; to replace it, start the proxy with --allow-reinit" \
            "for another action, start a second proxy: whiskloop --listen 127.0.0.1 --port 8081" \
            "and publish with PORT=8081 $init_command ..." ;;
    404 | 405) fail_answer "is that an action proxy on $HOST port $PORT?" ;;
    413) fail_answer "raise the bound that the answer names, or make the action smaller" ;;
    502) fail_answer "$(hint_for_code "$1" "$2")" "the proxy's stdout and stderr say more" ;;
    503) fail_answer "the proxy is ending: start another" ;;
    *) fail_answer "the proxy's stderr says more" ;;
    esac
}

# Refuse source text before it is sent if no runtime takes a file with its ending.
check_ending() {
    local name=${file##*/}

    [[ -f $file && -r $file && -s $file && $name == ?*.?* && $(kind_of "$file") == source ]] || return 0
    [[ " $ENDINGS " != *" .${name##*.} "* ]] || return 0
    # Classes and assemblies are not text.
    [[ $(head -c 384 -- "$file" | tr -d '\000' | wc -c) == "$(head -c 384 -- "$file" | wc -c)" ]] || return 0
    [[ $name != *.@(zip|tar|gz|tgz|jar) ]] ||
        fail "the name of '$file' ends in .${name##*.}, but this is no archive"
    fail "no runtime takes source files that end in '.${name##*.}'" "known endings: $ENDINGS"
}

# Publish $file once. Print the reason and end with 1 if that fails.
publish() {
    local code=$file name

    [[ -r $file ]] || fail "cannot read '$file': no permission"
    if [[ -d $file ]]; then
        rm -f -- "$WORK"/action.* # zip would add to an existing archive
        code=$(pack "$file") || exit 1
    elif [[ ! -f $file ]]; then
        fail "'$file' is neither a file nor a folder"
    elif [[ ! -s $file ]]; then
        fail "'$file' is empty: there is nothing to publish"
    fi
    name=$(basename -- "$file")
    envelope "$code" "${name%%.*}" "${env_pairs[@]}" >"$WORK/body" ||
        fail "cannot copy '$file' to ${TMPDIR:-/tmp}" "if its disk is full, set TMPDIR to another folder"
    post /init "$WORK/body"
    check_answer "$(kind_of "$code")" "$file"
}

# ---- --watch ----

LOOK_SECONDS=0.3   # between two looks whether the file has changed
SETTLE_SECONDS=0.1 # a file that still changes within this time is still being written

# Print a text that changes when $file does, also when an editor puts another file in its place.
# Print nothing if there is no file. busybox has these options, too.
fingerprint() {
    if [[ -d $file ]]; then
        find "$file/" -exec stat -c '%n %f %i %s %y' {} + | LC_ALL=C sort | cksum
    else
        stat -L -c '%i %s %y' -- "$file"
    fi 2>/dev/null || true
}

# Print one line with the time, the file and the text $1.
tell() {
    printf '%(%H:%M:%S)T %s %s\n' -1 "$file" "$1"
}

publish_and_tell() {
    local began=${EPOCHREALTIME/[.,]/} said taker

    if said=$(publish 2>&1); then
        tell "published in $(((${EPOCHREALTIME/[.,]/} - began) / 1000)) ms: $said"
        # The proxy may have been restarted meanwhile: the one that answered has the action.
        taker=$(sed -n 's/^x-whiskloop-instance: //Ip' "$WORK/headers" | tr -d '\r')
        before=${taker:-$before} # an older proxy does not send the header
    else
        said=$(tr -s '[:space:]' ' ' <<<"${said#"${0##*/}: "}")
        tell "NOT PUBLISHED: ${said% }"
    fi
}

# Print the id of the proxy's run, from its reply to a request that it refuses. 1: no proxy answers.
instance() {
    local line

    {
        exec 8<>"/dev/tcp/$HOST/$PORT" || return 1
        printf 'GET /init HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&8
        while read -r -t 5 line <&8; do
            line=${line%$'\r'}
            [[ -n $line ]] || break
            [[ ${line,,} != x-whiskloop-instance:* ]] || printf '%s\n' "${line#*: }"
        done
    } 2>/dev/null
}

watch() {
    local published='' now n_missing=0 proxy='' before=none

    while true; do
        now=$(fingerprint)
        proxy=$(instance) || proxy=none
        if [[ $proxy != "$before" && $proxy != none ]]; then
            published='' # the proxy was restarted and has no action
        fi
        before=$proxy
        if [[ -z $now ]]; then
            # Not at the first look: an editor may move the file away before the new one comes.
            n_missing=$((n_missing + 1))
            ((n_missing != 2)) || tell "is gone: waiting for it"
        else
            n_missing=0
        fi
        if [[ -n $now && $now != "$published" ]]; then
            sleep "$SETTLE_SECONDS"
            [[ $now == "$(fingerprint)" ]] || continue
            published=$now # taken before the file is read, so later changes are seen
            publish_and_tell
        fi
        sleep "$LOOK_SECONDS"
    done
}

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")") # also through a link
# shellcheck source=bin/lib.sh
. "$here/lib.sh"

env_pairs=()
watching=0
help_if_asked "$@"
options_first ':e:h-:' "$@"
set -- "${ARGUMENTS[@]}"
while getopts ':e:h-:' option; do
    case $option in
    -)
        [[ $OPTARG == watch ]] || fail "unknown option --$OPTARG" "$self -h shows how to call it"
        watching=1
        ;;
    e)
        [[ $OPTARG =~ ^[^=]+= ]] || fail "-e '$OPTARG': want NAME=value"
        env_pairs+=("$OPTARG")
        ;;
    h)
        usage
        exit 0
        ;;
    :) fail "-$OPTARG needs a value" "$self -h shows how to call it" ;;
    *) fail "unknown option -$OPTARG" "$self -h shows how to call it" ;;
    esac
done
shift $((OPTIND - 1))
if (($# < 1 || $# > 2)); then
    fail "want FILE and perhaps MAIN, got $# arguments" "$self -h shows how to call it"
fi
file=$1
main=${2:-main}
check_settings
[[ -e $file ]] || fail "there is no '$file'"
check_ending

make_work

if ((watching)); then
    watch
else
    publish
fi
