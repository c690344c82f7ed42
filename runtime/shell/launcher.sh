#!/usr/bin/env bash
#
# launcher.sh FILE [MAIN] - keep a shell function loaded and answer one JSON line per activation.
#
# Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
# The function gets the argument's JSON as $1 and calls the functions below "for the function". JSON
# is split by the shell's own word splitting, which takes linear time. No other program is started.
#
# A file that begins with #! and has no function MAIN is a plain script. We exec it, and it reads
# its lines itself. It answers on descriptor 1, or on 3 if its text has ">&3".

LAUNCHER_PIPELINE=64 # lines that may be written ahead of the answers

# ---- JSON ----

# Keys that are always shown: the platform sends them, or the proxy from a client's headers.
LAUNCHER_PLATFORM='|namespace|action_name|action_version|activation_id|transaction_id|deadline'
LAUNCHER_PLATFORM+='|api_host|api_key|traceparent|tracestate|'
LAUNCHER_OTHERS_MAX=256 # most other keys shown, as in every language
LAUNCHER_KEY_MAX=1024   # bytes

# Split the object $1 into the arrays LAUNCHER_NAMES and LAUNCHER_VALUES: decoded names, and values
# as JSON. Store only the member called $2, or without $2 the value and the metadata to show.
# Returns 1 if $1 is not an object. Split at quotes, every second piece is inside a string, so
# brackets are counted in the others only. Cutting out a value takes time in proportion to the whole
# text, so do it for few.
launcher_members() {
    local - LC_ALL=C IFS='"' text=$1 part opens closes tail
    local -i depth=0 at=0 from=-1 n=0 others=0
    local inside='' is_name=yes name='' keep=''
    local -a parts
    local -A places=() # "." and a name -> its last value's place: from, bytes

    LAUNCHER_NAMES=() LAUNCHER_VALUES=()
    launcher_trim text
    [[ ${text:0:1} == '{' && ${text: -1} == '}' ]] || return 1
    set -f
    # shellcheck disable=SC2206 # split on purpose
    parts=($text)
    for part in "${parts[@]}"; do
        n+=1
        if [[ -n $inside ]]; then
            if [[ $part == *\\ ]]; then # after an odd number of backslashes the quote is escaped
                tail=${part##*[!\\]}
                if ((${#tail} % 2)); then
                    [[ -z $is_name ]] || name+=$part\"
                    at+=${#part}+1
                    continue
                fi
            fi
            inside=
            if [[ -n $is_name ]]; then
                name+=$part
                if [[ $name == *\\* ]]; then
                    launcher_unescape "$name"
                    name=$REPLY
                fi
                if (($# > 1)); then
                    [[ $name == "$2" ]] && keep=yes || keep=
                elif [[ $name == value || $LAUNCHER_PLATFORM == *"|$name|"* ]]; then
                    keep=yes
                else
                    ((others < LAUNCHER_OTHERS_MAX && ${#name} <= LAUNCHER_KEY_MAX && ++others)) && keep=yes || keep=
                fi
                is_name='' from=-1
            fi
        elif [[ $depth$part == 1: && $from -lt 0 ]]; then # the usual case, a string value: it begins here, and ends in the next branch
            from=at+1 inside=yes
        elif [[ $depth$part == 1, && $from -ge 0 ]]; then
            [[ -z $keep ]] || places[".$name"]="$from $((at - from))"
            name='' is_name=yes inside=yes
        elif [[ $depth -gt 1 && $part != *[]{}[]* ]]; then # inside a value
            inside=yes
        else
            if ((depth == 1 && from < 0 && n > 1)); then # after a name
                opens=${part%%[![:space:]]*}
                [[ ${part:${#opens}:1} == : ]] || return 1
                from=$((at + ${#opens} + 1))
            fi
            opens=${part//[!\{\[]/}
            closes=${part//[!\}\]]/}
            depth+=$((${#opens} - ${#closes}))
            tail=$part
            launcher_trim tail
            if ((from >= 0)) && [[ $depth == 0 || ($depth == 1 && ${tail: -1} == ,) ]]; then
                tail=${part%[,\}]*}
                [[ -z $keep ]] || places[".$name"]="$from $((at + ${#tail} - from))"
                name='' is_name=yes
            fi
            ((depth > 0 || n == ${#parts[@]})) || return 1
            inside=yes
        fi
        at+=${#part}+1
    done
    for part in "${!places[@]}"; do
        tail=${places["$part"]}
        tail=${text:${tail% *}:${tail#* }}
        launcher_trim tail
        LAUNCHER_NAMES+=("${part:1}") LAUNCHER_VALUES+=("$tail")
    done
    [[ $depth == 0 && -n $is_name ]]
}

# Remove the blanks from both ends of the variable named $1.
launcher_trim() {
    local -n launcher_text=$1
    local blanks

    case $launcher_text in
    [[:space:]]*)
        blanks=${launcher_text%%[![:space:]]*}
        launcher_text=${launcher_text:${#blanks}}
        ;;
    esac
    case ${launcher_text: -1} in
    [[:space:]])
        blanks=${launcher_text##*[![:space:]]}
        launcher_text=${launcher_text:0:${#launcher_text}-${#blanks}}
        ;;
    esac
}

# Put the UTF-8 bytes of the character with number $1 into REPLY.
launcher_utf8() {
    local -i code=$1
    local bytes

    if ((code < 0x80)); then
        printf -v bytes '\\x%02x' "$code"
    elif ((code < 0x800)); then
        printf -v bytes '\\x%02x\\x%02x' $((0xc0 | code >> 6)) $((0x80 | code & 63))
    elif ((code < 0x10000)); then
        printf -v bytes '\\x%02x\\x%02x\\x%02x' $((0xe0 | code >> 12)) $((0x80 | code >> 6 & 63)) \
            $((0x80 | code & 63))
    else
        printf -v bytes '\\x%02x\\x%02x\\x%02x\\x%02x' $((0xf0 | code >> 18)) \
            $((0x80 | code >> 12 & 63)) $((0x80 | code >> 6 & 63)) $((0x80 | code & 63))
    fi
    # shellcheck disable=SC2059 # it consists of escapes only
    printf -v REPLY "$bytes"
}

# Put into REPLY what the inside of a JSON string stands for. A NUL is left out, because no variable
# can hold it. Half a surrogate pair becomes the replacement character.
launcher_unescape() {
    # shellcheck disable=SC2141 # a backslash is meant
    local - LC_ALL=C IFS=\\ out part
    local -i code high=0 i
    local -a parts

    REPLY=$1
    [[ $1 == *\\* ]] || return 0
    set -f
    # shellcheck disable=SC2206
    parts=($1)
    out=${parts[0]-}
    for ((i = 1; i < ${#parts[@]}; i++)); do
        part=${parts[i]}
        if [[ $high -gt 0 && ${part:0:1} != u ]]; then
            out+=$'\xef\xbf\xbd' high=0
        fi
        case ${part:0:1} in
        '') # two backslashes: the next piece is plain
            out+=\\${parts[++i]-}
            continue
            ;;
        b) out+=$'\b' ;;
        f) out+=$'\f' ;;
        n) out+=$'\n' ;;
        r) out+=$'\r' ;;
        t) out+=$'\t' ;;
        u)
            code=0x${part:1:4}
            part=${part:4}
            if ((high > 0 && code >= 0xdc00 && code < 0xe000)); then
                launcher_utf8 $((0x10000 + (high - 0xd800) * 1024 + code - 0xdc00))
                out+=$REPLY high=0
            elif ((code >= 0xd800 && code < 0xdc00 && ${#part} == 1)); then
                high=$code # the second half must follow at once
            elif ((code >= 0xd800 && code < 0xe000)); then
                out+=$'\xef\xbf\xbd'
            elif ((code > 0)); then
                launcher_utf8 "$code"
                out+=$REPLY
            fi
            ;;
        *) out+=${part:0:1} ;;
        esac
        out+=${part:1}
    done
    REPLY=$out
}

# Put into REPLY the JSON value $1 as the text of a variable: a string as it is, else compact JSON.
launcher_variable() {
    local - IFS='"' part out='' inside=''
    local -a parts

    case $1 in
    \"*) launcher_unescape "${1:1:${#1}-2}" ;;
    null) REPLY= ;;
    *[[:space:]]*)
        set -f
        # shellcheck disable=SC2206
        parts=($1)
        for part in "${parts[@]}"; do
            [[ -n $inside ]] || part=${part//[[:space:]]/}
            out+=$part\"
            # A quote after a backslash does not end a string.
            if [[ -z $inside || ! $part =~ (^|[^\\])(\\\\)*\\$ ]]; then
                [[ -n $inside ]] && inside= || inside=yes
            fi
        done
        REPLY=${out%\"}
        ;;
    *) REPLY=$1 ;;
    esac
}

# ---- for the function ----

# answer JSON: set the activation's answer. The last call counts; without one the answer is {}.
# Newlines become blanks: in valid JSON they are never inside a string. A blank in front keeps + and
# !, which no JSON begins with, from being read as marks of the line protocol.
answer() {
    { local - && set +kx; } 2>/dev/null
    LAUNCHER_ANSWER=${1//[$'\n\r']/ } LAUNCHER_ANSWERED=yes
    [[ $LAUNCHER_ANSWER != [+!]* ]] || LAUNCHER_ANSWER=" $LAUNCHER_ANSWER"
}

# part JSON: send a part of the answer at once. In a shell, where there is no proxy, the parts
# become the answer, as a list, if there is no other answer. It fails once the client has left, and
# in a subshell that runs on after the answer; the part is then dropped. A subshell cannot see that
# the client has left.
part() {
    { local - && set +kx; } 2>/dev/null
    local text=${1//[$'\n\r']/ }

    if [[ -z $LAUNCHER_ACK ]]; then
        LAUNCHER_PARTS+=${LAUNCHER_PARTS:+,}$text
        return
    fi
    LAUNCHER_PARTS=+
    launcher_is_in_turn || return
    [[ -z ${LAUNCHER_CANCELLED[LAUNCHER_NUMBER]-} ]] || return 1
    printf '+%s\n' "${text:- }" >&61 # a bare + would end the answer
    launcher_look_ahead
    [[ -z ${LAUNCHER_CANCELLED[LAUNCHER_NUMBER]-} ]]
}

# fail TEXT: answer the activation with an error. Returns 1, which the function should return, too.
fail() {
    LAUNCHER_FAILURE=$1
    printf '%s\n' "$1" >&2
    return 1
}

# arg NAME [DEFAULT]: print a member of the argument: a string as it is, anything else as JSON.
# arg -v VARIABLE NAME [DEFAULT]: store it in a variable of the function, without a subshell.
arg() {
    { local - && set +kx; } 2>/dev/null
    local launcher_into='' REPLY

    if [[ $1 == -v && $# -gt 2 ]]; then
        launcher_into=$2
        shift 2
    fi
    if launcher_members "$LAUNCHER_VALUE" "$1" && ((${#LAUNCHER_VALUES[@]} > 0)); then
        launcher_variable "${LAUNCHER_VALUES[0]}"
    else
        REPLY=${2-}
    fi
    if [[ -n $launcher_into ]]; then
        printf -v "$launcher_into" '%s' "$REPLY"
    else
        printf '%s\n' "$REPLY"
    fi
}

# quote TEXT: print TEXT as a JSON string, with its quotes.
quote() {
    { local - && set +kx; } 2>/dev/null
    launcher_quote "$1"
}

# The same for us: the action may define a function called quote.
launcher_quote() {
    local LC_ALL=C text=$1 escape
    local -i code

    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    if [[ $text == *[[:cntrl:]]* ]]; then
        text=${text//$'\n'/\\n}
        text=${text//$'\r'/\\r}
        text=${text//$'\t'/\\t}
        for ((code = 1; code < 32; code++)); do
            printf -v escape '\\x%02x' "$code"
            # shellcheck disable=SC2059
            printf -v escape "$escape"
            [[ $text != *"$escape"* ]] || printf -v text '%s' "${text//"$escape"/\\u00$(
                printf '%02x' "$code"
            )}"
        done
    fi
    printf '"%s"\n' "$text"
}

# ---- lines ----

LAUNCHER_NUMBER=0     # of the current line, not counting control lines
LAUNCHER_CANCELLED=() # numbers of lines that nobody waits for
LAUNCHER_AHEAD=()     # lines that were read while a function ran

# Read the lines that have come, at least in part. Not in a subshell, where they would be lost. Wait
# for the rest of a line: a "read" with a time limit can take the newline and say that none came.
launcher_look_ahead() {
    local line

    [[ $BASHPID == "$$" ]] || return 0
    while ((${#LAUNCHER_AHEAD[@]} < 256)) && read -r -t 0 -u 60; do
        IFS= read -r -u 60 line || [[ -n $line ]] || return 0
        launcher_control "$line" || LAUNCHER_AHEAD+=("$line")
    done
}

# A subshell gets a copy of our variables, but shares the position in files that are open. So the
# position in our own file tells it whether its activation still runs.
LAUNCHER_TURN=0     # bytes of descriptor 62 that are read
LAUNCHER_TURNS=4096 # then the file is opened anew

# Call when the function has returned: no subshell that it has left running may send parts any more.
launcher_end_turn() {
    [[ -n $LAUNCHER_SENDS ]] || return 0
    LC_ALL=C IFS= read -r -N 1 -u 62 REPLY
    LAUNCHER_TURN=$((LAUNCHER_TURN + 1))
    if ((LAUNCHER_TURN == LAUNCHER_TURNS)); then
        exec 62<"$LAUNCHER_SELF"
        LAUNCHER_TURN=0
    fi
}

# Whether this is no such subshell.
launcher_is_in_turn() {
    local position=''

    [[ $BASHPID != "$$" ]] || return 0
    { IFS=$' \t' read -r _ position </proc/self/fdinfo/62; } 2>/dev/null
    [[ ${position:-$LAUNCHER_TURN} == "$LAUNCHER_TURN" ]] # empty: there is no /proc
}

# Whether a line is a control line, not a request. Remembers what it cancels.
launcher_control() {
    local LC_ALL=C # with it, the length of a long line costs no time

    [[ -n $LAUNCHER_ACK && ${#1} -lt 32 && $1 =~ ^cancel\ ([0-9]+)$ ]] || return 1
    ((BASH_REMATCH[1] < LAUNCHER_NUMBER)) || LAUNCHER_CANCELLED[BASH_REMATCH[1]]=yes
}

# Put the next request into LAUNCHER_LINE. Returns 1 at the end of the input.
launcher_next() {
    local ended=''

    unset "LAUNCHER_CANCELLED[LAUNCHER_NUMBER]"
    LAUNCHER_NUMBER=$((LAUNCHER_NUMBER + 1))
    if ((${#LAUNCHER_AHEAD[@]} > 0)); then
        LAUNCHER_LINE=${LAUNCHER_AHEAD[0]}
        LAUNCHER_AHEAD=("${LAUNCHER_AHEAD[@]:1}")
        return 0
    fi
    while IFS= read -r -u 60 LAUNCHER_LINE || ended=yes; do
        launcher_control "$LAUNCHER_LINE" || break
    done
    [[ -z $ended || -n $LAUNCHER_LINE ]]
}

# ---- activations ----

declare -A LAUNCHER_BEFORE=() # variable -> "=" and its value before activations set it, or nothing

# Show this line's metadata as variables, and restore those of the line before.
launcher_show() {
    local variable
    local -i i

    for variable in "${!LAUNCHER_BEFORE[@]}"; do
        unset -v "$variable"
        [[ -z ${LAUNCHER_BEFORE[$variable]} ]] || export "$variable${LAUNCHER_BEFORE[$variable]}"
    done
    LAUNCHER_BEFORE=()
    for ((i = 0; i < ${#LAUNCHER_NAMES[@]}; i++)); do
        variable=__OW_${LAUNCHER_NAMES[i]^^}
        if [[ ${LAUNCHER_NAMES[i]} == value ]]; then
            LAUNCHER_VALUE=${LAUNCHER_VALUES[i]}
        elif [[ ! $variable =~ [^A-Za-z0-9_] ]]; then # no shell variable can have another name
            launcher_variable "${LAUNCHER_VALUES[i]}"
            [[ -v LAUNCHER_BEFORE[$variable] ]] ||
                LAUNCHER_BEFORE[$variable]=${!variable+=}${!variable-}
            export "$variable=$REPLY"
        fi
    done
}

# Put the function that the member "method" names into LAUNCHER_FUNCTION, and take the member out of
# the metadata. Returns 1 if no function has that name.
launcher_choose() {
    local -i i

    for ((i = 0; i < ${#LAUNCHER_NAMES[@]}; i++)); do
        [[ ${LAUNCHER_NAMES[i]} == method ]] || continue
        REPLY=${LAUNCHER_VALUES[i]}
        LAUNCHER_NAMES[i]=value/ # a name that is not shown
        [[ $REPLY != null ]] || return 0
        [[ $REPLY == \"* ]] && LAUNCHER_FUNCTION=${REPLY:1:${#REPLY}-2} || return 1
        [[ $LAUNCHER_FUNCTION != *,* && ,$LAUNCHER_MAIN, == *",$LAUNCHER_FUNCTION,"* ]]
        return
    done
}

# Options that the action sets must not affect our code: -x would log our lines with the API key, -a
# would export them to each program, and -k would take arguments from our commands.
LAUNCHER_OPTIONS=''
launcher_put_options_away() {
    LAUNCHER_OPTIONS=${-//[!aeEkTuvx]/}
    [[ -z $LAUNCHER_OPTIONS ]] || set +"$LAUNCHER_OPTIONS"
}

# Call the function of an action that has set "set -e". Before "||" bash ignores that option.
# Elsewhere a failing command would end the launcher. So an ERR trap returns from the function, and
# from each function that it calls.
launcher_call_errexit() {
    trap '{
        LAUNCHER_STATUS=$?
        if [[ ${FUNCNAME[0]} == launcher_call_errexit ]]; then
            set +e
        elif [[ $- == *e* && $BASH_SUBSHELL == 0 ]]; then # in a subshell bash itself exits
            return "$LAUNCHER_STATUS"
        fi
    } 2>/dev/null' ERR
    if [[ -n $LAUNCHER_SENDS ]]; then
        set -E"$LAUNCHER_OPTIONS"
        "$LAUNCHER_FUNCTION" "$LAUNCHER_VALUE"
    else
        set -E"$LAUNCHER_OPTIONS"
        "$LAUNCHER_FUNCTION" "$LAUNCHER_VALUE" 60<&- 61>&-
    fi
    { LAUNCHER_STATUS=$?; set +eE; trap - ERR; } 2>/dev/null
}

# Process one line, and put its answer into LAUNCHER_ANSWER. The function runs with our descriptors
# closed, so that no program inherits them.
launcher_activate() {
    # No local variables: the function's own variables may have any name.
    LAUNCHER_STATUS=0 LAUNCHER_FUNCTION=${LAUNCHER_MAIN%%,*}
    LAUNCHER_VALUE={} LAUNCHER_ANSWER={} LAUNCHER_FAILURE='' LAUNCHER_PARTS='' LAUNCHER_ANSWERED=''
    launcher_trim LAUNCHER_LINE
    if [[ $LAUNCHER_LINE == null ]]; then
        LAUNCHER_NAMES=() LAUNCHER_VALUES=()
    elif ! launcher_members "$LAUNCHER_LINE"; then
        LAUNCHER_ANSWER='{"error":"cannot use the line: want a JSON object with a value"}'
        return
    fi
    if [[ $LAUNCHER_MAIN == *,* ]] && ! launcher_choose; then
        LAUNCHER_ANSWER=$(launcher_quote "method not found: $REPLY; want ${LAUNCHER_MAIN//,/, }")
        LAUNCHER_ANSWER="{\"error\":$LAUNCHER_ANSWER}"
        return
    fi
    launcher_show
    [[ $LAUNCHER_VALUE != null ]] || LAUNCHER_VALUE={}
    if [[ -n $LAUNCHER_ERREXIT ]]; then
        launcher_call_errexit
    elif [[ -n $LAUNCHER_SENDS ]]; then
        [[ -z $LAUNCHER_OPTIONS ]] || set -"$LAUNCHER_OPTIONS"
        "$LAUNCHER_FUNCTION" "$LAUNCHER_VALUE" || { LAUNCHER_STATUS=$?; } 2>/dev/null
    else
        [[ -z $LAUNCHER_OPTIONS ]] || set -"$LAUNCHER_OPTIONS"
        "$LAUNCHER_FUNCTION" "$LAUNCHER_VALUE" 60<&- 61>&- || { LAUNCHER_STATUS=$?; } 2>/dev/null
    fi
    { launcher_put_options_away; } 2>/dev/null
    launcher_end_turn
    [[ -z $LAUNCHER_ERREXIT ]] || LAUNCHER_OPTIONS=$LAUNCHER_ERREXIT # our trap has turned "-e" off
    if ((LAUNCHER_STATUS != 0)); then
        LAUNCHER_ANSWER=$(launcher_quote "${LAUNCHER_FAILURE:-$LAUNCHER_FUNCTION returned $LAUNCHER_STATUS}")
        LAUNCHER_ANSWER="{\"error\":$LAUNCHER_ANSWER}"
    elif [[ -n $LAUNCHER_PARTS && -z $LAUNCHER_ANSWERED ]]; then
        LAUNCHER_ANSWER=[$LAUNCHER_PARTS]
        [[ -z $LAUNCHER_ACK ]] || LAUNCHER_ANSWER=+
    fi
}

# ---- start ----

# Whether the text of a file is a script to be run, not a file of functions to be loaded.
launcher_is_plain() {
    local text=$1

    [[ $text == '#!'* ]] || return 1
    [[ ${text%%$'\n'*} =~ sh([[:space:]]|$) ]] || return 0
    [[ ! $text =~ (^|$'\n')[[:blank:]]*(function[[:blank:]]+)?"$2"[[:blank:]]*\(\) &&
        ! $text =~ (^|$'\n')[[:blank:]]*function[[:blank:]]+"$2"[[:space:]] ]]
}

# Explain why a file from Windows cannot be loaded or run, because bash's own message hardly does.
launcher_tell_line_ends() {
    local line
    IFS= read -r line <"$LAUNCHER_FILE"
    [[ $line != *$'\r' ]] || printf '%s\n' "Cannot start action: the first line of ${LAUNCHER_FILE##*/} ends with a \
carriage return: save the file with Unix line ends" >&2
}

if (($# < 1 || $# > 2)); then
    # shellcheck disable=SC2016
    printf '%s\n' 'usage: launcher.sh FILE [MAIN]' \
        'Reads one JSON line per activation and writes one JSON line per answer:' \
        '    printf '\''{"value":{"name":"Mike"}}\n'\'' | launcher.sh hello.sh' >&2
    exit 2
fi
LAUNCHER_SELF=${BASH_SOURCE[0]}
[[ $LAUNCHER_SELF == /* ]] || LAUNCHER_SELF=$PWD/$LAUNCHER_SELF
LAUNCHER_FILE=$1 LAUNCHER_MAIN=${2:-main}
if [[ ! -f $LAUNCHER_FILE ]]; then
    printf 'Cannot start action: no such file: %s\n' "$LAUNCHER_FILE" >&2
    exit 1
fi
if [[ $LAUNCHER_FILE == */* ]]; then
    cd -- "${LAUNCHER_FILE%/*}/" || exit 1
    LAUNCHER_FILE=$PWD/${LAUNCHER_FILE##*/}
fi
IFS= read -r -d '' LAUNCHER_TEXT <"$LAUNCHER_FILE" # ignore its status: it is 1, because there is no NUL
if launcher_is_plain "$LAUNCHER_TEXT" "$LAUNCHER_MAIN"; then
    # In ActionLoop 3 carries the answers and 1 is log. Here it is the other way round, so swap
    # them.
    if [[ $LAUNCHER_TEXT == *'>&3'* ]] && { : >&3; } 2>/dev/null; then
        exec 4>&1 1>&3 3>&4 4>&-
    fi
    [[ -x $LAUNCHER_FILE ]] || chmod +x -- "$LAUNCHER_FILE"
    shopt -s execfail
    exec "$LAUNCHER_FILE" || launcher_tell_line_ends
    exit 1
fi
unset -v LAUNCHER_TEXT
# The functions that the file seems to define, for a user who has misspelt one.
launcher_defined() {
    local line n=0
    REPLY=
    while IFS= read -r line; do
        [[ $line =~ ^(function\ +)?([[:alnum:]_]+)\ *\(\) ]] && ((n++ < 8)) && REPLY+=${REPLY:+, }${BASH_REMATCH[2]}
    done <"$LAUNCHER_FILE"
    REPLY=${REPLY:+, which defines: }$REPLY
    IFS= read -r line <"$LAUNCHER_FILE"
    [[ $line != $'\xef\xbb\xbf'* ]] || REPLY=', which begins with a byte order mark: save it without one'
}

# Whether a function of the action calls part, or reads a file whose functions may call it. $1: the
# names of our own functions, one per line.
launcher_sends() {
    local name text=''
    local -a theirs=()

    while IFS= read -r name; do
        [[ $'\n'$1$'\n' == *$'\n'"$name"$'\n'* ]] || theirs+=("$name")
    done < <(builtin compgen -A function)
    ((${#theirs[@]} == 0)) || text=$(builtin declare -f -- "${theirs[@]}")
    [[ $text =~ (^|[^A-Za-z0-9_])part[[:blank:]] ||
        $text =~ (^|[$'\n;&|({'])[[:blank:]]*(\.|source)[[:blank:]] ]]
}

LAUNCHER_OURS=$(compgen -A function)
LAUNCHER_ACK=${__OW_WAIT_FOR_ACK-}
exec 60<&0 61>&1 0</dev/null
if { : >&3; } 2>/dev/null; then
    exec 1>&3 3>&-
else
    exec 1>&2
fi
set -- # the action gets no arguments
# shellcheck source=/dev/null
. "$LAUNCHER_FILE" 60<&- 61>&- || {
    launcher_tell_line_ends
    exit 1
}
{ launcher_put_options_away; } 2>/dev/null
# If the action sends parts, our lines and answers must stay open while it runs, also for programs
# that it starts.
LAUNCHER_SENDS=
! launcher_sends "$LAUNCHER_OURS" || LAUNCHER_SENDS=yes
[[ -z $LAUNCHER_SENDS ]] || exec 62<"$LAUNCHER_SELF"
unset -v LAUNCHER_OURS
# The shell's options if the file has set "set -e" and no ERR trap of its own, else empty.
LAUNCHER_ERREXIT=
[[ $LAUNCHER_OPTIONS != *e* || -n $(trap -p ERR) ]] || LAUNCHER_ERREXIT=$LAUNCHER_OPTIONS
IFS=, read -r -a LAUNCHER_FUNCTIONS <<<"$LAUNCHER_MAIN," # read drops an empty last field
LAUNCHER_MAIN=
for LAUNCHER_LINE in "${LAUNCHER_FUNCTIONS[@]}"; do
    launcher_trim LAUNCHER_LINE
    if ! declare -F -- "$LAUNCHER_LINE" >/dev/null; then
        launcher_defined
        printf "Cannot start action: function '%s' was not found in %s%s\n" "$LAUNCHER_LINE" \
            "${LAUNCHER_FILE##*/}" "$REPLY" >&2
        exit 1
    fi
    LAUNCHER_MAIN+=${LAUNCHER_MAIN:+,}$LAUNCHER_LINE
done
[[ -z $LAUNCHER_ACK ]] || printf '{"ok":true,"pipeline":%d,"parts":true,"control":true}\n' "$LAUNCHER_PIPELINE" >&61
while launcher_next; do
    launcher_activate
    printf '%s\n' "$LAUNCHER_ANSWER" >&61 || exit 1
done
