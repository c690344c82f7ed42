#!/usr/bin/env bash
#
# build.sh - make what init.sh publishes: an executable from C, or a zip of a file or folder.

set -euo pipefail

usage() {
    cat <<END
usage: $self [-o NAME] SOURCE.c...
       $self [-o NAME] FOLDER

Compile C sources to one executable, exec when -o names no other, or to a zip that holds it when
-o names a .zip; or pack a folder's content, in any language that $init_command takes,
to a zip, FOLDER.zip when -o names no other. Prints the path of what was made.

    -o NAME       path of the result
    -h, --help    show this text

Environment: CC (cc), CFLAGS (-O2 -Wall), LDLIBS (libraries, such as -lm).
END
}

# Compile into a new file and rename it, so that a running action keeps its old file.
build_executable() {
    local source cc flags libs out=${result:-exec}

    for source in "$@"; do
        [[ -f $source ]] || fail "there is no source file '$source'"
        [[ $source == *.c ]] || fail "'$source' is no C source: want names that end in .c" \
            "scripts and .py files need no building: $init_command $source"
    done
    # Split on purpose, as make does: these variables hold several words.
    read -r -a cc <<<"${CC:-cc}"
    read -r -a flags <<<"${CFLAGS--O2 -Wall}"
    read -r -a libs <<<"${LDLIBS:-}"
    command -v "${cc[0]}" >/dev/null || fail "compiler '${cc[0]}' is not installed" "apt-get install gcc"
    check_place "$out"
    # A source name that begins with a dash must not look like an option: "-c.c" becomes "./-c.c".
    "${cc[@]}" "${flags[@]}" -o "$WORK/exec" "${@/#-/./-}" "${libs[@]}" || fail_to_compile "$@"
    if [[ $out == *.zip ]]; then
        need_zip
        (cd -- "$WORK" && zip -q action.zip exec) >&2 || fail "cannot zip what was compiled"
        mv -f -- "$WORK/action.zip" "$out"
    else
        mv -f -- "$WORK/exec" "$out"
    fi
    printf '%s\n' "$out"
}

fail_to_compile() {
    if grep -q '#include *<whisk_action.h>' -- "$@"; then
        fail "a program for whisk_action.h is compiled by the proxy" "publish its source: $init_command $1" \
            "or see docs/languages/c.md for how to link the library"
    fi
    fail "'${CC:-cc}' could not compile $*"
}

need_zip() {
    command -v zip >/dev/null || fail "zip is not installed" "apt-get install zip" "$@"
}

build_zip() {
    local folder=$1 name out root place without=()

    root=$(cd -- "$folder" && pwd -P)
    name=$(basename -- "$(cd -- "$folder" && pwd)")
    out=${result:-$name.zip}
    need_zip "or publish the folder itself, which does without: $init_command $folder"
    holds_action "$folder" ||
        fail "folder '$folder' is no action: it holds none of ${ENTRIES[*]}"
    check_place "$out"
    # Leave out an earlier zip that is in the folder.
    place=$(cd -- "$(dirname -- "$out")" && pwd -P)/${out##*/}
    [[ $place != "$root"/* ]] || without=(--no-wild -x "${place#"$root"/}")
    (cd -- "$folder" && zip -q -r -y "$WORK/action.zip" . "${without[@]}") >&2 || fail "cannot zip folder '$folder'"
    mv -f -- "$WORK/action.zip" "$out"
    printf '%s\n' "$out"
}

check_place() {
    [[ -d $(dirname -- "$1") ]] || fail "cannot write '$1': there is no folder '$(dirname -- "$1")'"
    [[ ! -d $1 ]] || fail "cannot write '$1': a folder of that name is there" "choose another with -o"
}

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")") # also through a link
# shellcheck source=bin/lib.sh
. "$here/lib.sh"

help_if_asked "$@"
result=
options_first ':o:h' "$@"
set -- "${ARGUMENTS[@]}"
while getopts ':o:h' option; do
    case $option in
    o) result=$OPTARG ;;
    h)
        usage
        exit 0
        ;;
    :) fail "-$OPTARG needs a value" "$self -h shows how to call it" ;;
    *) fail "unknown option -$OPTARG" "$self -h shows how to call it" ;;
    esac
done
shift $((OPTIND - 1))
(($# >= 1)) || fail "nothing to build" "$self -h shows how to call it"

make_work

if [[ -d $1 ]]; then
    (($# == 1)) || fail "want one folder, got $# arguments"
    build_zip "$1"
else
    build_executable "$@"
fi
