#!/bin/sh
#
# compile.sh - compile an action's C# source to an assembly, or use its assemblies as they are.
#
#     compile.sh RUNTIME LIBRARY MAIN SRC BIN
#
# RUNTIME is this folder, LIBRARY the folder of whiskloop-launcher.dll; the rest is as for any
# compiler (runtime/README.md). BIN/exec starts the result. Source becomes the assembly that MAIN
# names, or "action". It can use the assemblies beside it and in lib/.

set -eu

runtime=$1 library=$2 main=$3 src=$4 bin=$5

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

"$runtime/csc.sh" >/dev/null
[ -f "$library/whiskloop-launcher.dll" ] || fail "there is no $library/whiskloop-launcher.dll: dotnet was missing when whiskloop was built. Install it and build again: scripts/quickstart.sh, or meson setup --reconfigure build && meson compile -C build"
# Refuse only characters that would break paths or the script below. Finding the method is the
# launcher's job.
main=$(printf '%s' "$main" | sed 's/ *, */,/g')
first=${main%%,*}
case $main in
*[\'\"/\\[:space:][:cntrl:]]*) fail "main: \"$main\" is no name of a .NET method; want Assembly::Type::Method" ;;
esac
case $first in
*::*::*) assembly=${first%%::*} ;;
*) assembly=action ;;
esac

cp -R "$src/." "$bin/"
cd "$bin" # so that messages have the author's file names
# A single assembly was stored under the name of a source file.
if [ -f Main.cs ] && [ "$(head -c 2 Main.cs)" = MZ ]; then
    mv Main.cs "$assembly.dll"
fi
# Any other file that is not text was meant to be an archive. Text has none of these control
# characters, unless it is UTF-16, which begins with a byte order mark.
case $([ ! -f Main.cs ] || od -A n -N 2 -t x1 Main.cs) in
'' | ' ff fe' | ' fe ff') ;;
*)
    if [ "$(LC_ALL=C tr -d '\000-\010\016-\031\034-\037' < Main.cs | wc -c)" != "$(wc -c < Main.cs)" ]; then
        printf 'Unable to decompress package.' >&2 # Apache's text; the reply contains nothing else
        exit 3                                     # the reply to the client has the text, too
    fi
    ;;
esac
# Skip what a build left in bin/ and obj/, and what a Mac adds: neither is source of the action.
find . -name '*.cs' -type f ! -name '._*' ! -path './__MACOSX/*' ! -path './bin/*' ! -path './obj/*' | sort | sed 's|^\./\(.*\)$|"\1"|' > .sources
if [ -s .sources ]; then
    find . -maxdepth 1 -name '*.dll' ! -name '._*' -type f | sed 's|^\./\(.*\)$|-r:"\1"|' > .libraries
    [ ! -d lib ] || find lib -maxdepth 1 -name '*.dll' ! -name '._*' -type f | sed 's|^.*$|-r:"&"|' >> .libraries
    "$runtime/csc.sh" -target:library -warn:0 -unsafe+ -langversion:latest "-pathmap:$bin=." "-out:$assembly.dll" \
        @.libraries @.sources
fi
rm -f .sources .libraries
# Copy everything that the start needs, and use paths relative to exec: the result of -compile is
# started in another folder, possibly where whiskloop is elsewhere or not installed.
mkdir -p .whiskloop
cp "$runtime/launch.sh" "$library/whiskloop-launcher.dll" "$library"/whiskloop-launcher.*.json .whiskloop/
cat > ./exec <<END
#!/bin/sh
case \$0 in
*/*) here=\$(cd "\${0%/*}" && pwd) ;;
*) here=\$(pwd) ;;
esac
own=\$here/.whiskloop
exec "\$own/launch.sh" "\$own/whiskloop-launcher.dll" "\$here" '$main'
END
chmod 755 exec
