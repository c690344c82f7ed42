#!/bin/sh
#
# launch.sh - arrange the descriptors, which Java cannot, and exec the launcher.
#
#     launch.sh CLASSPATH FOLDER MAIN
#
# Lines come on 4, answers leave on 3, and 0 is empty for the action. In a shell, where nobody waits
# for a ready line, answers go to stdout. JAVA_OPTS holds more options for java.

exec 4<&0 </dev/null
if [ -z "${__OW_WAIT_FOR_ACK:-}" ]; then
    exec 3>&1 1>&2
fi
# shellcheck disable=SC2086 # a list of options
exec java -Xshare:auto -XX:+UseSerialGC -XX:-UsePerfData -XX:+ExitOnOutOfMemoryError \
    -Dfile.encoding=UTF-8 --add-opens java.base/java.util=ALL-UNNAMED ${JAVA_OPTS:-} \
    -cp "$1" whiskloop.Launcher "$2" "$3"
