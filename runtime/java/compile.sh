#!/bin/sh
#
# compile.sh - compile an action's Java source to classes, or use its classes or jar as they are.
#
#     compile.sh RUNTIME LIBRARY MAIN SRC BIN
#
# RUNTIME is this folder, LIBRARY the folder of launcher.jar; the rest is as for any compiler
# (runtime/README.md). BIN/exec starts the result.

set -eu

runtime=$1 library=$2 main=$3 src=$4 bin=$5

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

needs="it needs Java 11 or newer, and gson (Debian packages openjdk-17-jdk-headless, libgoogle-gson-java)"
command -v java >/dev/null || fail "java is not in PATH; $needs"
gson=/usr/share/java/gson.jar
[ -f "$gson" ] || fail "there is no $gson; $needs"
[ -f "$library/launcher.jar" ] || fail "there is no $library/launcher.jar: java or gson was missing when whiskloop was built. Install both and build again: scripts/quickstart.sh, or meson setup --reconfigure build && meson compile -C build; $needs"
cp -R "$src/." "$bin/"
[ -z "${WHISKLOOP_INSPECT_PORT:-}" ] || unset JAVA_TOOL_OPTIONS # the debugger is for the action
name=$(java -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dfile.encoding=UTF-8 \
    -cp "$library/launcher.jar:$gson" whiskloop.Compile "$main" "$bin")
# Copy everything that the start needs, and use paths relative to exec: the result of -compile is
# started in another folder, possibly where whiskloop is elsewhere or not installed.
mkdir -p "$bin/.whiskloop"
cp "$runtime/launch.sh" "$library/launcher.jar" "$gson" "$bin/.whiskloop/"
cat > "$bin/exec" <<END
#!/bin/sh
case \$0 in
*/*) here=\$(cd "\${0%/*}" && pwd) ;;
*) here=\$(pwd) ;;
esac
own=\$here/.whiskloop
exec "\$own/launch.sh" "\$own/launcher.jar:\$own/gson.jar" "\$here" '$name'
END
chmod 755 "$bin/exec"
