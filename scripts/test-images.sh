#!/usr/bin/env bash
#
# test-images.sh - run the images and check that they do what their documents say.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/engine.sh
. "$here/engine.sh"

usage() {
    cat <<'END'
usage: test-images.sh [--quick] [--clean] [--no-build] [PYTEST-ARGUMENT]...

Build the images by scripts/images.sh, run the cases of tests/images on them in containers, and remove
these. Ends with 77 and the reason where no engine works here.

    --quick      two images, native and python3-tiny, and what they can show of all of them
    --clean      delete the images afterwards, as scripts/images.sh --clean does
    --no-build   take the images that are there; those that the cases make of them are made all the same
    -h           show this text

Where we are root, the containers have a network namespace of their own: publishing their ports
changes nothing in the machine's network.

Environment: as for images.sh; IMAGES=require makes a lack of something a failure.
END
}

LABEL=whiskloop-test=$$
NPM_PACKAGES=(@openwhisk/wskdebug@1.4.0 openwhisk-composer@0.12.0)

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local ids=()

    if [[ -n $ENGINE_RUN_DIR ]] && ((${#CLI[@]} > 0)); then
        mapfile -t ids < <("${CLI[@]}" ps --all --quiet --filter "label=$LABEL")
        ((${#ids[@]} == 0)) || "${CLI[@]}" rm --force "${ids[@]}" >/dev/null || true
        # Delete images that only the tests start from, if others use this docker, too.
        [[ $ENGINE != docker || -n $DOCKERD_PID ]] ||
            "${CLI[@]}" rmi "${derived[@]/#/whiskloop/test-}" >/dev/null 2>&1 || true
    fi
    engine_down
    [[ $clean == no ]] || "$here/images.sh" --clean || true
}

# Build the images that the cases start from on top of ours, as a user would; apt needs the real
# network. Arguments: their names. actionloop-NAME is docker/actionloop/NAME.Dockerfile, on a base
# that stands for Apache's.
build_derived() {
    local file name options

    mkdir -p -- "$IMAGES_DIR/logs"
    for name in "$@"; do
        file=tests/images/$name.Dockerfile options=()
        [[ $name != actionloop-* ]] ||
            file=docker/actionloop/${name#*-}.Dockerfile options=(--build-arg BASE=whiskloop/test-actionloop:latest)
        name=test-$name
        image_build "$file" "whiskloop/$name:latest" "${options[@]}" >"$IMAGES_DIR/logs/$name.log" 2>&1 || {
            tail -n 25 "$IMAGES_DIR/logs/$name.log" >&2
            die "'$file' cannot be built; the last lines stand above"
        }
    done
}

# Fetch npm packages for the cases, because containers cannot reach the internet. Cases say if one
# is missing.
npm_provide() {
    local folder=$IMAGES_DIR/npm log=$IMAGES_DIR/logs/npm.log

    mkdir -p -- "${log%/*}"
    IMAGES_NPM_LACKS=
    if ! command -v npm >/dev/null; then
        IMAGES_NPM_LACKS="npm is not installed: apt-get install npm"
    elif ! npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts "${NPM_PACKAGES[@]}" >"$log" 2>&1; then
        IMAGES_NPM_LACKS="npm cannot install ${NPM_PACKAGES[*]}: $log"
    fi
    export IMAGES_NPM=$folder/node_modules IMAGES_NPM_LACKS
    [[ -z $IMAGES_NPM_LACKS || ${IMAGES:-} != require ]] || die "$IMAGES_NPM_LACKS"
    [[ -z $IMAGES_NPM_LACKS ]] || rm -rf -- "$folder"
}

clean=no build=yes quick=no pytest=() images=()
derived=(actionloop actionloop-go actionloop-php actionloop-python carried curl derived pip prometheus)
while (($# > 0)); do
    case $1 in
    --quick) # the images that the cases marked "quick" need
        images=(native python3-tiny)
        derived=(carried derived)
        pytest+=(-m quick)
        quick=yes
        ;;
    --clean) clean=yes ;;
    --no-build) build=no ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) pytest+=("$1") ;;
    esac
    shift
done
cd -- "$ROOT"
engine_choose run
export ENGINE
trap clean_up EXIT
trap 'exit 130' INT TERM
[[ $build == no ]] || "$here/images.sh" "${images[@]}" || exit
engine_up build
build_derived "${derived[@]}"
engine_down
[[ $quick == yes ]] || npm_provide
engine_up run
# Keep tests in this process group: in groups of their own they would outlive Ctrl-C.
export IMAGES_ENGINE=$ENGINE IMAGES_CLI="${CLI[*]}" IMAGES_LABEL=$LABEL IMAGES_DIR
export IMAGES_PRIVATE=$DOCKERD_PID # empty: the engine belongs to somebody else
python3 -c 'import xdist' 2>/dev/null && pytest+=(-n 2 --dist loadgroup)
status=0
${PRIVATE_NET:+nsenter "--net=/run/netns/$PRIVATE_NET"} \
    python3 -m pytest -q -p no:cacheprovider "${pytest[@]}" tests/images || status=$?
exit "$status"
