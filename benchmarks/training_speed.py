"""Training throughput: `visus fit` against a plain PyTorch loop, alternating in one run.

Both train the same network with the same trainable layers, batch size, augmentation and losses on
the same JPEG files, each round in a process of its own. The plain loop is channels-last, decodes
with Pillow in two workers and uses AdamW as PyTorch sets it up. The rate is that of the steps after
the first few, without validation.

Usage: python benchmarks/training_speed.py --case classification --data FOLDER
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus.apps.training.cli import VisusCLI

CASES = {
    "classification": "classification/custom",
    "detection": "detection/faster_rcnn",
    "segmentation": "segmentation/custom",
}
"""The configuration of each case."""

WARM_UP = 5
"""Steps before the clock starts: workers start and memory is allocated."""


def create_cli(case: str, data: Path, steps: int) -> "VisusCLI":
    """The command line of `visus fit` for a case, without validation."""
    from visus.apps.training.cli import VisusCLI
    from visus.apps.training.run import silence_libraries
    from visus.configs import find_config

    silence_libraries()
    arguments = ["--config", str(find_config(CASES[case])), "--data.root", str(data)]
    arguments += ["--data.skip_bad", "true", "--trainer.max_epochs", "1000"]
    arguments += [f"--trainer.max_steps={WARM_UP + steps}", "--trainer.limit_val_batches", "0"]
    return VisusCLI("fit", arguments, "benchmark", None)


def visus_fit(case: str, data: Path, steps: int) -> float:
    """Train as `visus fit` does; returns the throughput in images/s."""
    from visus.vision.cores import configure_threads

    configure_threads()
    import pytorch_lightning as pl

    from visus.vision.freed_memory import keep_freed_memory

    class Clock(pl.Callback):
        """The time at which each step ended."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_train_batch_end(self, *arguments: Any) -> None:
            """Note the time."""
            self.ends.append(time.perf_counter())

    keep_freed_memory()
    cli = create_cli(case, data, steps)
    clock = Clock()
    cli.trainer.callbacks.append(clock)  # type: ignore[attr-defined]
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    images: int = cli.datamodule.batch_size * steps
    return images / (clock.ends[-1] - clock.ends[WARM_UP - 1])


def plain_loop(case: str, data: Path, steps: int) -> float:
    """Train in a plain PyTorch loop; returns the throughput in images/s."""
    import plain_training
    import torch
    from torch.utils.data import DataLoader

    cli = create_cli(case, data, steps)
    task, module = cli.model, cli.datamodule
    dataset, collate = plain_training.dataset(case, module)
    loader = DataLoader(
        dataset,
        module.batch_size,
        shuffle=True,
        num_workers=2,
        collate_fn=collate,
        drop_last=True,
        persistent_workers=True,
    )
    network = task.network.train()
    if task.freeze_batch_norm:
        plain_training.freeze_batch_norm(task.backbone)
    loss_of = plain_training.loss(case, task)
    optimizer = torch.optim.AdamW(network.parameters(), task.learning_rate)
    clip = cli.trainer.gradient_clip_val
    mean, std = task.mean, task.std
    images_measured: int = module.batch_size * steps
    step, start = 0, 0.0
    while True:
        for images, targets in loader:
            inputs = images.to(torch.float, memory_format=torch.channels_last)
            value = loss_of((inputs - mean) / std, targets)
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            if clip:
                torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
            step += 1
            if step == WARM_UP:
                start = time.perf_counter()
            if step == WARM_UP + steps:
                return images_measured / (time.perf_counter() - start)


MODES = {"plain": plain_loop, "visus": visus_fit}


def measure(mode: str, args: argparse.Namespace) -> float:
    """The throughput of one round in a process of its own."""
    command = [sys.executable, __file__, "--child", mode, "--case", args.case]
    command += ["--data", str(args.data.resolve()), "--steps", str(args.steps)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(ran.stdout.split()[-1])


def main() -> None:
    """Print the throughput of each round, and the medians and the ratio of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of JPEG files with labels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="measured steps of a round")
    parser.add_argument("--child", choices=MODES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
            print(MODES[args.child](args.case, args.data, args.steps))
        return
    rates: dict[str, list[float]] = {mode: [] for mode in MODES}
    for number in range(args.rounds):
        for mode, measured in rates.items():
            measured.append(measure(mode, args))
        plain, ours = rates["plain"][-1], rates["visus"][-1]
        print(
            f"round {number + 1}: plain loop {plain:.2f}, visus fit {ours:.2f} images/s, "
            f"ratio {ours / plain:.3f}",
            flush=True,
        )
    ratio = statistics.median(o / p for p, o in zip(*rates.values(), strict=True))
    plain, ours = (statistics.median(each) for each in rates.values())
    print(f"{args.case}: medians {plain:.2f} and {ours:.2f} images/s, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
