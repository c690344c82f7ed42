#!/bin/sh
#
# launch.sh - arrange the descriptors, which .NET cannot, and exec the launcher.
#
#     launch.sh LAUNCHER FOLDER MAIN
#
# Lines come on 4, answers leave on 3, and 0 is empty for the action. In a shell, where nobody waits
# for a ready line, answers go to stdout.

# In a shell 0 and 1 may be files. .NET keeps a position of its own in them, so that
# answers would overwrite what the shell writes. A pipe has no position.
if [ -f /proc/self/fd/1 ]; then
    exec 9>&1
    status=$({ { sh "$0" "$@" 7>&- 9>&-; echo $? >&7; } | cat >&9; } 7>&1)
    exit "$status"
elif [ -f /proc/self/fd/0 ]; then
    cat | sh "$0" "$@"
    exit
fi
exec 4<&0 </dev/null
if [ -z "${__OW_WAIT_FOR_ACK:-}" ]; then
    exec 3>&1 1>&2
fi
cd -- "$2" || exit 1
# Without this setting each process leaves a socket and a pipe for debuggers in /tmp.
export DOTNET_EnableDiagnostics="${DOTNET_EnableDiagnostics:-0}"
exec dotnet exec "$1" "$2" "$3"
