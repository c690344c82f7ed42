#!/usr/bin/env bash
#
# setup.sh - install what building and running need, on Debian 12. Do nothing if it is all there.

set -euo pipefail

usage() {
    cat <<'END'
usage: setup.sh [--static] [--tests] [--bench] [--jmeter] [--report] [--images] [--bare] [--package]

Install the Debian packages that whiskloop is built with and runs on.

    --static   also those that a build with -Dstatic_libarchive=true needs
    --tests    also those that scripts/test.sh needs
    --bench    also those that scripts/bench.sh needs
    --jmeter   also those that scripts/jmeter.sh needs
    --report   also those that draw the report of scripts/bench.sh and look at it
    --images   also those that scripts/images.sh and scripts/test-images.sh need
    --bare     also those that scripts/bare-root.sh needs
    --package  also those that scripts/package.sh needs
    -h         show this text

Asks apt only for what is missing, so it works without a network once all is installed. Needs root
or sudo when something is missing. Ends with 1, and installs nothing, where that cannot be done.
END
}

# The libraries pull in libc6-dev; meson pulls in ninja-build and python3.
BUILD_PACKAGES=(gcc meson pkgconf
    libh2o-evloop-dev libarchive-dev libjansson-dev libssl-dev)
# For the accelerator of Python's launcher, which is optional. Pulls in zlib1g-dev.
BUILD_PACKAGES+=(libpython3-dev)
# Libraries that a static libarchive needs. The linker drops most of their code.
STATIC_PACKAGES=(libacl1-dev libbz2-dev liblz4-dev liblzma-dev libxml2-dev libzstd-dev nettle-dev)
# What bin/ uses. zip may be missing at run time, then tar takes its place.
RUN_PACKAGES=(curl zip)
# libclang-rt is not among clang's own dependencies, but clang needs it to link sanitizers. llvm has
# the symbolizer that puts names into their reports; without names no leak can be suppressed. xdist
# pulls in pytest.
TEST_PACKAGES=(clang clang-format git groff-base libclang-rt-14-dev libcmocka-dev llvm
    python3-pytest-xdist python3-prometheus-client jq bc shellcheck codespell cppcheck)
# The interpreters of the runtimes. Tests are skipped for those that are missing. Perl comes with
# git.
TEST_PACKAGES+=(nodejs ruby php-cli lua5.4 pypy3 tcc golang-go
    openjdk-17-jdk-headless libgoogle-gson-java)
TEST_PACKAGES+=(python3-jsonschema python3-yaml)
# The browser for tests of the page of whiskloop dev. axe-core comes from npm, if npm is there.
TEST_PACKAGES+=(chromium)
# An engine, and tools to make a base and a network for it where there are none.
IMAGE_PACKAGES=(docker.io docker-compose mmdebstrap iproute2 procps)
# For the benchmarks, which measure a build with the images' options.
BENCH_PACKAGES=(wrk valgrind "${STATIC_PACKAGES[@]}")
# jmeter alone cannot speak HTTP. javac is for the fix in tests/bench/stress.py.
JMETER_PACKAGES=(jmeter jmeter-http jmeter-java openjdk-17-jdk-headless)
REPORT_PACKAGES=(python3-matplotlib chromium)
BARE_PACKAGES=(mmdebstrap git)
# Tools that build the packages, and packages that debian/control requires.
PACKAGE_PACKAGES=(git build-essential debhelper lintian openjdk-17-jdk-headless libgoogle-gson-java)

