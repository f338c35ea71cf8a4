"""The processes of a training that torchrun, SLURM or Lightning has started."""

import os

_NUMBERS = (("RANK",), ("SLURM_PROCID",), ("NODE_RANK", "LOCAL_RANK"))
"""Variables with the number of this process among all; those that come first are preferred."""


def is_first_process() -> bool:
    """Whether this process writes the run folder: the only one, or that of number 0 among all."""
    for names in _NUMBERS:
        numbers = [os.environ[name] for name in names if os.environ.get(name)]
        if numbers:
            return not any(number != "0" for number in numbers)
    return True


def launched_processes() -> tuple[int, int] | None:
    """The number of nodes, and of processes on each; None where no launcher has started this one.

    torchrun and `srun` start one process for each device themselves.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return int(os.environ["WORLD_SIZE"]) // local, local
    # An interactive shell on a node has no tasks.
    if os.environ.get("SLURM_NTASKS_PER_NODE") and "SLURM_STEP_ID" in os.environ:
        return int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS_PER_NODE"])
    return None
