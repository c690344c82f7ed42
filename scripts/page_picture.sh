#!/usr/bin/env bash
#
# page_picture.sh - make docs/dev-light.png and docs/dev-dark.png, the pictures in README.md.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: page_picture.sh [FOLDER]

Start whiskloop dev with a sample, use its page in Chromium, and write dev-light.png and
dev-dark.png into FOLDER, docs by default. Needs a build and scripts/setup.sh --tests.

    -h         show this text
END
}

case ${1:-} in
-*) help_or_die "$1" ;;
esac
exec python3 "$ROOT/tests/page/picture.py" "${1:-$ROOT/docs}"
