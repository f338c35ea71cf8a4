"""Forks processes that are killed: a server that has imported what is slow.

Each line on its standard input is a JSON object with `folder`, `output`, `name` of a function
below, and its `arguments`; the answer to each is the exit code, negative for a signal.
"""

import json
import os
import signal
import sys
import time

# These are slow to import, and start no threads.
import albumentations  # noqa: F401
import pytorch_lightning as pl  # noqa: F401
import timm  # noqa: F401
import torch
import torchvision  # noqa: F401


def command(words, fault="", step=0, where="on_train_batch_start"):
    """Run a command of visus in which something happens.

    Args:
        words: The command line.
        fault: The name of a signal, or of a function below.
        step: Number of calls of the hook before it happens.
        where: Name of the hook of `VisionTask`, or `worker` for a process that loads images.
    """
    from visus.apps.cli import main
    from visus.datamodules.core.epochs import SeededDataset
    from visus.tasks.base import VisionTask

    happen = globals().get(fault) or (lambda: os.kill(os.getpid(), getattr(signal, fault)))
    calls = [0]

    def happens():
        calls[0] += 1
        if calls[0] == step + 1:
            happen()

    if fault and where == "worker":
        fetch = SeededDataset.__getitems__

        def fetch_with_fault(self, keys):
            if torch.utils.data.get_worker_info().id == 0:
                happens()
            return fetch(self, keys)

        SeededDataset.__getitems__ = fetch_with_fault
    elif fault:
        hook = getattr(VisionTask, where)

        def hook_with_fault(self, *arguments, **keywords):
            if not self.trainer.sanity_checking:
                happens()
            return hook(self, *arguments, **keywords)

        setattr(VisionTask, where, hook_with_fault)
    return main(words)


def terminate_group():
    """SIGTERM to all processes, as from systemd."""
    os.killpg(0, signal.SIGTERM)


def interrupt_group():
    """SIGINT to all processes, as from a terminal."""
    os.killpg(0, signal.SIGINT)


def hang_up_group():
    """SIGHUP to all processes, as from a terminal that is closed."""
    os.killpg(0, signal.SIGHUP)


def gpu_memory_runs_out():
    """The error of PyTorch on a GPU without free memory."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def memory_runs_out():
    """More memory than any machine has."""
    torch.empty(2**60, dtype=torch.uint8)


def python_memory_runs_out():
    """More memory than any machine has, for NumPy."""
    import numpy as np

    np.empty(2**60, np.uint8)


def save_again_and_again(path, count, seconds):
    """Save checkpoints of growing steps to a path; killed from outside after some time."""
    from pathlib import Path

    from visus.tasks.checkpoint_files import write_checkpoint

    killer = os.getpid()
    if not os.fork():
        time.sleep(seconds)
        os.kill(killer, signal.SIGKILL)
        os._exit(0)
    for step in range(count, count + 10_000):
        weights = {"weights": torch.full((500_000,), float(step))}
        write_checkpoint({"state_dict": weights, "step": step, "visus": {}}, Path(path))
    return 0


FUNCTIONS = {each.__name__: each for each in (command, save_again_and_again)}


def serve():
    """Run the requests, one after the other."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            os.chdir(request["folder"])
            output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            # A group of its own: what it starts is killed with it.
            os.setpgid(0, 0)
            # A shell lets what it starts in the background ignore Ctrl+C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.environ.pop("VISUS_RUN_FOLDER", None)
            code = FUNCTIONS[request["name"]](**request["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)


if __name__ == "__main__":
    serve()
