"""Batches of several people with several images of each, as losses of embeddings need."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler

from visus.vision.errors import VisusError


class PeopleSampler(Sampler[list[int]]):
    """Batches of P people with K images each; people with more images are drawn more often.

    Every process gets the same number of batches.

    Args:
        people: The id of the person of each image.
        batch_size: P times K.
        images_per_person: K.
        rank: Index of this process.
        world_size: Number of processes.

    Raises:
        VisusError: If there are fewer than two people.
    """

    def __init__(
        self,
        people: Sequence[int],
        batch_size: int,
        images_per_person: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.by_person: dict[int, list[int]] = defaultdict(list)
        for index, person in enumerate(people):
            self.by_person[person].append(index)
        self.images_per_person = images_per_person
        self.people_per_batch = batch_size // images_per_person
        self.rank, self.world_size = rank, world_size
        if len(self.by_person) < 2:
            raise VisusError(f"{len(self.by_person)} people to train on; at least two are needed")
        # Each person as often as it takes to show all their images.
        self.turns = [
            person
            for person, own in self.by_person.items()
            for _ in range(-(-len(own) // images_per_person))
        ]
        self.epoch = 0
        self.seed = torch.initial_seed() % 2**31

    def __len__(self) -> int:
        """Batches per epoch and process."""
        return max(1, len(self.turns) // (self.people_per_batch * self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        """Indices of the images of each batch; another order in each epoch."""
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        remaining = {
            person: [int(i) for i in rng.permutation(own)] for person, own in self.by_person.items()
        }
        # Turns are repeated where there are too few for every process.
        needed = len(self) * self.world_size * self.people_per_batch
        turns = np.resize(rng.permutation(self.turns), needed)
        for people in turns.reshape(-1, self.people_per_batch)[self.rank :: self.world_size]:
            yield [index for person in people for index in self._draw(int(person), remaining, rng)]

    def _draw(
        self, person: int, remaining: dict[int, list[int]], rng: np.random.Generator
    ) -> list[int]:
        """K images of a person; all are drawn once before one is drawn again."""
        drawn: list[int] = []
        while len(drawn) < self.images_per_person:
            if not remaining[person]:
                remaining[person] = [int(i) for i in rng.permutation(self.by_person[person])]
            drawn.append(remaining[person].pop())
        return drawn
