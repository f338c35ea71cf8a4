"""Training throughput: `visus fit` against a plain PyTorch loop, alternating in one run.

Both train the same network on the same images in memory with the same batch size, optimiser and
number of threads. Usage: python benchmarks/training_speed.py --root FOLDER_OF_FASHION_MNIST
"""

import argparse
import statistics
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from visus.datamodules.classification.arrays import FashionMNISTData
from visus.models.backbones.classifier import create_classifier

BATCH = 128


def bare_loop(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Train one epoch without any framework; returns the throughput in images/s."""
    network, _ = create_classifier("convnet", 10, 1, image_size=(28, 28))
    network.to(memory_format=torch.channels_last)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    targets = torch.from_numpy(labels)
    start = time.perf_counter()
    order = torch.randperm(len(pixels))
    batches = len(pixels) // BATCH
    for i in range(batches):
        chosen = order[i * BATCH : (i + 1) * BATCH]
        inputs = pixels[chosen].to(torch.float, memory_format=torch.channels_last)
        loss = F.cross_entropy(network((inputs - 127.5) / 127.5), targets[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return batches * BATCH / (time.perf_counter() - start)


class _Clock(pl.Callback):
    """Measures the throughput of an epoch, with the time between its batches."""

    start = 0.0
    rate = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Update the throughput; its last value is that of the epoch, before validation starts."""
        self.rate = (batch_idx + 1) * BATCH / (time.perf_counter() - self.start)


def visus_fit(root: Path) -> float:
    """Train one epoch as `visus fit` does; returns the throughput in images/s."""
    from visus.apps.training.cli import VisusCLI
    from visus.apps.training.run import quieten
    from visus.configs import find_config

    quieten()
    with tempfile.TemporaryDirectory() as scratch:
        arguments = ["--config", str(find_config("classification/fashion_mnist"))]
        arguments += ["--data.root", str(root.resolve()), "--trainer.max_epochs", "1"]
        arguments += ["--data.val_share", "0.01", f"--data.batch_size={BATCH}"]
        with chdir(scratch):
            cli = VisusCLI("fit", arguments, "benchmark", None)
        clock = _Clock()
        cli.trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    return clock.rate


def main() -> None:
    """Print the throughput of each round and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    images, labels = FashionMNISTData(str(args.root), val_share=0.01).splits["train"]
    ratios = []
    for number in range(args.rounds):
        bare, ours = bare_loop(images, labels), visus_fit(args.root)
        ratios.append(ours / bare)
        print(
            f"round {number + 1}: bare loop {bare:,.0f}, visus fit {ours:,.0f} images/s, "
            f"ratio {ratios[-1]:.3f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.3f}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
