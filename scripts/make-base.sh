#!/usr/bin/env bash
#
# make-base.sh OUT.tar - a root file system like that of debian:bookworm-slim, from the package
# sources of this machine, for where no image can be pulled. Needs mmdebstrap.

set -euo pipefail

out=${1:?usage: make-base.sh OUT.tar}
sources=(/etc/apt/sources.list.d/debian.sources)
[[ -f ${sources[0]} ]] || sources=() # then mmdebstrap uses the default mirror
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}
options=(--quiet --variant=minbase)
# A merged /usr from the start, because the package that converts to one would pull in all of Perl.
options+=(--include=usr-is-merged --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
for option in 'Acquire::Languages "none"' 'Acquire::GzipIndexes "true"' \
    'Dir::Cache::pkgcache ""' 'Dir::Cache::srcpkgcache ""' \
    'APT::AutoRemove::SuggestsImportant "false"'; do
    options+=("--aptopt=$option")
done
options+=(--dpkgopt=force-unsafe-io)
# As in Debian's own image: exclude manuals and translations, keep the licences.
for folder in man info locale doc groff lintian linda; do
    options+=("--dpkgopt=path-exclude=/usr/share/$folder/*")
done
options+=('--dpkgopt=path-include=/usr/share/doc/*/copyright')
# Delete caches, and files that record when and where the base was made. The hooks' $1 is the new
# root.
# shellcheck disable=SC2016
options+=('--customize-hook=rm -rf "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old')
# shellcheck disable=SC2016
options+=('--customize-hook=rm -f "$1"/var/log/apt/* "$1"/var/log/dpkg.log "$1"/var/log/bootstrap.log "$1"/var/log/alternatives.log "$1"/var/cache/ldconfig/aux-cache')
mmdebstrap "${options[@]}" bookworm "$out" "${sources[@]}"
