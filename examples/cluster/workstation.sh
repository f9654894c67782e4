#!/usr/bin/env bash
# One machine: a worker a visible GPU, or as many as there are cores where there is none. CUDA_VISIBLE_DEVICES chooses
# the GPUs; a second terminal watches with `bench status` or `bench report --watch`.
#
#   bash workstation.sh adaptive-1024 --defense all --dataset cifar10
#
set -euo pipefail
exec bench sweep "${@:-adaptive-1024}"
