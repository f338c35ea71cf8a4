#!/bin/sh
# Training on several machines: run it on each, with its number from 0 and the address of the first.
#   sh train_torchrun.sh NODES NUMBER ADDRESS_OF_THE_FIRST GPUS_PER_NODE
set -eu
exec torchrun --nnodes "$1" --node-rank "$2" --master-addr "$3" --master-port 29500 \
    --nproc-per-node "$4" --no-python visus fit --data photos
