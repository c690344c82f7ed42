#!/usr/bin/env bash
#
# run.sh - activate the published action once.

set -euo pipefail

usage() {
    cat <<END
usage: $self [-m KEY=value]... [VALUE | @FILE | -]

Run the published action once (POST /run) and print what it answers. VALUE is the action's
argument, a JSON object or array; @FILE reads it from a file, - from standard input; {} when not
given.

    -m KEY=value    send KEY beside the value; the action sees it as __OW_KEY; may be repeated
    -h, --help      show this text

Exit status: 0; 1 when there is no answer, or the action answered with {"error":...}.

    $self '{"name":"Mike"}'
    $self -m activation_id=1 @input.json

Environment: HOST (127.0.0.1), PORT (8080), WAIT_SECONDS (330).
END
}

# Print the JSON text of the argument.
read_value() {
    case $1 in
    -) cat ;;
    @*)
        [[ -f ${1#@} && -r ${1#@} ]] || fail "cannot read '${1#@}'" "want @FILE with JSON in it"
        cat -- "${1#@}"
        ;;
    *) printf '%s' "$1" ;;
    esac
}

# The body of /run: file $1 holds the value, further arguments are KEY=value.
body() {
    local pair

    printf '{"value":'
    cat -- "$1"
    shift
    for pair in "$@"; do
        printf ',%s:%s' "$(json_quote "${pair%%=*}")" "$(json_quote "${pair#*=}")"
    done
    printf '}\n'
}

# Print "with exit status 3" or the like, or nothing if the proxy does not say.
how() {
    local why

    why=$(reason)
    printf '%s' "${why:+: $why}"
}

# Whether the answer has a top-level member "error", which the platform takes for a failure.
is_error() {
    grep -q '"error"' "$WORK/answer" || return 1
    LC_ALL=C awk '
        { text = text $0 "\n" }
        END {
            n = length(text)
            for (i = 1; i <= n; i++) {
                c = substr(text, i, 1)
                if (c == "\"") {
                    if (depth == 1 && substr(text, i, 7) == "\"error\"" && !behind_colon) { found = 1; exit }
                    while (++i <= n && (c = substr(text, i, 1)) != "\"") if (c == "\\") i++
                } else if (c == "{") { if (++depth == 1) top = 1; behind_colon = 0 }
                else if (c == "[") { depth++; if (depth == 1) exit 1 }
                else if (c == "}" || c == "]") depth--
                else if (depth == 1 && c == ":") behind_colon = 1
                else if (depth == 1 && c == ",") behind_colon = 0
            }
        }
        END { exit !found }' "$WORK/answer"
}

check_answer() {
    local lines next

    case $STATUS in
    200)
        print_answer
        ! is_error || exit 1
        ;;
    400)
        if grep -q '"command exited"' "$WORK/answer"; then
            next="it is started again for the next run"
            [[ $(reason) != *"is being shut down"* ]] || next="the proxy is ending: start another"
            fail_answer "the action ended while it ran$(how); its log is on the proxy's stdout and stderr" "$next"
        fi
        fail_answer "is the value JSON? write it as $self '{\"name\":\"Mike\"}'"
        ;;
    404) fail_answer "the value must be a JSON object or array; is that an action proxy?" ;;
    413) fail_answer "raise the bound that the answer names, or send less" ;;
    429) fail_answer "too many wait already: try again in a moment" ;;
    500) fail_answer "publish an action first: $init_command FILE" ;;
    502)
        mapfile -t lines < <(reason)
        fail_answer "${lines[@]}" "the action's log is on the proxy's stdout and stderr"
        ;;
    503) fail_answer "the proxy is ending: start another" ;;
    *) fail_answer "the proxy's stderr says more" ;;
    esac
}

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")") # also through a link
# shellcheck source=bin/lib.sh
. "$here/lib.sh"

help_if_asked "$@"
pairs=()
options_first ':m:h' "$@"
set -- "${ARGUMENTS[@]}"
while getopts ':m:h' option; do
    case $option in
    m)
        [[ $OPTARG =~ ^[^=]+= ]] || fail "-m '$OPTARG': want KEY=value"
        [[ $OPTARG != value=* ]] || fail "-m '$OPTARG': value is the argument itself, not metadata"
        pairs+=("$OPTARG")
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
if (($# > 1)); then
    fail "want one value, got $# arguments" "put it in quotes: $self '{\"name\":\"Mike\"}'"
fi
check_settings

make_work

read_value "${1-"{}"}" >"$WORK/value"
grep -q '[^[:space:]]' "$WORK/value" || fail "the value is empty" "want JSON; {} is an empty object"
body "$WORK/value" "${pairs[@]}" >"$WORK/body"
post /run "$WORK/body"
check_answer
