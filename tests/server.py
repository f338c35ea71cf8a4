"""Commands of visus in an environment of their own, without a slow import for each."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

COMMANDS = """
import json, os, sys
import albumentations, onnx, pytorch_lightning, timm, torch, torchvision
from visus.apps.cli import main

for line in sys.stdin:
    child = os.fork()
    if not child:
        request = json.loads(line)
        os.chdir(request["folder"])
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = main(request["words"])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def visus_of(environment):
    """Runs commands of visus, each in a forked process that has imported what is slow."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMANDS],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip

        def run(words):
            request = {"folder": str(Path.cwd()), "words": words}
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            return code, Path("output.txt").read_text()

        yield run
        server.stdin.close()
