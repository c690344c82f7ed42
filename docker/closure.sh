#!/bin/sh
#
# closure.sh - give programs in an image without a base the shared libraries that they load.
#
# usage: closure.sh ROOT FILE...    FILE: a program or library that this machine can load

set -eu

root=$1
shift
for file in "$@"; do
    if ! libraries=$(ldd "$file"); then
        echo "closure.sh: '$file' loads no libraries, or this machine cannot load it" >&2
        exit 1
    fi
    # "name => /path (0x...)"; the line of ld.so has no arrow.
    printf '%s\n' "$libraries" | sed -nE 's/^.*[[:space:]](\/[^ ]+) \(0x.*$/\1/p' |
        while read -r library; do
            # By its folder's real name: /lib is a link where /usr is merged. Not so ld.so, whose
            # path stands in every program.
            case $library in
            /lib64/*) target=$root$library ;;
            *) target=$root$(readlink -f "$(dirname "$library")")/$(basename "$library") ;;
            esac
            mkdir -p "$(dirname "$target")"
            cp -L "$library" "$target"
        done
done
