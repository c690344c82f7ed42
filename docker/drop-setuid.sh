#!/bin/sh
#
# drop-setuid.sh - remove the setuid and setgid bits of all programs. A container needs none of
# them. dpkg is told, so that an upgrade does not restore them.

set -eu

find / -xdev -type f -perm /6000 | while read -r program; do
    if dpkg-query --search "$program" >/dev/null 2>&1; then
        dpkg-statoverride --update --add root root 0755 "$program"
    fi
    chmod ug-s "$program"
done
rm -f /var/lib/dpkg/*-old
