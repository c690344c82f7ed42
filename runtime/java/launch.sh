#!/bin/sh
#
# launch.sh - arrange the descriptors, which Java cannot, and exec the launcher.
#
#     launch.sh CLASSPATH FOLDER MAIN
#
# The class path is CLASSPATH, then FOLDER and the jars in it and in FOLDER/lib. The action must be
# on it: threads of Java's common pool look for classes nowhere else.
#
# Lines come on 4, answers leave on 3, and 0 is empty for the action. In a shell, where nobody waits
# for a ready line, answers go to stdout. JAVA_OPTS holds more options for java.

# In a shell 0 and 1 may be files. Java opens them again, so that they would have
# a second position, and answers would overwrite what the shell writes. A pipe has no position.
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
elif ! (: >&3) 2>/dev/null; then # Java would open its own library as 3, and we would overwrite it
    echo "launch.sh: descriptor 3 is closed: answers go there if __OW_WAIT_FOR_ACK is set" >&2
    exit 1
fi
path=$1:$2$(
    LC_ALL=C # sorts as Compile.java does
    for jar in "$2"/*.jar "$2"/lib/*.jar; do
        [ ! -f "$jar" ] || printf ':%s' "$jar"
    done
)
# shellcheck disable=SC2086 # a list of options
exec java -Xshare:auto -XX:+UseSerialGC -XX:-UsePerfData -XX:+ExitOnOutOfMemoryError \
    -Dfile.encoding=UTF-8 --add-opens java.base/java.util=ALL-UNNAMED ${JAVA_OPTS:-} \
    -cp "$path" whiskloop.Launcher "$3"
