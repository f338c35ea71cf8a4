"""Batches of several people with several images of each, as losses of embeddings need."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from visus.datamodules.core.epochs import EpochBatches
from visus.vision.errors import VisusError


class PeopleBatches(EpochBatches):
    """Batches of P people with K images each; people with more images are drawn more often.

    Every process gets the same number of batches.

    Args:
        people: The id of the person of each image.
        batch_size: P times K.
        images_per_person: K.
        rank: Index of this process.
        world_size: Number of processes.
        fixed_order: Whether all epochs have the order of the first.

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
        fixed_order: bool = False,
    ) -> None:
        super().__init__(len(people), fixed_order)
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

    def __len__(self) -> int:
        """Batches per epoch and process."""
        return max(1, len(self.turns) // (self.people_per_batch * self.world_size))

    def batches(self, rng: np.random.Generator) -> Iterator[list[int]]:
        """See `EpochBatches.batches`."""
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
