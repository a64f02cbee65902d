#!/bin/bash
# A study on the nodes of a Slurm job: a Ray of its own, which ends with the job.
#
#   sbatch --nodes=2 --gpus-per-node=4 studies/clusters/slurm.sh methods --store /shared/hpt --set target=/shared/images
#
# What follows the name of this file are the arguments of `hpt-study run`. Two minutes before the time limit every stage
# writes a checkpoint; the job is queued again and goes on where it was.
#SBATCH --job-name=hpt-study
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=hpt-study-%j.log
set -u
# Decoded images are read all the time: their cache belongs on a disk of the node, where later jobs find it again.
export HPT_CACHE=${HPT_CACHE:-/tmp/hpt_ray-$(id -u)}
# Without a token, anyone on the network could run programs as you through this Ray.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
host=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$first" hostname --ip-address | awk '{ print $1 }')
port=$((20000 + SLURM_JOB_ID % 10000)) # a port and a folder for each job: jobs may share a node
ray_on() {
    local nodes=$1 where=$2
    shift 2
    srun --overlap --nodes="$nodes" --ntasks="$nodes" "$where" --output="ray-$SLURM_JOB_ID-%N.log" \
        ray start --block --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" \
        --temp-dir="/tmp/ray-$SLURM_JOB_ID" --disable-usage-stats "$@" &
}
ray_on 1 --nodelist="$first" --head --node-ip-address="$host" --port="$port" --include-dashboard=false
others=$((SLURM_JOB_NUM_NODES - 1))
((others == 0)) || ray_on "$others" --exclude="$first" --address="$host:$port"

for ((second = 0; ; second += 5)); do
    joined=$(ray status --address="$host:$port" 2> /dev/null | grep -c '^ 1 node_')
    ((joined < SLURM_JOB_NUM_NODES)) || break
    if ((second >= 300)); then
        echo "slurm.sh: $joined of $SLURM_JOB_NUM_NODES nodes have joined Ray after 5 minutes: see ray-$SLURM_JOB_ID-*.log." >&2
        exit 1
    fi
    sleep 5
done

# On the first node, beside Ray's head. In the background, since bash answers a signal only between two commands.
hpt-study run "$@" --address "$host:$port" &
study=$!
trap 'stopped=1; kill -TERM "$study"' TERM
stopped=0
wait "$study"
code=$?
if ((stopped)); then
    wait "$study" # the first wait was ended by the signal
    code=$?
    scontrol requeue "$SLURM_JOB_ID" && echo "slurm.sh: stopped before the time limit; the job is queued again."
fi
exit "$code"