die() {
    printf 'setup.sh: %s\n' "$1" >&2
    shift
    if (($# > 0)); then
        printf '    %s\n' "$@" >&2
    fi
    exit 1
}

# Print those of the named packages that are not installed.
missing_of() {
    local package state

    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        if [[ $state != installed ]]; then
            printf '%s\n' "$package"
        fi
    done
}

# The system's name for itself.
system_name() {
    local PRETTY_NAME=

    # shellcheck source=/dev/null
    [[ ! -r /etc/os-release ]] || . /etc/os-release
    printf '%s\n' "${PRETTY_NAME:-this system}"
}

# Whether packages have the names of Debian 12.
is_debian_12() (
    ID='' VERSION_ID=''
    # shellcheck source=/dev/null
    [[ ! -r /etc/os-release ]] || . /etc/os-release
    [[ $ID == debian && ${VERSION_ID%%.*} == 12 ]] && command -v apt-get dpkg-query >/dev/null
)

# Run a command as root.
as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo -- "$@"
    fi
}

# Run apt-get as root, its output into $log. Returns its status.
apt() {
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 </dev/null
}

# Print the first lines of apt that say why, without repeats.
reason() {
    grep -E '^(E:|W: Failed|Err:|dpkg: error|update-alternatives: error)|[Ee]rror|No space left' "$log" |
        awk '!seen[$0]++' | head -n 12 || true # grep finds none when all went well
}

# Ask apt what it would do before it does anything: it must know each package, and what it would
# add must fit on the disk, because otherwise dpkg stops in the middle of a package.
check_plan() {
    local unknown number unit need free

    apt --assume-no install --no-install-recommends "$@" || true # apt-get treats the "no" as an error
    unknown=$(sed -n "s/^E: Unable to locate package //p
        s/^E: Package '\(.*\)' has no installation candidate/\1/p" "$log" | sort -u)
    if [[ -n $unknown ]]; then
        [[ -z $update_says ]] || printf '%s\n' "$update_says" >&2
        die "apt knows no package ${unknown//$'\n'/ }: is there a network, and does /etc/apt name a source of Debian 12? Nothing was installed"
    fi
    read -r number unit < <(
        sed -n 's/^After this operation, \([0-9.,]*\) \([kMG]\)\?B of additional.*/\1 \2/p' "$log"
    ) || true
    [[ -n ${number:-} ]] || return 0
    number=${number//,/}
    need=${number%.*}
    case $unit in
    k) need=1 ;;
    G) need=$(awk -v n="$number" 'BEGIN { print int(n * 1024) }') ;;
    esac
    free=$(df -Pm /usr | awk 'NR == 2 { print $4 }')
    ((free > need + 16)) ||
        die "the disk is full: the packages take $need MB, and $free MB are free in /usr; nothing was installed"
}

packages=("${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}")
for argument in "$@"; do
    case $argument in
    --static) packages+=("${STATIC_PACKAGES[@]}") ;;
    --tests) packages+=("${TEST_PACKAGES[@]}") ;;
    --bench) packages+=("${BENCH_PACKAGES[@]}") ;;
    --jmeter) packages+=("${JMETER_PACKAGES[@]}") ;;
    --report) packages+=("${REPORT_PACKAGES[@]}") ;;
    --images) packages+=("${IMAGE_PACKAGES[@]}") ;;
    --bare) packages+=("${BARE_PACKAGES[@]}") ;;
    --package) packages+=("${PACKAGE_PACKAGES[@]}") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        die "unknown argument '$argument'; setup.sh -h shows how to call it"
        ;;
    esac
done
mapfile -t missing < <(missing_of "${packages[@]}")
if ((${#missing[@]} == 0)); then
    exit 0
fi
is_debian_12 || die "$(system_name) is not supported: this script knows the packages of Debian 12 only; nothing was installed" \
    "install with your system's own tool what stands for: ${missing[*]}"
if ((EUID != 0)); then
    command -v sudo >/dev/null || die "installing packages needs root, and sudo is not installed" \
        "as root: apt-get install --no-install-recommends ${missing[*]}"
    sudo -v || die "installing packages needs root, and sudo refuses" \
        "as root: apt-get install --no-install-recommends ${missing[*]}"
fi
log=$(mktemp) || die "cannot write to ${TMPDIR:-/tmp}: set TMPDIR to a folder that can be written; nothing was installed"
trap 'rm -f -- "$log"' EXIT
printf 'setup.sh: installing %s\n' "${missing[*]}"
apt update || true # one of several sources may fail; check_plan finds out whether that matters
update_says=$(reason)
check_plan "${missing[@]}"
# Slim images have no folders for manuals, and without this one the JDK's installation fails.
[[ -d /usr/share/man/man1 ]] || as_root mkdir -p /usr/share/man/man1
if ! apt -y install --no-install-recommends "${missing[@]}"; then
    reason >&2
    trap - EXIT
    die "apt-get could not install the packages, for the reason above; all that it said: $log"
fi
