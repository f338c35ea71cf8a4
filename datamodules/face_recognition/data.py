"""Images of people, a folder each: aligned faces for training, pairs of them for verification."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.loading import Batch, collate, default_workers, to_tensor
from visus.datamodules.core.splits import split_samples
from visus.datamodules.face_recognition.augment import FaceAugmentation, FaceTransform
from visus.datamodules.face_recognition.files import FaceImage, find_people, list_people
from visus.models.faces.mtcnn import create_face_finder
from visus.vision.errors import VisusError
from visus.vision.faces.alignment import align_face, template
from visus.vision.faces.found import FoundFaces
from visus.vision.faces.pairs import make_pairs, people_in, read_pairs
from visus.vision.images import Pixels, read_image
from visus.vision.resize import resize_to_input
from visus.vision.truth import FacePair


class PeopleData(VisionDataModule[FaceAugmentation]):
    """A folder a person, for training on some people and verifying others.

    Batches show several people with several images each, so that every loss finds pairs.

    Args:
        root: A folder a person; perhaps within `train`, `val` and `test`.
        pairs: A file of pairs as LFW's `pairs.txt`, to test on; people in it are not trained on.
        test_folds: Which of its folds to test on, from 0; the people of the others are trained on.
        image_size: (height, width) of aligned faces.
        align: Find and align the faces; `false` where the images are aligned faces.
        min_face: The smallest face to look for, in pixels.
        val_share: Share of the people held out for validation, two people at least.
        fold: Which share, from 0.
        batch_size: Images a batch and process.
        images_per_person: In a batch; a person with fewer shows some again.
        num_workers: Processes that load; one for each core beyond the first by default.
        augment: Random changes for training.
        skip_bad: Leave out images without a face, and bad files, instead of refusing.

    Attributes:
        people_count: How many people are trained on.
    """

    class_names = ()
    in_channels = 3
    resize_mode = "stretch"

    def __init__(
        self,
        root: str,
        pairs: str | None = None,
        test_folds: list[int] | None = None,
        image_size: tuple[int, int] = (112, 112),
        align: bool = True,
        min_face: int = 40,
        val_share: float = 0.1,
        fold: int = 0,
        batch_size: int = 64,
        images_per_person: int = 2,
        num_workers: int | None = None,
        augment: FaceAugmentation = "faces",
        skip_bad: bool = False,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        if images_per_person < 1 or batch_size < 2 * images_per_person:
            raise VisusError(
                f"data.images_per_person {images_per_person} must be at least 1, and a batch "
                f"of {batch_size} must show two people; raise data.batch_size"
            )
        self.root = Path(root)
        self.pairs_file = Path(pairs) if pairs else None
        self.test_folds = test_folds
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.align = align
        self.min_face = min_face
        self.val_share = val_share
        self.fold = fold
        self.images_per_person = images_per_person
        self.skip_bad = skip_bad
        self._found: dict[str, list[FaceImage]] = {}

    @cached_property
    def test_pairs(self) -> list[FacePair]:
        """The pairs of the file that are tested on, their folds counted from 0."""
        if self.pairs_file is None:
            return []
        pairs = read_pairs(self.pairs_file, self.root)
        wanted = self.test_folds
        if wanted is None:
            return pairs
        chosen = [pair for pair in pairs if pair.fold in wanted]
        last = max(pair.fold for pair in pairs)
        if not chosen or max(wanted) > last:
            raise VisusError(f"data.test_folds {wanted}: {self.pairs_file} has folds 0 to {last}")
        return chosen

    @cached_property
    def splits(self) -> dict[str, list[FaceImage]]:
        """The images of each split, by people."""
        listed = list_people(self.root)
        tested = people_in(self.test_pairs)
        rest = [image for image in listed if image.person not in tested]
        people = {image.person for image in rest if not image.split}
        # Verification needs two people at least.
        share = max(self.val_share, min(0.5, 2 / len(people))) if people else self.val_share
        # A test alone, of a ready-made network, needs no people to train on.
        splits = (
            split_samples(rest, _nobody, share, self.fold, evaluate_all=False)
            if rest
            else {"train": [], "val": [], "test": []}
        )
        if self.test_pairs:
            named = {name for pair in self.test_pairs for name in (pair.first, pair.second)}
            splits["test"] = [image for image in listed if str(image.path) in named]
        return splits

    @property
    def people_count(self) -> int:
        """How many people are trained on, counted without looking at their images."""
        return len({image.person for image in self.splits["train"]})

    @property
    def people_digest(self) -> str:
        """Tells whether the same people are trained on, without telling who they are."""
        names = sorted({image.person for image in self.splits["train"]})
        return hashlib.sha256("/".join(names).encode()).hexdigest()

    def images(self, split: str) -> list[FaceImage]:
        """The images of a split with their faces; found when first asked for.

        In evaluation an image that shows no face stays, without one, as each pair counts.
        """
        if split not in self._found:
            stages = create_face_finder().stages() if self.align else None
            listed = self.splits[split]
            usable, problems = find_people(listed, stages, self.min_face)
            if split != "train":
                problems = [replace(p, severity="warning") for p in problems]
                by_path = {image.path: image for image in usable}
                usable = [by_path.get(image.path, image) for image in listed]
            raise_or_warn(problems, self.skip_bad)
            self.skipped += len(listed) - len(usable)
            self._found[split] = usable
        return self._found[split]

    def pairs(self, split: str) -> list[FacePair]:
        """Which images of a split are compared with which."""
        if split == "test" and self.test_pairs:
            return self.test_pairs
        by_person = defaultdict(list)
        for image in self.splits[split]:
            by_person[image.person].append(str(image.path))
        return make_pairs(by_person)

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`; predictions are made for the test images."""
        split = "test" if split == "predict" else split
        transform = FaceTransform(self.augment) if split == "train" else None
        return FaceDataset(self.images(split), self.image_size, self.align, transform)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Several people a batch, several images of each."""
        # Told before training, not after its first epoch.
        self.pairs("val")
        dataset = self.dataset("train")
        assert isinstance(dataset, FaceDataset)
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        sampler = PeopleSampler(
            dataset.people, self.batch_size, self.images_per_person, rank, world
        )
        return DataLoader(
            dataset,
            batch_sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=collate,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def _nobody(image: FaceImage) -> tuple[()]:
    """People are held out as wholes, so that there are no groups to keep the shares of."""
    return ()


@dataclass(frozen=True, eq=False)
class FaceDataset(Dataset[Batch]):
    """Aligned faces that are cut out when they are asked for.

    Attributes:
        sources: The images.
        size: (height, width) of aligned faces.
        align: Whether faces are cut out by their landmarks.
        transform: Random changes for training.
    """

    sources: Sequence[FaceImage]
    size: tuple[int, int]
    align: bool
    transform: FaceTransform | None

    @cached_property
    def names(self) -> list[str]:
        """The people, in order."""
        return sorted({image.person for image in self.sources})

    @cached_property
    def people(self) -> list[int]:
        """Of each image the number of its person."""
        numbers = {name: i for i, name in enumerate(self.names)}
        return [numbers[image.person] for image in self.sources]

    def __len__(self) -> int:
        """How many images."""
        return len(self.sources)

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`, `name`, `person` in training and `fit` otherwise."""
        image = self.sources[index]
        item: Batch = {"source": str(image.path), "name": image.person}
        face, found = self.read(image)
        if self.transform is None:
            item["geometry"] = found
        else:
            face = self.transform(face)
            item["person"] = torch.tensor(self.people[index])
        item["image"] = to_tensor(face)
        return item

    def read(self, sample: FaceImage) -> tuple[Pixels, FoundFaces]:
        """An image's aligned face, and where it was; black where the image shows none."""
        if not self.align:
            image = read_image(sample.path)
            return resize_to_input(image, self.size, "stretch")[0], _whole(image)
        if sample.face is None:
            blank = np.zeros((*self.size, 3), np.uint8)
            return blank, replace(_whole(blank), problems=("no face",))
        return align_face(read_image(sample.path), sample.face.landmarks[0], self.size), (
            sample.face
        )


