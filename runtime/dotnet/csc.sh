#!/bin/sh
#
# csc.sh OPTION... - run the C# compiler of the .NET SDK against the framework that programs run on.
#
# This runs the compiler directly, because `dotnet build` takes seconds, wants a project and a home
# folder, and may use the network. It ends with 1 and one sentence if there is no SDK. The
# compiler's messages go to stderr. Without options, csc.sh only checks that everything is there and
# prints the framework's name, such as .NETCoreApp,Version=v8.0.

set -eu

fail() {
    printf '%s\n' "$1; it needs the SDK of .NET 6 or newer (no Debian package; dotnet-sdk-8.0 of packages.microsoft.com)" >&2
    exit 1
}

command -v dotnet >/dev/null || fail "dotnet is not in PATH"
# The compiler needs no cultures. Without this setting .NET does not start if libicu is missing.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_EnableDiagnostics=0
# "8.0.110 [/usr/lib/dotnet/sdk]" and "Microsoft.NETCore.App 8.0.10 [/usr/lib/dotnet/shared/...]":
# one line each, the newest last. whiskloop-launcher.runtimeconfig.json asks for the newest, too.
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
