#!/usr/bin/env bash
# One load from the hosts of an MPI installation (Open MPI, MPICH, Intel MPI), merged. zload does not use MPI; `mpirun` only
# starts it.
#
#   SERVER=tcp://proxy:5570 GATHER=tcp://h1:5571 mpi.sh -n 4 --hostfile hosts
#
# The arguments are mpirun's. GATHER names the host of rank 0, which is the first of the host file. SCENARIO, OUT and MPIRUN
# may be given, too. OUT is on a file system that all hosts have.
set -euo pipefail

scenario=${SCENARIO:-load.toml}
server=${SERVER:?the endpoint of the server, as in SERVER=tcp://proxy:5570}
gather=${GATHER:?the host of rank 0 with a free port, as in GATHER=tcp://h1:5571}
out=${OUT:-zload-$(date +%Y%m%dT%H%M%S)}
mkdir -p "$out"

"${MPIRUN:-mpirun}" "$@" zload run "$scenario" --shard auto --connect "$server" --gather "$gather" \
    -o "$out/{shard}.json" || echo "a shard failed: its line above says why; merging those that are there" >&2
zload merge "$out"/*-of-*.json -o "$out/whole.json"
