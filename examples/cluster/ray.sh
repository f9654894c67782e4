#!/usr/bin/env bash
# One sweep on all nodes of a Slurm allocation, through a Ray cluster that lives as long as it does. Only the driver, on
# the first node, writes the store, which may therefore be a file on its own disk.
#
#   sbatch --nodes=4 ray.sh adaptive-1024 --defense all --dataset cifar10 --db /local/results.db
#
# Without Slurm (no SLURM_JOB_NODELIST) it runs on this machine alone.
#SBATCH --job-name=bench-ray
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --ntasks-per-node=1
#SBATCH --time=08:00:00
set -euo pipefail
if [ -z "${SLURM_JOB_NODELIST:-}" ]; then
    exec bench sweep "${@:-adaptive-1024}" --executor ray
fi
head=$(hostname --ip-address | awk '{print $1}')
port=${BENCH_RAY_PORT:-6379}
ray start --head --node-ip-address="$head" --port="$port" --disable-usage-stats >&2
trap 'ray stop >&2; kill $nodes 2> /dev/null || true' EXIT # srun, and Ray on the other nodes with it
nodes=
others=$((SLURM_JOB_NUM_NODES - 1))
if [ "$others" -gt 0 ]; then
    srun --nodes="$others" --ntasks="$others" --exclude="$(hostname)" \
        ray start --address="$head:$port" --disable-usage-stats --block >&2 &
    nodes=$!
fi
bench sweep "${@:-adaptive-1024}" --executor "ray=$head:$port"
