#!/usr/bin/env bash
#
# bare-root.sh - run a command in a bare Debian 12, in a clone of the commit that is checked out here.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'END'
usage: bare-root.sh [-d FOLDER] [-i FILE]... [-o FILE=COPY] COMMAND [ARGUMENT]...

Unpack a bare Debian 12 (what debian:bookworm-slim holds), clone the commit that is checked out here
into it, and run COMMAND there as root, with an empty environment and namespaces of its own for
mounts, processes and the host's name. Of this machine it sees the package sources, the name server
and the devices. Ends with COMMAND's status, or with 77 and the reason where that cannot be had.

    -d FOLDER   where the clone lies and COMMAND starts (/root/whiskloop)
    -i FILE     copy FILE (or a folder) to /mnt in the root; may be repeated
    -o FILE=COPY  when COMMAND has ended well, copy FILE (or a folder) of the root to COPY here
    -h          show this text

Environment: BARE_DIR, where the base, downloaded packages and the roots are kept
(build-test/bare); KEEP=1 keeps the root afterwards; BARE_EDIT, a shell command that is run in the
clone before COMMAND (to prove that a change is noticed).
END
}

SKIPPED=77
BARE_DIR=${BARE_DIR:-$ROOT/build-test/bare}

skip() {
    printf '%s: no bare root can be had: %s\n' "${0##*/}" "$1" >&2
    exit "$SKIPPED"
}

# Make the base once. Its name contains a hash of its inputs.
make_base() {
    base=$BARE_DIR/base-$(cat -- "$here/make-base.sh" /etc/apt/sources.list.d/debian.sources 2>/dev/null |
        sha256sum | head -c 12).tar
    [[ ! -f $base ]] || return 0
    command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed (scripts/setup.sh --bare)"
    rm -f -- "$BARE_DIR"/base-*.tar
    "$here/make-base.sh" "${base%.tar}.new.tar" >"$BARE_DIR/base.log" 2>&1 ||
        skip "mmdebstrap failed: $(tail -n 1 "$BARE_DIR/base.log")"
    mv -- "${base%.tar}.new.tar" "$base"
}

# Copy from this machine: package sources and name resolution.
take_along() {
    local file

    cp /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
    printf '127.0.1.1 bare\n' >>"$root/etc/hosts" # sudo looks up the host name
    if [[ -f /etc/apt/sources.list.d/debian.sources ]]; then
        rm -f "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*
        cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
    fi
    # apt's proxies and mirror settings, but no settings that would change how packages are
    # installed.
    for file in /etc/apt/apt.conf.d/*; do
        [[ ! -f $file ]] || ! grep -qE '^ *Acquire::(http|https|Check-|Retries)' "$file" ||
            grep -E '^ *Acquire::(http|https|Check-|Retries)' "$file" >"$root/etc/apt/apt.conf.d/90-outer-${file##*/}"
    done
}

clone() {
    # The checkout may belong to any user. Set by a variable, because the clone's other process does
    # not get -c.
    printf '[safe]\n\tdirectory = *\n' >"$root/tmp/gitconfig"
    mkdir -p -- "$(dirname -- "$root$folder")"
    GIT_CONFIG_GLOBAL=$root/tmp/gitconfig git clone -q --no-hardlinks "$ROOT" "$root$folder" 2>"$root/tmp/git.log" ||
        die "cannot clone '$ROOT': $(tail -n 1 "$root/tmp/git.log")"
    rm -f -- "$root/tmp/gitconfig" "$root/tmp/git.log"
}

# Keep downloads between roots. apt checks each against the index, which it fetches anew. Use hard
# links, because apt locks the folder and roots may run at the same time.
lend_archives() {
    mkdir -p -- "$root/var/cache/apt/archives"
    find "$BARE_DIR/archives" -name '*.deb' -exec ln -t "$root/var/cache/apt/archives/" -- {} +
}

clean_up() {
    find "$root/var/cache/apt/archives" -name '*.deb' -exec mv -n -t "$BARE_DIR/archives/" -- {} + 2>/dev/null || true
    [[ ${KEEP:-} == 1 ]] || rm -rf --one-file-system -- "$root"
}

folder=/root/whiskloop inputs=() output=
while getopts ':d:i:o:h' option; do
    case $option in
    d) folder=$OPTARG ;;
    i) inputs+=("$OPTARG") ;;
    o)
        [[ $OPTARG == /*=* ]] || die "-o '$OPTARG': want FILE=COPY"
        output=$OPTARG
        ;;
    h)
        usage
        exit 0
        ;;
    :) die "-$OPTARG needs a value" "bare-root.sh -h shows how to call it" ;;
    *) die "unknown option -$OPTARG" "bare-root.sh -h shows how to call it" ;;
    esac
done
shift $((OPTIND - 1))
(($# > 0)) || die "no command" "bare-root.sh -h shows how to call it"
((EUID == 0)) || skip "that needs root"
command -v git >/dev/null || skip "git is not installed"
unshare --mount --pid --fork --uts true 2>/dev/null || skip "no namespaces are allowed here"
mkdir -p -- "$BARE_DIR/archives"
make_base
root=$(mktemp -d "$BARE_DIR/root.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT TERM
tar -xf "$base" -C "$root"
chmod 755 "$root"
take_along
lend_archives
clone
for input in "${inputs[@]}"; do
    cp -R -- "$input" "$root/mnt/"
done
if [[ -n ${BARE_EDIT:-} ]]; then
    (cd -- "$root$folder" && bash -c "$BARE_EDIT")
fi
# Run it in the background so that a signal is handled at once. unshare itself ends on nothing but
# SIGKILL, and its child ends with it. Pivot the root: in a chroot nobody may make a user namespace.
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child --uts bash -c '
    set -e
    root=$1 folder=$2
    shift 2
    hostname bare
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount --rbind /dev dev
    mount --rbind /sys sys
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mkdir .outer
    pivot_root . .outer
    exec chroot . /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        bash -c "umount -l /.outer && rmdir /.outer && cd \"\$0\" && exec \"\$@\"" "$folder" "$@"
' _ "$root" "$folder" "$@" </dev/null &
inner=$!
trap 'kill -KILL "$inner"; exit 130' INT TERM
wait "$inner"
if [[ -n $output ]]; then
    cp -R -- "$root${output%%=*}" "${output#*=}"
fi
