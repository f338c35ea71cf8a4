"""How threads of OpenMP should wait: speed on a quiet machine, and beside two busy processes.

Measures the latency of single images and the throughput of training steps of EfficientNet-Lite0 in
PyTorch, in a process for each setting, in turn. Usage: python benchmarks/busy_machine.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from visus.vision.busy_cores import AdaptiveThreads
from visus.vision.cores import SPINS

ADAPTS = "BENCHMARK_ADAPTS"
"""Variable of the processes that leave cores to others, as predictions and budgets do."""

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "short spin": {"GOMP_SPINCOUNT": str(SPINS)},
    "visus": {"GOMP_SPINCOUNT": str(SPINS), ADAPTS: "1"},
}
BUSY = 2


def measure(seconds: float) -> dict[str, float]:
    """Images/s of single images and of training steps, in this process."""
    import torch

    from visus.models.backbones.classifier import create_classifier

    network, _ = create_classifier("tf_efficientnet_lite0", 10, 3, image_size=(224, 224))
    network.to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, 224, 224).to(memory_format=torch.channels_last)
    batch = torch.rand(8, 3, 128, 128).to(memory_format=torch.channels_last)
    labels = torch.zeros(8, dtype=torch.long)
    optimizer = torch.optim.SGD(network.parameters(), 1e-6)

    def predict() -> None:
        with torch.inference_mode():
            network.eval()(image)

    def train() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network.train()(batch), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    threads = AdaptiveThreads(torch.set_num_threads)
    rates = {}
    for name, call, images in (("single images", predict, 1), ("training", train, len(batch))):
        call()
        call()
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            if ADAPTS in os.environ:
                threads.update()
            call()
            calls += 1
        rates[name] = calls * images / (time.perf_counter() - start)
    return rates


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Other processes that keep a core busy each."""
    command = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def main() -> None:
    """Print the rates of each setting, and their ratios to the default's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--spins", type=int, nargs="*", default=[], help="further spin counts")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.seconds)))
        return
    settings = SETTINGS | {f"{n} spins": {"GOMP_SPINCOUNT": str(n)} for n in given.spins}
    command = [sys.executable, __file__, "--child", "--seconds", str(given.seconds)]
    for processes in (0, BUSY):
        rates: dict[str, dict[str, list[float]]] = {name: {} for name in settings}
        for _ in range(given.rounds):
            for name, variables in settings.items():
                with busy(processes):
                    output = subprocess.check_output(command, env={**os.environ, **variables})
                for what, rate in json.loads(output).items():
                    rates[name].setdefault(what, []).append(rate)
        print(f"beside {processes} busy processes, medians of {given.rounds} rounds, images/s")
        medians = {
            name: {what: statistics.median(values) for what, values in measured.items()}
            for name, measured in rates.items()
        }
        for name, measured in medians.items():
            cells = (
                f"{what} {rate:7.2f} ({rate / medians['default'][what]:.2f})"
                for what, rate in measured.items()
            )
            print(f"  {name:<16} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
