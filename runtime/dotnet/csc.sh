#!/bin/sh
#
# csc.sh OPTION... - the C# compiler of the .NET SDK, against the framework that programs run on.
#
# It is called by itself: `dotnet build` takes seconds, wants a project and a home folder, and may
# ask the network. Ends with 1 and one sentence when there is no SDK. What the compiler says goes to
# stderr. csc.sh alone, without options, looks whether all is there and prints the framework's name,
# such as .NETCoreApp,Version=v8.0.

set -eu

fail() {
    printf '%s\n' "$1; it needs the SDK of .NET 6 or newer (no Debian package; dotnet-sdk-8.0 of packages.microsoft.com)" >&2
    exit 1
}

command -v dotnet >/dev/null || fail "dotnet is not in PATH"
# The compiler has no use for cultures, and .NET does not start where it wants them and has no libicu.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_EnableDiagnostics=0
# "8.0.110 [/usr/lib/dotnet/sdk]" and "Microsoft.NETCore.App 8.0.10 [/usr/lib/dotnet/shared/...]", a
# line for each, the newest last; whiskloop-launcher.runtimeconfig.json asks for the newest, too.
compiler=$(dotnet --list-sdks |
    sed -n '$s|^\([^ ]*\) \[\(.*\)\]$|\2/\1/Roslyn/bincore/csc.dll|p')
framework=$(dotnet --list-runtimes |
    sed -n 's|^Microsoft\.NETCore\.App \([^ ]*\) \[\(.*\)\]$|\2/\1|p' | tail -n 1)
[ -f "$compiler" ] || fail "the .NET that is installed has no compiler"
[ -n "$framework" ] || fail "the .NET that is installed has no Microsoft.NETCore.App"
if [ $# -eq 0 ]; then
    version=${framework##*/} # 8.0.10
    minor=${version#*.}
    printf '.NETCoreApp,Version=v%s.%s\n' "${version%%.*}" "${minor%%.*}"
    exit 0
fi
for library in "$framework"/*.dll; do
    set -- "$@" "-r:$library"
done
exec dotnet exec "$compiler" -noconfig -nostdlib -nologo -utf8output -optimize+ \
    -debug:embedded "$@" >&2
