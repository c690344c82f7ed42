#!/bin/sh
#
# drop-setuid - take the setuid and setgid bits from all programs. A container needs none of them; root may
# still run each program. dpkg is told, so an upgrade does not bring the bits back.

set -eu

find / -xdev -type f -perm /6000 | while read -r program; do
    if dpkg-query --search "$program" >/dev/null 2>&1; then
        dpkg-statoverride --update --add root root 0755 "$program"
    fi
    chmod ug-s "$program"
done
rm -f /var/lib/dpkg/*-old
