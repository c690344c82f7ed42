#!/bin/sh
#
# launcher.sh FOLDER [MAIN] - keep a filter of jq loaded: `def main: ...;` in FOLDER/main.jq.
#
# jq cannot print but by its results and on stderr, so no descriptor has to be put away; 3 is not
# for it. A filter with several results answers the first, one with none null.

command -v jq >/dev/null || {
    echo 'cannot run "jq": not found in PATH; it needs jq 1.6 or newer (Debian package jq)' >&2
    exit 1
}
cd -- "$1" || exit 1
main=${2:-main}
case $main in
*[!A-Za-z0-9_]*) echo "main: \"$main\" is no name of a filter" >&2 && exit 1 ;;
esac
# Not -R and fromjson: jq 1.6 breaks characters that span two of its reads of raw lines.
exec jq -c -n --unbuffered -L . "
    include \"main\";
    def told: tostring | (\"\(.)\n\" | stderr) as \$log | {error: .};
    def line: [try [input] catch (if IN(\"No more inputs\", \"break\") then null
                                  else {error: \"cannot read the line as JSON: \(.)\"} end)][0];
    def lines: line as \$line | if \$line == null then empty else \$line, lines end;
    (if (env.__OW_WAIT_FOR_ACK // \"\") != \"\" then {ok: true, pipeline: 64} else empty end),
    (lines as \$line
     | if (\$line | type) == \"object\" then \$line
       elif ([\"object\", \"null\"] | index(\$line[0] | type)) == null then
         {error: \"cannot use the line: want a JSON object with a value\"}
       else try first((\$line[0].value // {} | $main), null) catch told end)" 3>&-
