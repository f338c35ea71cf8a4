"""Batches of training epochs, which a resumed run continues exactly.

The order of the samples follows from (seed, epoch), and the random choices of a sample from
(seed, epoch, index): the number of workers has no influence, and neither has an interruption.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from visus.vision.seeding import derive_seed, run_seed

Batch = dict[str, Any]


class EpochBatches(Sampler[list[int]]):
    """The batches of one process in each epoch.

    Yields lists of keys, `epoch * size + index`, from which `SeededDataset` takes both numbers.

    Args:
        size: Number of samples of the data set.
        fixed_order: Whether all epochs have the order of the first.

    Attributes:
        epoch: Number of the epoch whose batches are next, from 0.
    """

    def __init__(self, size: int, fixed_order: bool = False) -> None:
        self.size = size
        self.fixed_order = fixed_order
        self.seed = run_seed()
        self.epoch = 0
        self._first = (0, 0)

    @abstractmethod
    def __len__(self) -> int:
        """Batches per epoch and process."""

    @abstractmethod
    def batches(self, rng: np.random.Generator) -> Iterator[list[int]]:
        """The indices of the samples of each batch of an epoch.

        Args:
            rng: Generator for the order; the same in all processes.
        """

    @property
    def sampler(self) -> "EpochBatches":
        """Itself: Lightning passes the epoch to `batch_sampler.sampler`."""
        return self

    @property
    def first(self) -> int:
        """Index of the epoch's first batch: after a resumption in its middle not 0."""
        epoch, batch = self._first
        return batch if epoch == self.epoch else 0

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch, from 0."""
        self.epoch = epoch

    def resume_at(self, epoch: int, batch: int) -> None:
        """Begin one epoch with a later batch.

        Args:
            epoch: Number of the epoch, from 0.
            batch: Index of the batch.
        """
        self._first = (epoch, batch)

    def __iter__(self) -> Iterator[list[int]]:
        """Keys of the samples of each batch."""
        offset = self.epoch * self.size
        rng = np.random.default_rng((self.seed, 0 if self.fixed_order else self.epoch))
        for indices in islice(self.batches(rng), self.first, None):
            yield [offset + index for index in indices]


class ShuffledBatches(EpochBatches):
    """All samples in a random order; every process gets the same number of them.

    An incomplete last batch is dropped, unless it is the only one: batch norm cannot compute
    statistics of one sample.

    Args:
        size: Number of samples of the data set.
        batch_size: Samples per batch and process.
        rank: Index of this process.
        world_size: Number of processes.
        fixed_order: Whether all epochs have the order of the first.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        fixed_order: bool = False,
    ) -> None:
        super().__init__(size, fixed_order)
        self.batch_size = batch_size
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        """Batches per epoch and process."""
        return max(1, self.size // self.world_size // self.batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[list[int]]:
        """See `EpochBatches.batches`."""
        order = rng.permutation(self.size)[self.rank :: self.world_size]
        own = order[: self.size // self.world_size]
        for i in range(len(self)):
            yield own[i * self.batch_size : (i + 1) * self.batch_size].tolist()


class SeededDataset(Dataset[Batch]):
    """A training set whose random choices follow from (seed, epoch, index).

    They come from PyTorch's global generator, which is seeded for each sample and restored after
    it. A data set that fetches whole batches is seeded for each batch, by its first sample.

    Args:
        dataset: The data set.
    """

    def __init__(self, dataset: Dataset[Batch]) -> None:
        self.dataset = dataset
        self.seed = run_seed()

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitems__(self, keys: list[int]) -> Any:
        """The samples of a batch, or the collated batch where the data set returns one."""
        fetch = getattr(self.dataset, "__getitems__", None)
        if fetch is None:
            return [self[key] for key in keys]
        with self._seeded(keys[0]):
            return fetch([key % len(self) for key in keys])

    def __getitem__(self, key: int) -> Batch:
        """The sample of a key of `EpochBatches`."""
        with self._seeded(key):
            return self.dataset[key % len(self)]

    @contextmanager
    def _seeded(self, key: int) -> Iterator[None]:
        generator = torch.default_generator
        before = generator.get_state()
        generator.manual_seed(derive_seed(self.seed, *divmod(key, len(self))))
        try:
            yield
        finally:
            generator.set_state(before)


class TrainLoader(DataLoader[Batch]):
    """The loader of training batches.

    Attributes:
        returned: Number of batches of the current epoch that were returned or skipped.
    """

    returned: int = 0

    @property
    def batches(self) -> EpochBatches:
        """Which samples each batch holds."""
        assert isinstance(self.batch_sampler, EpochBatches)
        return self.batch_sampler

    def __iter__(self) -> Any:
        """Batches of the epoch that the `EpochBatches` are set to."""
        # A generator: workers start with the first batch, when the epoch is known.
        self.returned = self.batches.first
        for batch in super().__iter__():
            self.returned += 1
            yield batch
