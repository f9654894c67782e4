#!/usr/bin/env bash
# The same sweep on as many machines as Slurm gives: an array of one and the same command. Each task takes shards from
# the store under a lease. A preempted task's shards are taken over after a minute; more tasks may join while others run.
#
#   export BENCH_DB=postgresql://user@host/bench BENCH_ARTIFACTS=/shared/bench-images
#   sbatch --array=1-16 slurm.sh adaptive-1024 --defense all --dataset cifar10
#   bench status
#
#SBATCH --job-name=bench
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail
: "${BENCH_DB:?set it to a PostgreSQL URL: SQLite does not work on a network file system}"
: "${BENCH_ARTIFACTS:?set it to a folder that every node sees, or to an s3:// URL}"
exec bench sweep "${@:-adaptive-1024}"
