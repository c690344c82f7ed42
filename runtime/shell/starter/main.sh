# shellcheck shell=bash

main() {
    local name

    name=$(arg name World)
    echo "greeting $name" >&2
    answer "{\"greeting\":$(quote "Hello, $name!")}"
}
