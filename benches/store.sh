#!/usr/bin/env bash
# hpcl's store beside Nix's, each step in one run, one after the other: benches/store.sh [HPCL] [MIB] [THOUSANDS] [STEPS]
#
# MIB is the size of the large item (1024), THOUSANDS the number of small files (100); a fifth as many items are collected. STEPS chooses some of the
# steps, which are: hash many add verify cache gc. Needs nix-store,
# nix-hash and nix, and 12 times MIB of room below TMPDIR (/var/tmp). What is read lies in the page cache if memory allows.
# Prints medians of three and the ratio Nix / hpcl. Steps that change a store begin with a new one each time.
set -euo pipefail
hpcl=$(readlink -f "${1:-target/release/hpcl}")
mib=${2:-1024}
thousands=${3:-100}
steps=${4:-hash many add verify cache gc}
place=$(mktemp -d "${TMPDIR:-/var/tmp}/hpcl-store-XXXXXX")
trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
cd "$place"
mkdir conf home
printf 'build-users-group =\nsubstitute = false\nsubstituters =\nsandbox = false\nexperimental-features = nix-command\n' >conf/nix.conf
export HOME=$place/home NIX_CONF_DIR=$place/conf NIX_IGNORE_SYMLINK_STORE=1 NO_COLOR=1
unset NIX_PATH NIX_REMOTE XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME

wants() { case " $steps " in *" $1 "*) ;; *) return 1 ;; esac }
nix_store() { # store N: the settings of a Nix store of its own
    export NIX_STORE_DIR=$place/$1/store NIX_STATE_DIR=$place/$1/var NIX_LOG_DIR=$place/$1/log
    mkdir -p "$NIX_STORE_DIR" "$NIX_STATE_DIR" "$NIX_LOG_DIR"
}
seconds() { # of wall time that a command takes
    local from to
    from=$(date +%s%N)
    "$@" >out 2>err || { echo "$*: $(tail -3 err)" >&2; exit 1; }
    to=$(date +%s%N)
    awk "BEGIN { printf \"%.3f\", ($to - $from) / 1e9 }"
}
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
row() { # what, Nix's times, hpcl's times (each a word of several numbers)
    local nix hpcl_time
    # shellcheck disable=SC2086
    nix=$(median $2) hpcl_time=$(median $3)
    awk -v what="$1" -v nix="$nix" -v own="$hpcl_time" 'BEGIN { printf "| %s | %.2f s | %.2f s | %.2f |\n", what, nix, own, nix / own }'
}
thrice() { # nix function, hpcl function: alternately; sets nix_times and hpcl_times
    nix_times='' hpcl_times=''
    for run in 1 2 3; do
        nix_times+=" $("$1" "$run")"
        hpcl_times+=" $("$2" "$run")"
    done
}

echo "making files" >&2
mkdir large many
# Half like a program, half like text, as benches/store.rs has it; nothing that compresses to nothing.
for part in 1 2 3 4; do
    head -c "$((mib * 128 * 1024))" /dev/urandom >"large/$part"
    # `head` ends when it has enough, and what writes to it dies of that.
    (set +o pipefail; base64 -w 76 /dev/urandom | head -c "$((mib * 128 * 1024))" >>"large/$part")
done
for directory in $(seq "$thousands"); do
    mkdir "many/$directory"
    (cd "many/$directory" && seq 1000 | split -l 1 -a 4 - file-)
done
mkdir items && (cd items && seq "$((thousands * 200))" | split -l 1 -a 5 - item-)
# A second one for two cores.
cp -r large other
echo "| step | Nix $(nix --version | grep -o '[0-9.]*$') | hpcl | Nix / hpcl |"
echo "|---|---|---|---|"

if wants hash; then
    hash_nix() { seconds nix-hash --type sha256 large; }
    hash_hpcl() { seconds "$hpcl" hash -r large; }
    thrice hash_nix hash_hpcl
    row "hash of $mib MiB in 4 files" "$nix_times" "$hpcl_times"
fi

