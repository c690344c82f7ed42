#!/usr/bin/env bash
#
# setup.sh - install what building and running need, on Debian 12; nothing when all is there.

set -euo pipefail

usage() {
    cat <<'END'
usage: setup.sh [--tests] [--bench] [--jmeter] [--report] [--images]

Install the Debian packages that whiskloop is built with and runs on.

    --tests    also those that scripts/test.sh needs
    --bench    also those that scripts/bench.sh needs
    --jmeter   also those that scripts/jmeter.sh needs
    --report   also those that draw the report of scripts/bench.sh and look at it
    --images   also those that scripts/images.sh and scripts/test-images.sh need
    -h         show this text

Asks apt only for what is missing, so it works without a network once all is installed. Needs root
or sudo when something is missing.
END
}

BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkgconf
    libh2o-evloop-dev libarchive-dev libjansson-dev libssl-dev)
# libarchive is linked in, not loaded, and then these are linked with it; most of them drop out.
BUILD_PACKAGES+=(libacl1-dev libbz2-dev liblz4-dev liblzma-dev libxml2-dev libzstd-dev nettle-dev
    zlib1g-dev)
# What bin/ and the Python runtime use; zip may be missing at run time, tar takes its place.
RUN_PACKAGES=(python3 curl zip)
# libclang-rt is not among clang's own dependencies, and without it clang cannot link sanitizers.
TEST_PACKAGES=(clang clang-format libclang-rt-14-dev libcmocka-dev python3-pytest
    python3-pytest-xdist python3-prometheus-client jq bc unzip shellcheck codespell procps wrk)
# The interpreters of the runtimes; without one of them its tests are skipped.
TEST_PACKAGES+=(nodejs perl ruby php-cli lua5.4 pypy3)
TEST_PACKAGES+=(python3-jsonschema python3-yaml)
# An engine, and what makes a base and a network for it where there is none.
IMAGE_PACKAGES=(docker.io mmdebstrap iproute2 procps)
BENCH_PACKAGES=(wrk valgrind)
# jmeter alone cannot speak HTTP; javac is for the mend in tests/bench/stress.py.
JMETER_PACKAGES=(jmeter jmeter-http jmeter-java openjdk-17-jdk-headless)
REPORT_PACKAGES=(python3-matplotlib chromium)

# Print those of the packages named that are not installed.
missing_of() {
    local package state

    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        if [[ $state != installed ]]; then
            printf '%s\n' "$package"
        fi
    done
}

# Run apt-get as root, quietly; its words are shown when it fails.
apt() {
    local as_root=() log

    if ((EUID != 0)); then
        command -v sudo >/dev/null || {
            echo "setup.sh: installing packages needs root, and sudo is not there" >&2
            echo "    as root: apt-get install ${missing[*]}" >&2
            exit 1
        }
        as_root=(sudo)
    fi
    log=$(mktemp)
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f -- "$log"
        echo "setup.sh: 'apt-get $1' failed; its last lines stand above" >&2
        exit 1
    fi
    rm -f -- "$log"
}

packages=("${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}")
for argument in "$@"; do
    case $argument in
    --tests) packages+=("${TEST_PACKAGES[@]}") ;;
    --bench) packages+=("${BENCH_PACKAGES[@]}") ;;
    --jmeter) packages+=("${JMETER_PACKAGES[@]}") ;;
    --report) packages+=("${REPORT_PACKAGES[@]}") ;;
    --images) packages+=("${IMAGE_PACKAGES[@]}") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "setup.sh: unknown argument '$argument'; setup.sh -h shows how to call it" >&2
        exit 1
        ;;
    esac
done
if ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: this is no Debian; install with your system's own tool what stands for" >&2
    echo "    ${packages[*]}" >&2
    exit 1
fi
mapfile -t missing < <(missing_of "${packages[@]}")
if ((${#missing[@]} == 0)); then
    exit 0
fi
printf 'setup.sh: installing %s\n' "${missing[*]}"
apt update
apt install --no-install-recommends "${missing[@]}"
