#!/bin/sh
# build.sh JAVAC JAR GSON FOLDER OUTPUT SOURCE... - make launcher.jar; FOLDER is for the classes.

set -eu

javac=$1 jar=$2 gson=$3 folder=$4 output=$5
shift 5
rm -rf "$folder"
mkdir -p "$folder"
"$javac" --release 11 -Xlint:all,-options -Werror -proc:none -encoding UTF-8 -cp "$gson" -d "$folder" "$@"
"$jar" --create --file "$output" --date 2026-01-01T00:00:00Z -C "$folder" .