if wants many; then
    many_nix() { seconds nix-hash --type sha256 many; }
    many_hpcl() { seconds "$hpcl" hash -r many; }
    thrice many_nix many_hpcl
    row "hash of $thousands,000 small files" "$nix_times" "$hpcl_times"
fi

if wants add; then
    add_nix() { nix_store "add-nix-$1"; seconds nix-store --add many; }
    add_hpcl() { export HPCL_STORE=$place/add-$1; seconds "$hpcl" store add many; }
    thrice add_nix add_hpcl
    row "adding that tree to a new store" "$nix_times" "$hpcl_times"
    chmod -R u+w add-*; rm -rf add-*
fi

nix_store one; large_nix=$(nix-store --add large)
export HPCL_STORE=$place/own; large_hpcl=$("$hpcl" store add large)
if wants verify; then
    verify_nix() { nix_store one; seconds nix-store --verify --check-contents; }
    verify_hpcl() { export HPCL_STORE=$place/own; seconds "$hpcl" verify; }
    thrice verify_nix verify_hpcl
    row "verifying it, one item of $mib MiB (hpcl: with rewriting to canonical form)" "$nix_times" "$hpcl_times"
    one_item=$(median $hpcl_times)
    nix_store two; nix-store --add large other >out
    export HPCL_STORE=$place/two-own; "$hpcl" store add large other >out
    verify_nix() { nix_store two; seconds nix-store --verify --check-contents; }
    verify_hpcl() { export HPCL_STORE=$place/two-own; seconds "$hpcl" verify; }
    thrice verify_nix verify_hpcl
    row "verifying two such items" "$nix_times" "$hpcl_times"
    two_items=$(median $hpcl_times)
fi

if wants cache; then
    "$hpcl" cache keygen bench-1 -o key >public 2>err
    "$hpcl" cache trust "$(cat public)" >out 2>err
    push_nix() { nix_store one; seconds nix copy --to "file://$place/cache-nix-$1?compression=zstd" "$large_nix"; }
    push_hpcl() { export HPCL_STORE=$place/own; seconds "$hpcl" cache push -k key --item "$large_hpcl" --to "$place/cache-$1"; }
    thrice push_nix push_hpcl
    row "exporting it to a file:// cache, zstd" "$nix_times" "$hpcl_times"
    pull_nix() { nix_store one; seconds nix copy --no-check-sigs --from "file://$place/cache-nix-1" --store "local?store=$place/one/store&real=$place/pull-nix-$1/store&state=$place/pull-nix-$1/var" "$large_nix"; }
    pull_hpcl() { export HPCL_STORE=$place/pull-$1; seconds "$hpcl" cache pull --cache "file://$place/cache-1" --item "$(basename "$large_hpcl")"; }
    thrice pull_nix pull_hpcl
    row "importing it from there into a new store" "$nix_times" "$hpcl_times"
    chmod -R u+w cache-* pull-*; rm -rf cache-* pull-*
fi

if wants gc; then
    gc_nix() { nix_store "gc-nix-$1"; find items -type f -print0 | xargs -0 nix-store --add >out; seconds nix-store --gc; }
    gc_hpcl() { export HPCL_STORE=$place/gc-$1; find items -type f -print0 | xargs -0 "$hpcl" store add >out; seconds "$hpcl" gc; }
    thrice gc_nix gc_hpcl
    row "collecting $((thousands * 200)) items" "$nix_times" "$hpcl_times"
fi


echo
wants verify && awk -v one="$one_item" -v two="$two_items" 'BEGIN { printf "two items on two cores: %.2f times the speed of one\n", 2 * one / two }'
export HPCL_STORE=$place/own
peak() { "$(command -v time)" -f %M "$@" 2>&1 >/dev/null | tail -1; }
if [ -x /usr/bin/time ]; then
    small=$(cd "$place" && mkdir -p little && head -c 1048576 large/1 >little/1 && peak "$hpcl" hash -r little)
    echo "peak memory of hashing: $small KiB for 1 MiB, $(peak "$hpcl" hash -r large) KiB for $mib MiB"
fi
