# shellcheck shell=bash
#
# Greets whoever the argument names: a function, which the launcher keeps loaded.

main() {
    local name

    name=$(arg name World)
    answer "{\"greeting\":$(quote "Hello, $name!")}"
}
