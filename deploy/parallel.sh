#!/usr/bin/env bash
# One load from N processes of this machine by GNU parallel, merged; for more descriptors or I/O threads than one process has.
#
#   SERVER=tcp://proxy:5570 parallel.sh 4
#
# SCENARIO, OUT and GATHER may be given, too.
set -euo pipefail

count=${1:?how many shards}
scenario=${SCENARIO:-load.toml}
server=${SERVER:?the endpoint of the server, as in SERVER=tcp://proxy:5570}
out=${OUT:-zload-$(date +%Y%m%dT%H%M%S)}
mkdir -p "$out"

# All at once (-j0): a shard that waits for a free slot would not come to the gathering.
seq 0 $((count - 1)) | parallel -j0 --line-buffer --tag \
    zload run "$scenario" --shard "{}/$count" --connect "$server" --gather "${GATHER:-tcp://127.0.0.1:5571}" \
    -o "$out/{shard}.json" || echo "a shard failed: its line above says why; merging those that are there" >&2
zload merge "$out"/*-of-*.json -o "$out/whole.json"
