"""Start-up time of `visus --help` against `python -c "import torch"`, measured in turn."""

import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    """Run time of a command in seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians of ten rounds, and their ratio."""
    visus = str(Path(sys.executable).with_name("visus"))
    ours, torch = [], []
    for _ in range(10):
        ours.append(seconds([visus, "--help"]))
        torch.append(seconds([sys.executable, "-c", "import torch"]))
    ratio = statistics.median(ours) / statistics.median(torch)
    print(
        f"visus --help {statistics.median(ours) * 1000:.0f} ms, "
        f"import torch {statistics.median(torch) * 1000:.0f} ms, ratio {ratio:.3f}"
    )


if __name__ == "__main__":
    main()
