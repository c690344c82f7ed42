#!/bin/sh
#
# install-packages PACKAGE... - Debian packages for an image: nothing that is only recommended, and
# nothing left of what apt and ldconfig write about the day of the build.

set -eu

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
    /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
