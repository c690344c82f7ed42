#!/bin/sh
#
# launcher.sh [FILE [MAIN]] - arrange descriptors and start launcher.php, because PHP cannot move
# one. 8 are the lines, 9 the answers; 0 is empty, and 1 is the log: descriptor 3, or 2 where there
# is no 3.

command -v php >/dev/null || {
    echo 'cannot run "php": not found in PATH; it needs PHP 8 (Debian package php-cli)' >&2
    exit 1
}
exec 8<&0 9>&1 0</dev/null
# If this redirection fails, the shell exits. So try it in a subshell first.
if (exec 1>&3) 2>/dev/null; then
    exec 1>&3 3>&-
else
    exec 1>&2
fi
# Errors in the code go to the log, whatever php.ini says. The container limits the memory.
exec php -d display_errors=stderr -d log_errors=0 -d html_errors=0 -d memory_limit=-1 \
    -d serialize_precision=-1 -d ignore_user_abort=1 "${0%/*}/launcher.php" "$@"
