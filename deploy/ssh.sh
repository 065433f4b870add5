#!/usr/bin/env bash
# One load from several hosts by ssh, merged here. Each has zload; the scenario is sent to them, and their files come back.
#
#   SERVER=tcp://proxy:5570 ssh.sh h1 h2 h3 h4
#
# The first host is where the others gather, at port 5571, which they must be able to reach; GATHER names another endpoint.
# SCENARIO and OUT may be given, too. SSH may be another program that takes a host and a command.
set -euo pipefail

scenario=${SCENARIO:-load.toml}
server=${SERVER:?the endpoint of the server, as in SERVER=tcp://proxy:5570}
gather=${GATHER:-tcp://${1:?the hosts}:5571}
out=${OUT:-zload-$(date +%Y%m%dT%H%M%S)}
mkdir -p "$out"

# A shard's file comes back over the same connection, and only if the shard ended well.
# shellcheck disable=SC2016 # for the shell over there
remote='folder=$(mktemp -d) && trap "rm -rf \"$folder\"" EXIT &&
    zload run - --shard "$share" --connect "$server" --gather "$gather" -o "$folder/shard.json" >&2 && cat "$folder/shard.json"'
index=0
waits=()
for host; do
    settings=$(printf 'share=%q server=%q gather=%q' "$index/$#" "$server" "$gather")
    {
        "${SSH:-ssh}" "$host" "$settings; $remote" <"$scenario" >"$out/$index-of-$#.json.part" &&
            mv "$out/$index-of-$#.json.part" "$out/$index-of-$#.json"
    } &
    waits+=($!)
    index=$((index + 1))
done
for pid in "${waits[@]}"; do
    wait "$pid" || echo "a shard failed: its line above says why; merging those that are there" >&2
done
zload merge "$out"/*-of-*.json -o "$out/whole.json"
