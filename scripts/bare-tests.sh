#!/usr/bin/env bash
#
# bare-tests.sh - tests that run in a bare root: see usage. They change the system that they run on.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: bare-root.sh [-d FOLDER] [-i PACKAGES] scripts/bare-tests.sh NAME

Try one thing in the bare root of scripts/bare-root.sh, as root:

    user       scripts/quickstart.sh as an ordinary user with sudo, who then has no network
    quick      scripts/setup.sh --tests, scripts/test.sh --quick and the samples of every language;
               nothing may be skipped because a package is missing, and none named that the others bring
    build      scripts/package.sh
    packages   install the packages of /mnt, use them, remove them; nothing may stay
    stranger   time from the checkout to the first answer of a Python function of one's own
END
}

ANSWER='{"greeting":"Hello, Mike!"}'
# Reasons for which a test may be skipped in a bare root where setup.sh --tests has run.
MAY_LACK='dotnet|groff has no macros|matplotlib|control group|no file system can be mounted|no root of its own|IPv6|no podman|promtool|kubectl|nginx|haproxy'

write_hello() {
    printf 'def main(args):\n    return {"greeting": "Hello, " + args.get("name", "World") + "!"}\n' >"$1"
}

expect_answer() {
    [[ $1 == "$ANSWER" ]] || die "the answer is '$1'" "want $ANSWER"
}

as_stranger() {
    runuser -u stranger -- env -i HOME=/home/stranger PATH=/usr/local/bin:/usr/bin:/bin "$@"
}

try_user() {
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends sudo
    useradd --create-home --shell /bin/bash stranger
    printf 'stranger ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/stranger
    chown -R stranger: /home/stranger
    as_stranger "$ROOT/scripts/quickstart.sh"
    # Everything is installed now, so neither a network nor sudo is needed any more.
    rm /etc/sudoers.d/stranger
    unshare --net runuser -u stranger -- "$ROOT/scripts/setup.sh"
}

# The second compiler and its sanitizers, with which test.sh --quick does not build. A report must
# name functions, which needs the symbolizer of llvm.
try_clang() {
    local program=$ROOT/build-test/clang-works

    printf 'int main(int argc, char **argv) { (void)argv; char c[1] = {0}; return c[argc]; }\n' >"$program.c"
    clang -g -fsanitize=address,undefined -o "$program" "$program.c"
    "$program" 2>"$program.log" && die "the sanitizers let a fault pass"
    grep -q '#0 .* in main .*clang-works.c:1' "$program.log" || die "a sanitizer's report names no function: $(head -n 5 "$program.log")"
}

try_quick() {
    "$here/setup.sh" --tests
    check_lists
    "$here/test.sh" --quick
    python3 - "$ROOT/build-test/logs" "$MAY_LACK" <<'END'
import pathlib, re, sys
import xml.etree.ElementTree as tree

lacking = {case.find("skipped").get("message") for path in pathlib.Path(sys.argv[1]).glob("*.xml")
           for case in tree.parse(path).iter("testcase") if case.find("skipped") is not None}
lacking = sorted(why for why in lacking if not re.search(sys.argv[2], why))
lacking += [path.name for path in pathlib.Path(sys.argv[1]).glob("check-*.log")
            if "is not installed" in path.read_text()]
if lacking:
    sys.exit("skipped, although setup.sh --tests has run:\n    " + "\n    ".join(lacking))
END
    BUILD=$ROOT/build-test/gcc "$here/quickstart.sh" >"$ROOT/build-test/logs/samples.log" ||
        die "the samples failed: $(tail -n 4 "$ROOT/build-test/logs/samples.log")"
    ! grep '^skipped: ' "$ROOT/build-test/logs/samples.log" | grep -vE "$MAY_LACK" ||
        die "samples are skipped, although setup.sh --tests has run"
    [[ -n $(find "$ROOT/build-test/gcc" -name 'whiskloop_accelerator*.so') ]] ||
        die "the accelerator of Python's launcher was not built, although setup.sh has run"
    try_clang
}

# Fail if setup.sh --tests names a package that its other packages bring anyway.
check_lists() {
    local lists

    eval "$(sed -n '/^BUILD_PACKAGES=(/,/^die() {/{/^die() {/d; p}' "$here/setup.sh")"
    lists=("${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}")
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
        "${lists[@]}" | python3 -c '
import re, sys

names, needs, package, has_first = sys.argv[1:], {}, None, False
for line in sys.stdin:
    found = re.match(r"^ ([ |])(?:Pre)?Depends: (\S+)", line)
    if not line.startswith(" "):
        package, has_first = line.strip(), False
    elif found:
        if not has_first:  # apt takes the first of several alternatives
            needs.setdefault(package, set()).add(found[2])
        has_first = found[1] == "|"

def brought_by(roots):
    known, left = set(), list(roots)
    while left:
        package = left.pop()
        if package not in known:
            known.add(package)
            left += needs.get(package, ())
    return known

brought = [name for name in names if name in brought_by(set(names) - {name})]
if brought:
    sys.exit("the other packages of setup.sh bring " + " ".join(brought))
' "${lists[@]}"
}

