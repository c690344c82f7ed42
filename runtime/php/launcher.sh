#!/bin/sh
#
# launcher.sh [FILE [MAIN]] - start launcher.php with its descriptors in order: PHP cannot move one.
# 8 are the lines, 9 the answers; 0 reads nothing, and 1 is the log: 3, or 2 where there is no 3.

command -v php >/dev/null || {
    echo 'cannot run "php": not found in PATH; it needs PHP 8 (Debian package php-cli)' >&2
    exit 1
}
exec 8<&0 9>&1 0</dev/null
# Only a shell's own failure would end the shell here, so it is tried in another.
if (exec 1>&3) 2>/dev/null; then
    exec 1>&3 3>&-
else
    exec 1>&2
fi
# What is wrong with the code is log, whatever php.ini says; memory is the container's to bound.
exec php -d display_errors=stderr -d log_errors=0 -d html_errors=0 -d memory_limit=-1 \
    -d serialize_precision=-1 -d ignore_user_abort=1 "${0%/*}/launcher.php" "$@"