def _whole(image: Pixels) -> FoundFaces:
    """An image that is an aligned face as a whole."""
    size = (image.shape[0], image.shape[1])
    box = np.array([[0, 0, size[1], size[0]]], np.float32)
    return FoundFaces(
        box, np.ones(1, np.float32), template(size)[None].astype(np.float32), size
    )


class PeopleSampler(Sampler[list[int]]):
    """Batches of P people with K images each; every person as often as they have images.

    Every process gets equally many batches.

    Args:
        people: Of each image the number of its person.
        batch_size: P times K.
        each: K.
        rank: This process's number.
        world_size: How many processes there are.
    """

    def __init__(
        self, people: Sequence[int], batch_size: int, each: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.by_person: dict[int, list[int]] = defaultdict(list)
        for index, person in enumerate(people):
            self.by_person[person].append(index)
        self.each = each
        self.people_a_batch = batch_size // each
        self.rank, self.world_size = rank, world_size
        if len(self.by_person) < 2:
            raise VisusError(f"{len(self.by_person)} people to train on; at least two are needed")
        self.turns = [p for p, own in self.by_person.items() for _ in range(-(-len(own) // each))]
        self.epoch = 0
        self.seed = torch.initial_seed() % 2**31

    def __len__(self) -> int:
        """Batches an epoch and process."""
        return max(1, len(self.turns) // (self.people_a_batch * self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        """Other batches each time."""
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        piles = {
            person: [int(i) for i in rng.permutation(own)] for person, own in self.by_person.items()
        }
        # Too few turns for every process are taken again.
        needed = len(self) * self.world_size * self.people_a_batch
        turns = np.resize(rng.permutation(self.turns), needed)
        for people in turns.reshape(-1, self.people_a_batch)[self.rank :: self.world_size]:
            yield [index for person in people for index in self._draw(int(person), piles, rng)]

    def _draw(
        self, person: int, piles: dict[int, list[int]], rng: np.random.Generator
    ) -> list[int]:
        """K images of a person; all are shown once before one is shown again."""
        drawn: list[int] = []
        while len(drawn) < self.each:
            if not piles[person]:
                piles[person] = [int(i) for i in rng.permutation(self.by_person[person])]
            drawn.append(piles[person].pop())
        return drawn
