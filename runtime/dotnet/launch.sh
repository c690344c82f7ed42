#!/bin/sh
#
# launch.sh - put the descriptors in order, which .NET cannot, and become the launcher.
#
#     launch.sh LAUNCHER FOLDER MAIN
#
# Lines come on 4, answers leave on 3, and 0 is for the action: empty. In a shell, where nobody waits
# for a ready line, answers are what stdout is for.

exec 4<&0 </dev/null
if [ -z "${__OW_WAIT_FOR_ACK:-}" ]; then
    exec 3>&1 1>&2
fi
cd -- "$2" || exit 1
# Without this each process leaves a socket and a pipe in /tmp, for debuggers.
export DOTNET_EnableDiagnostics="${DOTNET_EnableDiagnostics:-0}"
exec dotnet exec "$1" "$2" "$3"
