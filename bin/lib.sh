# lib.sh - what the scripts beside it share: errors that say what to do, JSON strings, a POST.
#
# Sourced, not run.
# shellcheck shell=bash

# The commands' names in messages: those of a checkout, or those of an installation.
# shellcheck disable=SC2034 # for those that source this
case ${0##*/} in
whiskloop-*) self=${0##*/} init_command=whiskloop-init run_command=whiskloop-run ;;
*) self=bin/${0##*/} init_command=bin/init.sh run_command=bin/run.sh ;;
esac

unset CDPATH # else cd may go to another folder of this name

HOST=${HOST:-127.0.0.1}
PORT=${PORT:-8080}
# An activation may take five minutes on the platform. After this time the script gives up.
WAIT_SECONDS=${WAIT_SECONDS:-330}

# Make a temporary folder for the script that sources this. It is deleted when the script ends.
make_work() {
    WORK=$(mktemp -d)
    trap 'rm -rf -- "$WORK"' EXIT
    trap 'exit 130' INT TERM
}

# Print what went wrong and end. $1: one line; further arguments: lines that help.
fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    if (($# > 0)); then
        printf '    %s\n' "$@" >&2
    fi
    exit 1
}

# Options may come after other arguments: set ARGUMENTS to all options, "--", then the others. $1:
# the options as for getopts, which knows no long ones. With "-:" in $1, long options such as
# --watch pass.
options_first() {
    local options=$1 others=()

    shift
    ARGUMENTS=()
    while (($# > 0)); do
        case $1 in
        --)
            others+=("${@:2}")
            break
            ;;
        -) others+=("$1") ;;
        --*)
            [[ $options == *-:* ]] || fail "unknown option $1" "$self -h shows how to call it"
            ARGUMENTS+=("$1")
            ;;
        -?)
            ARGUMENTS+=("$1")
            if [[ $options == *"${1#-}:"* ]] && (($# > 1)); then
                ARGUMENTS+=("$2")
                shift
            fi
            ;;
        -*) ARGUMENTS+=("$1") ;;
        *) others+=("$1") ;;
        esac
        shift
    done
    ((${#others[@]} == 0)) || ARGUMENTS+=(-- "${others[@]}") # not without others: the last option may lack its value
}

# Refuse a PORT or WAIT_SECONDS that curl would misread, before anything is packed.
check_settings() {
    [[ $PORT =~ ^[1-9][0-9]{0,4}$ && $PORT -le 65535 ]] || fail "PORT=$PORT: want 1 to 65535"
    [[ $WAIT_SECONDS =~ ^[1-9][0-9]{0,4}$ ]] ||
        fail "WAIT_SECONDS=$WAIT_SECONDS: want a number of seconds from 1 to 99999"
    [[ $HOST =~ ^[A-Za-z0-9._:-]+$ ]] || fail "HOST=$HOST: want a name or an address"
    command -v curl >/dev/null || fail "curl is not installed" "apt-get install curl"
}

# Print $1 as a JSON string. Bytes that are not UTF-8 pass unchanged; the proxy refuses them.
json_quote() {
    local text=$1 char code i

    text=${text//\\/"\\\\"}
    text=${text//\"/"\\\""}
    if [[ $text == *[[:cntrl:]]* ]]; then
        for ((i = 1; i < 32; i++)); do
            printf -v code '\\u%04x' "$i"
            # The format consists of the number above only. %b is not safe for the text itself.
            # shellcheck disable=SC2059
            printf -v char "\\x${code:4}"
            text=${text//"$char"/"$code"}
        done
    fi
    printf '"%s"' "$text"
}

# The proxy's address as curl wants it: with an IPv6 address in brackets.
proxy_url() {
    if [[ $HOST == *:* ]]; then
        printf 'http://[%s]:%s' "$HOST" "$PORT"
    else
        printf 'http://%s:%s' "$HOST" "$PORT"
    fi
}

# POST file $2 to path $1. The answer goes to $WORK/answer, its HTTP status into STATUS.
# The body comes from a file because an argument is limited to 128 KB and an action may have 64 MB.
# --disable ignores the user's ~/.curlrc, which may put headers into the answer.
post() {
    local code=0

    STATUS=$(curl --disable --silent --show-error --noproxy '*' --connect-timeout 5 \
        --max-time "$WAIT_SECONDS" --header 'Content-Type: application/json' --header 'Expect:' \
        --data-binary "@$2" --output "$WORK/answer" \
        --dump-header "$WORK/headers" --write-out '%{http_code}' \
        "$(proxy_url)$1" 2>"$WORK/curl.err") || code=$?
    # The proxy may refuse a body before all of it is sent: then use its answer and ignore the
    # broken pipe.
    if ((code == 0)) || [[ $code == 55 && $STATUS =~ ^[1-9] ]]; then
        return
    fi
    case $code in
    6 | 7)
        fail "no proxy answers on $HOST port $PORT" \
            "start one:    whiskloop --listen 127.0.0.1 --port $PORT" \
            "or name one:  PORT=8081 $self ..." ;;
    28) fail "no answer from $HOST port $PORT within $WAIT_SECONDS seconds" \
        "wait longer with WAIT_SECONDS=..., or look at the proxy's stderr" ;;
    *) fail "POST $1 to $HOST port $PORT failed: $(head -n 1 "$WORK/curl.err")" \
        "look at the proxy's stderr: did it end?" ;;
    esac
}

# Print the answer and a final newline, which actions' answers lack. One write, so that the answers
# of scripts that run at the same time do not mix.
print_answer() {
    if [[ -s $WORK/answer && -n $(tail -c 1 "$WORK/answer") ]]; then
        printf '\n' >>"$WORK/answer"
    fi
    cat "$WORK/answer"
}

# Endings of source files, and names that mark a folder as an action. They are for messages only:
# the proxy's runtimes decide.
# shellcheck disable=SC2034 # for those that source this
ENDINGS=".c .cs .go .java .js .lua .mjs .php .pl .py .rb .sh"
ENTRIES=(exec __main__.py index.js index.mjs package.json main.go go.mod Main.java META-INF main.c
    Main.cs main.lua index.php main.pl main.rb main.sh)

# Whether folder $1 holds the entry of an action.
holds_action() {
    local name

    for name in "${ENTRIES[@]}"; do
        [[ ! -e $1/$name ]] || return 0
    done
    for name in "$1"/*.{deps.json,go,c}; do
        [[ ! -e $name ]] || return 0
    done
    return 1
}

# Handle -h and --help among any arguments before "--". Arguments: the script's.
help_if_asked() {
    local word

    for word in "$@"; do
        case $word in
        --) return ;;
        -h | --help)
            usage
            exit 0
            ;;
        esac
    done
}

# Print why the proxy could not do it, from the header that carries the reason beside the platform's
# text. Print nothing if there is no such header.
reason() {
    local text

    text=$(sed -n 's/^x-whiskloop-reason: //Ip' "$WORK/headers" 2>/dev/null | tail -n 1 | tr -d '\r')
    [[ -n $text ]] || return 0
    text=${text//\\/\\\\}
    printf '%b\n' "${text//%/\\x}"
}

# End because the status of the answer is not 200. Arguments: lines that help.
fail_answer() {
    local what="HTTP status $STATUS"

    if [[ -s $WORK/answer ]]; then
        # Cut: a foreign server may send a whole page.
        what+=": $(head -c 4000 "$WORK/answer" | tr -d '\000')"
    fi
    fail "$what" "$@"
}
