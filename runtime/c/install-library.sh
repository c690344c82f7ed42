#!/bin/sh
#
# install-library.sh FILE DIR - install FILE in DIR of the prefix, for meson.

set -eu

case $2 in
/*) dir=${DESTDIR:-}$2 ;;
*) dir=$MESON_INSTALL_DESTDIR_PREFIX/$2 ;;
esac
mkdir -p "$dir"
cp "$1" "$dir/"
chmod 644 "$dir/$(basename "$1")"
