#!/bin/sh
#
# compile.sh - compile an action's C source to a program, once for each /init.
#
#     compile.sh RUNTIME LIBRARY MAIN SRC BIN
#
# RUNTIME is this folder, with whisk_action.h; LIBRARY the folder of libwhisk_action.a; the rest is
# as for any compiler (runtime/README.md). All *.c files below SRC become BIN/exec, except those
# that a Mac adds to its zips. Everything else of SRC is copied beside it. Environment: CC.
# compile_flags.txt in SRC holds more flags, one per line.

set -eu

runtime=$1 library=$2 function=$3 src=$4 bin=$5

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

cc=${CC:-}
for candidate in gcc cc clang tcc; do
    if [ -z "$cc" ] && command -v "$candidate" >/dev/null; then
        cc=$candidate
    fi
done
[ -n "$cc" ] || fail "no C compiler found in PATH; it needs gcc or tcc, and libc6-dev (Debian packages gcc, tcc, libc6-dev)"

# main() belongs to the whole program in C, so the default handler is called whisk_main.
functions=
set -f
IFS=,
list=${function:-main}, # read drops an empty last field
for name in $list; do
    name=$(printf '%s' "$name" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
    case $name in
    '' | [0-9]* | *[!A-Za-z0-9_]*) fail "main: \"$name\" is no name of a C function" ;;
    main) functions="$functions FUNCTION(main, whisk_main)" ;;
    *) functions="$functions FUNCTION($name, $name)" ;;
    esac
done
set +f
unset IFS

[ -w "${TMPDIR:-/tmp}" ] || export TMPDIR="$bin"
cp -R "$src/." "$bin/"
cd "$bin" # so that messages have the author's file names

# One name or flag per line, which may contain blanks.
set -f
IFS='
'
sources=$(find . -type f -name '*.c' ! -name '._*' ! -path './__MACOSX/*' | sed 's|^\./||' | sort)
[ -n "$sources" ] || fail "there is no file *.c to compile"
flags=
[ ! -f compile_flags.txt ] || flags=$(cat compile_flags.txt)
case ${cc##*/} in
gcc*) few=-fmax-errors=20 ;;
clang*) few=-ferror-limit=20 ;;
*) few=-O2 ;;
esac
IFS=' '
# shellcheck disable=SC2086 # CC may hold flags, as in make
set -- $cc -O2 -g "$few" "-DWHISK_FUNCTIONS=$functions" "-I$runtime" -I.
IFS='
'
# shellcheck disable=SC2086 # these are lists
"$@" -o exec $sources "$runtime/main.c" "$library/libwhisk_action.a" $flags -lpthread -lm

# A main() in the source must call whisk_serve(). Otherwise no ready line comes, and the proxy waits
# for it in vain. Make one object file of the source, without libraries, in which nm lists the
# functions that the source calls. Without nm, or if this object cannot be made, do not check.
own=$(nm -l exec 2>/dev/null | grep -E ' T main([[:space:]]|$)') || exit 0
flags=$(printf '%s' "$flags" | grep -Ev '^-(l|Wl,)') || :
probe=$(mktemp)
# shellcheck disable=SC2086 # these are lists
"$@" -r -nostdlib -o "$probe" $sources $flags 2>/dev/null || : >"$probe"
symbols=$(nm "$probe" 2>/dev/null | grep -Eo ' (T main|U whisk_serve.*)$') || :
rm -f "$probe"
[ "$symbols" = " T main" ] || exit 0 # tcc reports our main() in exec like this, too
file="the source"
case $own in
*' T main'?*) # nm found the line: a tab, the file, a colon and the number
    file=${own#* T main?}
    file=${file%:*}
    file=${file#"$PWD/"}
    ;;
esac
fail "$file defines main() and does not call whisk_serve(): a C action defines whisk_main() (docs/languages/c.md); publish a program that reads lines itself as an executable, with bin/build.sh or whiskloop-build"
