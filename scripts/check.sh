#!/usr/bin/env bash
#
# check.sh - what can be checked without running the proxy: form, includes, scripts, words,
# documents, static analysis.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: check.sh [format | layers | shell | python | spell | readme | analyze]...
       check.sh tidy | fanalyzer

Run the checks named, when none is all of the first line; one line for each, and what is wrong above it. Ends
with 1 if one fails, with 77 if all that were asked for had to be skipped.

    analyze    static analysis that is quick: cppcheck
    tidy       static analysis by clang-tidy, with the checks of .clang-tidy; three minutes on 2 cores
    fanalyzer  static analysis by gcc's -fanalyzer; five minutes on 2 cores

Environment: BUILD, the folder of the build whose --help-markdown docs/settings.md must match, and
which tells how each file is compiled (build).
END
}

ALL=(format layers shell python spell readme analyze)
LONG=(tidy fanalyzer) # these take minutes and run only when named
SKIPPED=77 # what a check returns when it cannot run; meson and automake use the same number

# Print our files below those of the folders named that exist, NUL-terminated.
files_in() {
    local folder folders=()

    for folder in "$@"; do
        [[ ! -d $folder ]] || folders+=("$folder")
    done
    find "${folders[@]}" -type f -not -path '*/__pycache__/*' -print0 | sort -z
}

# Skip unless command $1, of Debian package $2, is there.
need() {
    command -v "$1" >/dev/null || {
        echo "$1 is not installed: apt-get install $2"
        return "$SKIPPED"
    }
}

check_format() {
    local files

    need clang-format clang-format || return
    mapfile -d '' -t files < <(files_in proxy runtime actions tests | grep -z '\.[ch]$')
    ((${#files[@]} > 0)) || { echo "no C files found" && return 1; }
    clang-format --dry-run -Werror "${files[@]}" || return
    # clang-format does not reflow comments, so check line length. Lines with a string cannot be
    # broken.
    ! LC_ALL=C.UTF-8 grep -nE '^[^"]{101,}$' "${files[@]}" ||
        { echo "the lines above have more than 100 columns" && return 1; }
}

check_layers() {
    need python3 python3 || return
    python3 scripts/check_layers.py
}

# Every file whose first line says bash or sh, and the parts that are sourced.
check_shell() {
    local files candidates file first

    need shellcheck shellcheck || return
    mapfile -d '' -t candidates < <(files_in bin scripts actions runtime tests docker jmeter .ci)
    files=()
    for file in "${candidates[@]}"; do
        first=$(head -c 64 -- "$file" | tr -d '\000' | head -n 1)
        if [[ $file == *.sh || $first =~ ^\#!.*(bash|/sh)( |$) ]]; then
            files+=("$file")
        fi
    done
    ((${#files[@]} > 0)) || { echo "no scripts found" && return 1; }
    printf '%s\0' "${files[@]}" | xargs -0 -n 4 -P 2 shellcheck -x
}

# Check that every Python file can be parsed. Write nothing.
check_python() {
    need python3 python3 || return
    files_in scripts runtime actions tests jmeter | grep -z '\.py$' | xargs -0 python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path, encoding="utf-8").read(), path)
'
}

check_spell() {
    local top file

    need codespell codespell || return
    top=()
    for file in ./*.md docs meson.build .ci bin scripts actions runtime proxy tests docker jmeter; do
        [[ ! -e $file ]] || top+=("$file")
    done
    # pyhton: a test checks the suggestion for it.
    codespell -L pyhton --skip '*/corpus*,*/__pycache__/*,*.svg,*.json' "${top[@]}"
}

check_readme() {
    need python3 python3 || return
    if [[ ! -x $BUILD/proxy/whiskloop ]]; then
        python3 scripts/check_readme.py || return 1
        echo "'$BUILD/proxy/whiskloop' is not built: settings not compared"
        return "$SKIPPED"
    fi
    python3 scripts/check_readme.py "$BUILD/proxy/whiskloop"
}

# Static analysis of the C code. False positives, and why:
# uninitvar: base64_head() fills the array before the callee gets it.
# nullPointer in store.c: xasprintf() made the path; it aborts rather than return NULL.
check_analyze() {
    need cppcheck cppcheck || return
    cppcheck -j 2 --enable=warning,portability --std=c11 --language=c -I proxy -I runtime/c --quiet --error-exitcode=1 \
        '-Dcontainer_of(ptr,type,member)=((type*)(void*)((char*)(ptr)-offsetof(type,member)))' \
        --suppress=uninitvar:proxy/action/envelope.c --suppress=uninitvar:proxy/base/base64.c \
        --suppress=nullPointer:proxy/action/store.c proxy runtime/c runtime/oneshot
}

# What the compiler of /init defines for main.c in runtime/c.
FUNCTIONS='-DWHISK_FUNCTIONS=FUNCTION(main, whisk_main)'

# The C files to analyze.
analyzed_files() {
    files_in proxy runtime/c runtime/oneshot | grep -z '\.c$'
}

# Require the headers that the build generates, and the record of how each file is compiled.
need_build() {
    [[ -f $BUILD/compile_commands.json && -f $BUILD/proxy/build-paths.h ]] || {
        echo "'$BUILD' is not built: meson setup $BUILD && meson compile -C $BUILD"
        return "$SKIPPED"
    }
}

check_tidy() {
    need clang-tidy clang-tidy || return
    need_build || return
    # Accept options that only gcc knows. One file per process, because clang-tidy 14 reports each
    # va_list as uninitialized from the second file on.
    analyzed_files | xargs -0 -n 1 -P 2 clang-tidy -p "$BUILD" --quiet --extra-arg=-Wno-unknown-warning-option \
        --extra-arg="$FUNCTIONS" --extra-arg="-I$ROOT/runtime/c" # for the starter, which no build compiles
}

check_fanalyzer() {
    local libraries

    need gcc gcc || return
    need_build || return
    libraries=$(pkg-config --cflags libh2o-evloop openssl libarchive jansson) || return
    # shellcheck disable=SC2016,SC2086 # the inner shell expands it; several words
    analyzed_files | xargs -0 -n 1 -P 2 gcc -fanalyzer -Werror -O1 -std=gnu17 -D_GNU_SOURCE -DH2O_USE_LIBUV=0 \
        "$FUNCTIONS" -I proxy -I "$BUILD/proxy" -I runtime/c $libraries -c -o /dev/null
}

n_ok=0 n_failed=0
if (($# == 0)); then
    set -- "${ALL[@]}"
fi
for name in "$@"; do
    if [[ $name == -h || $name == --help ]]; then
        usage
        exit 0
    fi
    [[ " ${ALL[*]} ${LONG[*]} " == *" $name "* ]] ||
        die "unknown check '$name'" "the checks: ${ALL[*]} ${LONG[*]}"
done
cd -- "$ROOT"
for name in "$@"; do
    status=0
    "check_$name" || status=$?
    case $status in
    0)
        n_ok=$((n_ok + 1))
        printf 'ok       %s\n' "$name"
        ;;
    "$SKIPPED") printf 'skipped  %s\n' "$name" ;;
    *)
        n_failed=$((n_failed + 1))
        printf 'FAILED   %s\n' "$name"
        ;;
    esac
done
((n_failed == 0)) || exit 1
((n_ok > 0)) || exit "$SKIPPED"
