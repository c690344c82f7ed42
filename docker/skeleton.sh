#!/bin/sh
#
# skeleton.sh ROOT - what every image without a base has besides its programs: /tmp and users.

set -eu

mkdir -p "$1/tmp" "$1/etc"
chmod 1777 "$1/tmp"
cat >"$1/etc/passwd" <<'END'
root:x:0:0:root:/:/sbin/nologin
action:x:1000:1000:action:/tmp:/sbin/nologin
END
cat >"$1/etc/group" <<'END'
root:x:0:
action:x:1000:
END
# Paths of a merged /usr, which programs and scripts from elsewhere name.
for name in bin lib; do
    mkdir -p "$1/usr/$name"
    [ -e "$1/$name" ] || ln -s "usr/$name" "$1/$name"
done