try_build() {
    # Undo what a slim image excludes: package builds need lintian, and groff, which reads the
    # manuals for it.
    sed -i '/lintian\|groff/d' /etc/dpkg/dpkg.cfg.d/*
    "$here/package.sh" >"$ROOT/package.log"
    cat "$ROOT/package.log"
    lintian --version >/dev/null || die "lintian did not look at the packages"
    ! grep 'groff-message' "$ROOT/package.log" || die "lintian found faults in the manuals, or could not read them"
}

# All files except those of the kernel and of apt itself.
list_files() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /mnt -o -path /var/log \
        -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path "$ROOT" \) -prune -o -print | sort
}

try_packages() {
    local work files program

    work=$(mktemp -d)
    files=$(find /mnt -name '*.deb')
    [[ -n $files ]] || die "there are no packages below /mnt"
    apt-get -q update
    # Install the dependencies first, so that all files added afterwards belong to our packages.
    # shellcheck disable=SC2046
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends curl pkgconf gcc libc6-dev man-db nodejs \
        $(apt-get -s install --no-install-recommends $(find /mnt -name 'whiskloop_*.deb') |
            sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -v '^whiskloop$')
    list_files >"$work/before"
    # shellcheck disable=SC2046
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
        $(find /mnt -name 'whiskloop_*.deb' -o -name 'libwhisk-action-dev_*.deb' -o -name 'whiskloop-python_*.deb' \
            -o -name 'whiskloop-c_*.deb' -o -name 'whiskloop-nodejs_*.deb')
    cd "$work"
    write_hello hello.py
    expect_answer "$(whiskloop invoke hello.py '{"name":"Mike"}')"
    # shellcheck disable=SC2016 # ${} is for JavaScript
    printf 'exports.main = (args) => ({ greeting: `Hello, ${args.name}!` })\n' >hello.js
    expect_answer "$(whiskloop invoke hello.js '{"name":"Mike"}')"
    whiskloop --listen 127.0.0.1 --port 8089 >log 2>&1 &
    program=$!
    for _ in {1..100}; do
        if PORT=8089 whiskloop-init hello.py >init 2>&1; then
            break
        fi
        sleep 0.1
    done
    [[ $(cat init) == '{"ok":true}' ]] || die "whiskloop-init says '$(cat init)'"
    expect_answer "$(PORT=8089 whiskloop-run '{"name":"Mike"}')"
    kill "$program"
    wait "$program" || die "the proxy ended with $?"
    cat >hello.c <<'END'
#include <whisk_action.h>

int whisk_main(struct whisk *w)
{
    return whisk_addf(w, "greeting", "Hello, %s!", whisk_get_text(w, "name", "World"));
}

int main(void)
{
    return whisk_serve(whisk_main);
}
END
    # shellcheck disable=SC2046
    gcc -o exec hello.c $(pkg-config --cflags --libs whisk_action)
    expect_answer "$(whiskloop invoke ./exec '{"name":"Mike"}')"
    cp hello.c main.c && sed -i '/^int main/,$d' main.c # without main(), for the compiler of /init
    expect_answer "$(whiskloop --runtime c invoke main.c '{"name":"Mike"}')"
    # docs/calling.md. Python caches the compiled module beside it.
    # shellcheck disable=SC2046
    gcc -o greet "$ROOT/call/greet.c" $(pkg-config --cflags --libs whisk_call)
    expect_answer "$(./greet hello.py <<<Mike)"
    expect_answer "$(PYTHONPATH=/usr/share/whiskloop/call python3 -c '
import json, whisk_call
with whisk_call.open("hello.py") as hello:
    print(json.dumps(hello.run({"name": "Mike"}), separators=(",", ":")))')"
    # Not from a pipe: dpkg fails when grep exits early.
    grep -q '/man1/whiskloop.1' <<<"$(dpkg -L whiskloop)" || die "the package has no whiskloop(1)"
    # shellcheck disable=SC1091
    (. /usr/share/bash-completion/completions/whiskloop && complete -p whiskloop >/dev/null)
    DEBIAN_FRONTEND=noninteractive apt-get -q -y purge whiskloop libwhisk-action-dev \
        whiskloop-python whiskloop-c whiskloop-nodejs
    list_files >"$work/after"
    diff "$work/before" "$work/after" || die "removing the packages left something behind, see above"
}

try_stranger() {
    local started=$EPOCHREALTIME setup build
    local us=${started/./}

    "$here/setup.sh"
    setup=$(((${EPOCHREALTIME/./} - us) / 1000000))
    meson setup "$ROOT/build" "$ROOT" >/dev/null
    meson compile -C "$ROOT/build" >/dev/null
    build=$(((${EPOCHREALTIME/./} - us) / 1000000))
    write_hello "$ROOT/hello.py"
    expect_answer "$("$ROOT/build/proxy/whiskloop" invoke "$ROOT/hello.py" '{"name":"Mike"}')"
    printf 'first answer after %s s (setup done after %s s, build after %s s)\n' \
        $(((${EPOCHREALTIME/./} - us) / 1000000)) "$setup" "$build"
}

(($# == 1)) || help_or_die "${1:--h}"
case $1 in
user | quick | build | packages | stranger) "try_$1" ;;
*) help_or_die "$1" ;;
esac
