#!/bin/sh
#
# launcher.sh FOLDER-or-FILE [MAIN] - arrange descriptors, enter the action's folder and start
# launcher.lua, because Lua can do neither. 8 are the lines, 9 the answers; 0 is empty, and 1 is the
# log: descriptor 3, or 2 where there is no 3.

command -v lua5.4 >/dev/null || {
    echo 'cannot run "lua5.4": not found in PATH; it needs Lua 5.4 (Debian package lua5.4)' >&2
    exit 1
}
# In a shell 0 and 1 may be files. Lua opens them again, so that they would have
# a second position, and answers would overwrite what the shell writes. A pipe has no position.
if [ -f /proc/self/fd/1 ]; then
    exec 9>&1
    status=$({ { sh "$0" "$@" 7>&- 9>&-; echo $? >&7; } | cat >&9; } 7>&1)
    exit "$status"
elif [ -f /proc/self/fd/0 ]; then
    cat | sh "$0" "$@"
    exit
fi
case $0 in
/*) launcher=${0%/*}/launcher.lua ;;
*) launcher=$PWD/${0%/*}/launcher.lua ;;
esac
if [ -d "${1:?usage: launcher.sh FOLDER-or-FILE [MAIN]}" ]; then
    cd -- "$1" || exit 1
    file=main.lua
else
    case $1 in
    */*) cd -- "${1%/*}/" || exit 1 ;;
    esac
    file=${1##*/}
fi
exec 8<&0 9>&1 0</dev/null
if (exec 1>&3) 2>/dev/null; then
    exec 1>&3 3>&-
else
    exec 1>&2
fi
exec lua5.4 "$launcher" "$file" "${2:-main}"
