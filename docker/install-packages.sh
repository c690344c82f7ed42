#!/bin/sh
#
# install-packages PACKAGE... - Debian packages for an image: nothing that is only recommended, and
# nothing left of what was fetched and of what apt and ldconfig write about the day of the build. debconf's cache
# goes as well: each layer would have a copy of 0.75 MB, and debconf makes it anew when it asks something.

set -eu

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
    /var/cache/debconf/* /var/lib/dpkg/*-old \
    /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
