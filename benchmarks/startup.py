"""Start-up: `visus --help` against `python -c "import torch"`, in turn, in one run."""

import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians of ten rounds, and their ratio."""
    visus = str(Path(sys.executable).with_name("visus"))
    ours, torchs = [], []
    for _ in range(10):
        ours.append(seconds([visus, "--help"]))
        torchs.append(seconds([sys.executable, "-c", "import torch"]))
    ratio = statistics.median(ours) / statistics.median(torchs)
    print(
        f"visus --help {statistics.median(ours) * 1000:.0f} ms, "
        f"import torch {statistics.median(torchs) * 1000:.0f} ms, ratio {ratio:.3f}"
    )


if __name__ == "__main__":
    main()
