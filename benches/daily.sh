#!/usr/bin/env bash
# What is typed every day: `benches/daily.sh HPCL CHANNEL [PACKAGE]`. CHANNEL is a directory of recipes, such as
# `synthetic_channel` writes; PACKAGE is in the store already, `$HPCL_STORE` or the usual one, and is not deleted.
# Prints the median wall time of 21 runs and the peak memory of each command; everything else is below a new directory.
set -euo pipefail
hpcl=$1 channel=$2 package=${3:-}
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
export XDG_CACHE_HOME=$here/cache XDG_STATE_HOME=$here/state XDG_CONFIG_HOME=$here/config HPCL_PAGER=

# Runs a command 21 times and prints the median and the peak memory.
measure() {
    local name=$1 times=() start end
    shift
    for _ in $(seq 21); do
        start=${EPOCHREALTIME/./}
        "$@" >/dev/null 2>&1
        end=${EPOCHREALTIME/./}
        times+=($((end - start)))
    done
    local median memory
    median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 11p)
    memory=$(/usr/bin/time -o "$here/memory" -f %M "$@" >/dev/null 2>&1; cat "$here/memory")
    printf '| %s | %s ms | %s MB |\n' "$name" "$(printf '%d.%d' $((median / 1000)) $((median % 1000 / 100)))" $((memory / 1000))
}

start=${EPOCHREALTIME/./}
"$hpcl" list-available -L "$channel" >/dev/null
end=${EPOCHREALTIME/./}
printf '| index made, once | %s ms | |\n' $(((end - start) / 1000))
measure "search osu benchmark" "$hpcl" search -L "$channel" osu benchmark
measure "search, two expressions" "$hpcl" search -L "$channel" '^lib' 'par[a-z]*l'
name=$("$hpcl" list-available -L "$channel" | sed -n '1000p' | cut -f 1)
measure "show" "$hpcl" show -L "$channel" "$name"
measure "list-available" "$hpcl" list-available -L "$channel"
measure "a Tab" env HPCL_COMPLETE=fish "$hpcl" -- hpcl show -L "$channel" "${name:0:3}"
if [ -n "$package" ]; then
    "$hpcl" install -q "$package"
    "$hpcl" remove -q "$package"
    "$hpcl" shell "$package" -- true
    measure "install of a present package, and remove" sh -c '"$0" install -q "$1"; "$0" remove -q "$1"' "$hpcl" "$package"
    measure "install of what is there already" "$hpcl" install -q "$package"
    measure "package --list-installed" "$hpcl" package -I
    measure "shell -- true, warm" "$hpcl" shell "$package" -- true
fi
