#!/bin/sh
#
# compile.sh - compile an action's Go source to a program, once for each /init.
#
#     compile.sh RUNTIME MAIN SRC BIN
#
# RUNTIME is this folder; the rest is as for any compiler (runtime/README.md). The package in SRC
# becomes BIN/exec. A package without a func main() gets one that serves the function MAIN, with
# a capital first letter as in Apache's runtime. GOCACHE, GOFLAGS, GOPROXY and the like work.

set -eu

runtime=$1 main=$2 src=$3 bin=$4

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# Print why it was not built: Go's messages, except those about our own file main__.go.
not_built() {
    [ -n "$said" ] || exit 1
    printf '%s\n' "$said" | sed -e '/^# exec$/d' -e '/main__\.go:.*: undefined: /d' \
        -e 's/^found packages main (main__\.go) and \([^ ]*\) (\(.*\)) in .*/\2: package \1 must be package main/' \
        -e 's/^found packages \([^ ]*\) (\(.*\)) and main (main__\.go) in .*/\2: package \1 must be package main/' \
        -e 's/^\(found packages .*)\) in .*/\1/' -e 's/^go: \.whiskloop\/go\.work requires/go: go.mod requires/' >&2
    name=$(printf '%s\n' "$said" | sed -n 's/.*main__\.go:.*: undefined: //p' | head -n 1)
    [ -n "$name" ] || exit 1
    defined=$(grep -hoE '^func [A-Z][A-Za-z0-9_]*\(' "$@" | sed 's/func //; s/(//' | head -n 8 | paste -sd, -)
    fail "Cannot start action: function '$name' was not found${defined:+, but there are: $defined}"
}

command -v go >/dev/null || fail "go is not in PATH; it needs go 1.18 or newer (Debian package golang-go)"
# For "predict,train": {"predict", Predict}, {"train", Train},
functions=
set -f
IFS=,
list=${main:-main}, # an empty last field is dropped
for name in $list; do
    name=$(printf '%s' "$name" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
    case $name in
    '' | [0-9]* | *[!A-Za-z0-9_]*) fail "main: \"$name\" is no name of a Go function" ;;
    esac
    first=$(printf '%s' "$name" | cut -c1 | tr '[:lower:]' '[:upper:]')
    rest=$(printf '%s' "$name" | cut -c2-)
    functions="$functions{\"$name\", $first$rest}, "
done
set +f
unset IFS

cp -R "$src/." "$bin/"
cd "$bin" # so that messages have the author's file names
export GOCACHE="${GOCACHE:-$bin/.whiskloop/cache}" GOPATH="${GOPATH:-$bin/.whiskloop/path}"
export GO111MODULE=on GOTOOLCHAIN=local
mkdir -p .whiskloop
[ -w "${TMPDIR:-/tmp}" ] || export TMPDIR="$bin/.whiskloop"

# The go command ignores names that begin with "." or "_", and so does the shell pattern.
set -- *.go
[ -f "$1" ] || fail "there is no file *.go at the root"
# With CGO_ENABLED=0 Go ignores files that need C. Packages often have another file for that case.
needs_c='^import "C"'
if [ -n "${CGO_ENABLED:-}" ]; then
    :
elif grep -qE "$needs_c" "$@" ||
    { command -v "${CC:-gcc}" >/dev/null && grep -rqE --include='*.go' "$needs_c" .; }; then
    export CGO_ENABLED=1
else
    export CGO_ENABLED=0
fi
# A generator (`//go:build ignore`) or a test beside the action may have a func main(), too.
own_main=
for file in "$@"; do
    case $file in
    *_test.go) continue ;;
    esac
    if grep -qE '^func[[:space:]]+main[[:space:]]*\([[:space:]]*\)' "$file" &&
        ! grep -qE '^//(go:build|[[:space:]]*\+build)[[:space:]]+ignore' "$file"; then
        own_main=yes
    fi
done
if [ -z "$own_main" ]; then
    printf 'package main\n\nimport "openwhisk"\n\nfunc main() { openwhisk.ServeFunctions(openwhisk.Functions{%s}) }\n' \
        "$functions" > main__.go
elif ! grep -rqE --include='*.go' '__OW_WAIT_FOR_ACK|"([^"]*/)?openwhisk"' .; then
    # A program that knows nothing of the ready line is ready when its main function begins.
    cat > main__.go <<'END'
package main

import (
	"os"
	"syscall"
)

func init() {
	if os.Getenv("__OW_WAIT_FOR_ACK") != "" {
		_, _ = syscall.Write(3, []byte("{\"ok\":true}\n"))
	}
}
END
fi
# The language of the Go that is installed: from 1.21 on this line bounds what a source may use.
language=$(go env GOVERSION 2>/dev/null | sed -n 's/^[^0-9]*\(1\.[0-9]*\).*/\1/p')
[ -f go.mod ] || printf 'module exec\n\ngo %s\n' "${language:-1.18}" > go.mod
if [ -f vendor/modules.txt ]; then
    # In workspace mode Go does not look into vendor/. So put the package there.
    if [ ! -d vendor/openwhisk ]; then
        mkdir vendor/openwhisk
        cp "$runtime"/openwhisk/*.go vendor/openwhisk/
        printf '# openwhisk v0.0.0\n## explicit; go 1.18\nopenwhisk\n' >> vendor/modules.txt
        printf '\nrequire openwhisk v0.0.0\n' >> go.mod
    fi
    mode=-mod=vendor GOWORK=off
else
    # A workspace: Go finds the package without an entry in the action's own go.mod. From Go 1.21 on
    # its version must be no lower than its modules'. Go before that has no check, and refuses a
    # version of three numbers.
    version=$(sed -n 's/^go[[:space:]]\{1,\}\([0-9][0-9a-z.]*\).*/\1/p' go.mod | head -n 1)
    case $language,$version in
    1.18,* | 1.19,* | 1.20,* | *, | *,1.[0-9] | *,1.[0-9].* | *,1.1[0-7] | *,1.1[0-7].*) version=1.18 ;;
    esac
    printf 'go %s\n\nuse %s\nuse %s/openwhisk\nuse %s/prototype\n' "$version" "$bin" "$runtime" "$runtime" \
        > .whiskloop/go.work
    mode=-mod=readonly GOWORK=$bin/.whiskloop/go.work
fi
export GOWORK
# Keep Go's messages in a variable, because a file would lose them on a full disk.
said=$(go build "$mode" -o exec . 2>&1) || not_built "$@"
[ -z "$said" ] || printf '%s\n' "$said" >&2
# For a package other than main, Go writes an archive instead of a program.
[ "$(head -c 7 exec)" != '!<arch>' ] ||
    fail "$1: $(sed -n 's/^\(package [A-Za-z0-9_]*\).*/\1/p' "$1" | head -n 1) must be package main"
# Go makes the files that it fetches read-only.
chmod -R u+w .whiskloop
rm -rf .whiskloop
