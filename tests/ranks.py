"""Import slow libraries once, and fork the processes of distributed runs from this process.

Each line on its standard input is a JSON object with `folder`, `arguments` and `port`; each line of
its output has the exit codes of both processes. They print to `rank0.txt` and `rank1.txt` in the
folder.
"""

import json
import os
import sys

# These are slow to import, and start no threads.
import albumentations  # noqa: F401
import pytorch_lightning  # noqa: F401
import timm  # noqa: F401
import torch  # noqa: F401
import torchvision  # noqa: F401

from visus.apps.cli import main


def start(rank: int, request: dict) -> int:
    """Fork one of the two processes; returns its process id."""
    child = os.fork()
    if child:
        return child
    os.chdir(request["folder"])
    output = os.open(f"rank{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # As set by torchrun.
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(request["port"])}
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "tests"}
    code = main(request["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


for line in sys.stdin:
    children = [start(rank, json.loads(line)) for rank in range(2)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps(codes), flush=True)
