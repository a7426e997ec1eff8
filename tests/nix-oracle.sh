#!/bin/sh
# nix-oracle.sh: ask a real Nix (Debian's nix-bin) what our formats ought to be. No root, no daemon, no build: everything
# lies under the state directory, the store directory is only a name in what is hashed.
#
#   nix-oracle.sh STATE STOREDIR instantiate FILE.nix   derivations, texts and sources of FILE.nix into STATE/store
#   nix-oracle.sh STATE STOREDIR dump PATH              the archive of a file tree, on standard output
#   nix-oracle.sh STATE STOREDIR restore PATH           makes a file tree of the archive on standard input
#   nix-oracle.sh STATE STOREDIR add PATH               the store path of a file tree, as a source
#
# Exit 77: Nix is not installed; what is missing stands on standard error.
set -eu
state=$1 directory=$2 command=$3
shift 3
for tool in nix-instantiate nix-store; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed (Debian package nix-bin)" >&2; exit 77; }
done
mkdir -p "$state/store" "$state/conf" "$state/home"
printf 'build-users-group =\nsubstitute = false\nsubstituters =\nsandbox = false\n' > "$state/conf/nix.conf"
export HOME="$state/home" NIX_CONF_DIR="$state/conf" NIX_STORE_DIR="$directory" NIX_IGNORE_SYMLINK_STORE=1
unset NIX_PATH NIX_REMOTE XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
store="local?store=$directory&real=$state/store&state=$state/state&log=$state/log"
case $command in
    instantiate) nix-instantiate --store "$store" "$1" ;;
    dump) nix-store --dump "$1" ;;
    restore) nix-store --restore "$1" ;;
    add) nix-store --store "$store" --add "$1" ;;
    *) echo "unknown command $command" >&2; exit 2 ;;
esac
