#!/usr/bin/env bash
#
# package.sh - make the Debian packages of the commit that is checked out here.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: package.sh [-o FOLDER] [-n]

Build the Debian packages of the commit that is checked out here, look at them with lintian, and put
them into FOLDER (build-packages).

    -o FOLDER   where the packages go; packages of before are deleted there
    -n          install nothing: what setup.sh --package would install is there already
    -h          show this text

    apt-get install ./build-packages/whiskloop_*.deb
END
}

out=$ROOT/build-packages install=yes
while getopts ':o:nh' option; do
    case $option in
    o) out=$OPTARG ;;
    n) install=no ;;
    h)
        usage
        exit 0
        ;;
    :) die "-$OPTARG needs a value" "package.sh -h shows how to call it" ;;
    *) die "unknown option -$OPTARG" "package.sh -h shows how to call it" ;;
    esac
done
shift $((OPTIND - 1))
(($# == 0)) || help_or_die "$1"
[[ $install == no ]] || "$here/setup.sh" --package
mkdir -p -- "$out"
out=$(cd -- "$out" && pwd)
work=$(mktemp -d) || die "cannot write to ${TMPDIR:-/tmp}" "set TMPDIR to a folder that can be written"
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM

version=$(sed -n "s/^project('whiskloop'.* version: '\([^']*\)'.*/\1/p" "$ROOT/meson.build")
[[ -n $version ]] || die "meson.build names no version"
mkdir "$work/whiskloop"
git -c safe.directory='*' -C "$ROOT" archive HEAD | tar -x -C "$work/whiskloop"
# The version comes from meson.build alone. The date is the commit's, so that builds are
# reproducible.
cat >"$work/whiskloop/debian/changelog" <<END
whiskloop ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- whiskloop developers <whiskloop@example.org>  $(git -c safe.directory='*' -C "$ROOT" log -1 --format=%cD)
END
(cd -- "$work/whiskloop" && dpkg-buildpackage -us -uc -b >"$work/build.log" 2>&1) || {
    tail -n 40 "$work/build.log" >&2
    die "dpkg-buildpackage failed; its last lines stand above"
}
# Slim images exclude /usr/share/lintian, and without it /usr/bin/lintian does not work.
if lintian --version >/dev/null 2>&1; then
    # As root, lintian prints a warning about that. Only what it says about the packages matters.
    lintian --allow-root --fail-on error "$work"/*.changes 2>&1 | grep -v '^running with root' >"$work/lintian.log" || true
    sed 's/^/lintian: /' "$work/lintian.log"
    ! grep -q '^E: ' "$work/lintian.log" || die "lintian found errors; they stand above"
else
    printf 'package.sh: lintian cannot run here: nothing has looked at the packages\n' >&2
fi
rm -f -- "$out"/*.deb
mv -- "$work"/*.deb "$out/"
printf '%s\n' "$out"/*.deb
