#!/bin/sh
#
# record-packages.sh ROOT PACKAGE|FILE... - record the Debian packages of an image without dpkg:
# their entries in /var/lib/dpkg/status.d, which scanners read, and their copyright files.
# WITHOUT: folder of an earlier layer of the same image; what it has recorded is left out here.

set -eu

root=$1
shift
# Prints the package that has file $1, by whichever of its names dpkg knows it.
package_of() {
    for name in "$1" "${1#/usr}" "$(readlink -f "$1")"; do
        dpkg-query -S "$name" 2>/dev/null | sed 's/[:,].*//;q' | grep . && return
    done
    echo "record-packages.sh: no package has '$1'" >&2
    return 1
}

mkdir -p "$root/var/lib/dpkg/status.d"
for item in "$@"; do
    case $item in
    /*) package=$(package_of "$item") ;;
    *) package=$item ;;
    esac
    note=$root/var/lib/dpkg/status.d/$package
    if [ -e "$note" ] || { [ -n "${WITHOUT:-}" ] && [ -e "$WITHOUT/var/lib/dpkg/status.d/$package" ]; }; then
        continue
    fi
    dpkg-query -s "$package" | sed '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d;}' >"$note"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
