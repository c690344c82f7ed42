#!/bin/sh
#
# closure.sh - copy the shared libraries that programs load into an image without a base, and record
# the Debian packages that they come from, for scanners and licences.
#
# usage: closure.sh ROOT FILE...    FILE: a program or library that this machine can load
# WITHOUT: folder of an earlier layer of the same image; what it has is left out here.

set -eu

root=$1
here=$(dirname "$0")
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
            /lib64/*) target=$library ;;
            *) target=$(readlink -f "$(dirname "$library")")/$(basename "$library") ;;
            esac
            if [ ! -e "$root$target" ] && { [ -z "${WITHOUT:-}" ] || [ ! -e "$WITHOUT$target" ]; }; then
                mkdir -p "$root$(dirname "$target")"
                cp -L "$library" "$root$target"
                "$here/record-packages.sh" "$root" "$library"
            fi
        done
done
