#!/bin/sh
#
# check-version VERSION - fail unless VERSION, the argument of an image's build, is the program's.

set -eu

program=/out/dynamic/usr/bin/whiskloop
built=$("$program" --version | sed -n '1s/^[^0-9]*\([0-9][^ ]*\).*/\1/p')
if [ "${1:-}" != "$built" ]; then
    echo "the build argument VERSION is '${1:-}', the program's version is $built:" >&2
    echo "    give --build-arg VERSION=$built, or build by scripts/images.sh, which does" >&2
    exit 1
fi
