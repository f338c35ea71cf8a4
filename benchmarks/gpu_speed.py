"""Throughput of training on a GPU: Lightning and visus against a bare loop on the same images."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.loading import ArrayDataset
from visus.tasks.classification.task import ClassificationTask
from visus.vision.metadata import ResizeMode


class RandomData(VisionDataModule[str]):
    """Random images in memory, so that loading costs nothing."""

    class_names = tuple(f"class {i}" for i in range(10))
    in_channels = 3
    resize_mode: ResizeMode = "stretch"

    def __init__(self, count: int, size: int, batch_size: int) -> None:
        super().__init__(batch_size, 0, "none")
        self.image_size = (size, size)
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
        self.arrays = ArrayDataset(images, rng.integers(0, 10, count), None)

    def dataset(self, split: str) -> ArrayDataset:
        """See `VisionDataModule.dataset`."""
        return self.arrays


def bare_rate(
    task: ClassificationTask, data: RandomData, device: str, dtype: torch.dtype | None
) -> float:
    """Train without a framework; returns the throughput in images/s of the second half."""
    place = torch.device("cuda" if device == "gpu" else "cpu")
    task.to(place).train()
    optimizer = torch.optim.AdamW(task.parameters(), 1e-3)
    batches = len(data.arrays) // data.batch_size
    start = 0.0
    for i in range(batches):
        if i == batches // 2:
            synchronise(device)
            start = time.perf_counter()
        chosen = list(range(i * data.batch_size, (i + 1) * data.batch_size))
        batch = data.arrays.__getitems__(chosen)
        images, labels = batch["image"].to(place), batch["label"].to(place)
        with torch.autocast(place.type, dtype or torch.bfloat16, enabled=dtype is not None):
            loss = torch.nn.functional.cross_entropy(task.network(task.normalise(images)), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    synchronise(device)
    return (batches - batches // 2) * data.batch_size / (time.perf_counter() - start)


def trainer_rate(task: ClassificationTask, data: RandomData, device: str, precision: Any) -> float:
    """Train by Lightning; returns the throughput in images/s of the second half."""
    clock = Clock(len(data.arrays) // data.batch_size, data.batch_size, device)
    trainer = pl.Trainer(
        accelerator=device,
        devices=1,
        precision=precision,
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock],
        use_distributed_sampler=False,
    )
    trainer.fit(task, datamodule=data)
    return clock.rate


class Clock(pl.Callback):
    """Measures the throughput of the second half of an epoch, in images/s."""

    def __init__(self, batches: int, batch_size: int, device: str) -> None:
        self.batches, self.batch_size, self.device = batches, batch_size, device
        self.start = self.rate = 0.0

    def on_train_batch_start(self, *arguments: Any) -> None:
        """Start the clock."""
        if arguments[3] == self.batches // 2:
            synchronise(self.device)
            self.start = time.perf_counter()

    def on_train_end(self, *arguments: Any) -> None:
        """Stop the clock."""
        synchronise(self.device)
        images = (self.batches - self.batches // 2) * self.batch_size
        self.rate = images / (time.perf_counter() - self.start)


def synchronise(device: str) -> None:
    """Wait until the GPU has finished."""
    if device == "gpu":
        torch.cuda.synchronize()


@contextmanager
def utilisation(device: str) -> Iterator[list[float]]:
    """Sample the GPU's utilisation in per cent, by nvidia-smi, while the block runs."""
    samples: list[float] = []
    if device != "gpu":
        yield samples
        return
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    with subprocess.Popen([*query, "-lms", "200"], stdout=subprocess.PIPE, text=True) as process:
        yield samples
        process.terminate()
        assert process.stdout is not None
        samples += [float(line) for line in process.stdout.read().split()]
