#!/bin/bash
# One search on Slurm: sbatch deploy/slurm.sh spaces/tradeoff.yaml [options of search.run]
# Submit it from the project's folder, with its Python environment active. Change the numbers; with GPUs, add --gres.
# Submitted again with --resume, it goes on where the time limit has ended it.
#SBATCH --job-name=search
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@120

set -eu
export RAY_AUTH_MODE=token  # by ~/.ray/auth_token, which every node has to see
ray get-auth-token --generate >/dev/null
nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
address="$(srun --overlap --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" hostname --ip-address | cut -d" " -f1):${RAY_PORT:-6379}"
gpus=${SLURM_GPUS_ON_NODE:-0}

started=()
on() {  # NODE, then arguments of ray start; it lasts until this script ends
    local node=$1
    shift
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$node" \
        ray start "$@" --block --disable-usage-stats --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="$gpus" &
    started+=($!)
}
trap 'kill "${started[@]}" 2>/dev/null || true; wait' EXIT

on "${nodes[0]}" --head --port="${address##*:}" --node-ip-address="${address%%:*}"
until ray health-check --address "$address" >/dev/null 2>&1; do
    kill -0 "${started[0]}"  # the head ended: so does this
    sleep 1
done
for node in "${nodes[@]:1}"; do on "$node" --address="$address"; done

# Nodes that are not up yet are taken in when they are. Two minutes before the time limit Slurm interrupts the search.
python -m search.run "$@" --address "$address" &
search=$!
trap 'kill -TERM "$search" 2>/dev/null || true' TERM
while kill -0 "$search" 2>/dev/null; do wait "$search" && status=0 || status=$?; done
exit "$status"
