import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def child():
    """Run a function of `children.py` in a forked process; returns its exit code and output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("VISUS_RUN_FOLDER", None)
    with subprocess.Popen(
        [sys.executable, "-P", Path(__file__).with_name("children.py")],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip

        def run(name, **arguments):
            output = Path("output.txt").resolve()
            request = {"folder": os.getcwd(), "output": str(output), "name": name}
            server.stdin.write(json.dumps(request | {"arguments": arguments}) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            return code, output.read_text(errors="replace")

        yield run
        server.stdin.close()
