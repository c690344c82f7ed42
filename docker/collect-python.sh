#!/bin/sh
#
# collect-python.sh ROOT - Debian's Python as installed here, into ROOT with all that it loads.

set -eu

root=$1
here=$(dirname "$0")
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/share"
cp "$(readlink -f "$(command -v python3)")" "$root/usr/bin/python$version"
ln -s "python$version" "$root/usr/bin/python3"
ln -s python3 "$root/usr/bin/python"
cp -a "/usr/lib/python$version" "$root/usr/lib/"
# What a server does not do: tests, windows, installing, its own manual.
for name in test idlelib tkinter turtledemo turtle.py __pycache__/turtle.* ensurepip lib2to3 pydoc_data distutils \
    venv __phello__ config-* lib-dynload/_test* lib-dynload/_ctypes_test.* lib-dynload/_xxtest* lib-dynload/_tkinter.*; do
    # shellcheck disable=SC2086 # a pattern
    rm -rf "$root/usr/lib/python$version"/$name
done
find "$root/usr/lib/python$version" -name '*.opt-?.pyc' -delete
rm -f "$root/usr/lib/python$version/EXTERNALLY-MANAGED"
"$here/closure.sh" "$root" "$root/usr/bin/python$version"
for module in "$root/usr/lib/python$version"/lib-dynload/*.so; do
    "$here/closure.sh" "$root" "$module"
done
# Time zones for the module zoneinfo. Left out: the copies with leap seconds, and the sources.
mkdir -p "$root/usr/share/zoneinfo"
cp -a /usr/share/zoneinfo/. "$root/usr/share/zoneinfo/"
rm -rf "$root/usr/share/zoneinfo/right" "$root/usr/share/zoneinfo/posix" "$root/usr/share/zoneinfo/tzdata.zi"
"$here/record-packages.sh" "$root" "python$version-minimal" "libpython$version-stdlib" tzdata
