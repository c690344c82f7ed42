#!/usr/bin/env bash
#
# hello - a shell action: started once, it reads a line and answers a line, for as long as lines come.
#
# Publish it with `bin/init.sh actions/hello-shell/hello.sh`. Try it without a proxy:
#
#     echo '{"value":{"name":"Mike"}}' | actions/hello-shell/hello.sh
#
# bash has no JSON: the pattern takes the first "name" with a string behind it and copies that
# string, escapes and all, which is valid JSON again. For more than this use jq, once per line.

pattern='"name"[[:space:]]*:[[:space:]]*"(([^"\\]|\\.)*)"'

while IFS= read -r line; do
    name=World
    if [[ $line =~ $pattern ]]; then
        name=${BASH_REMATCH[1]}
    fi
    printf '{"greeting":"Hello, %s!"}\n' "$name"
done
