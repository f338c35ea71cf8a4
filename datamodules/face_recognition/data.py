"""The data module of face recognition: a folder of images for each person, verified by pairs."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.epochs import Batch, EpochBatches
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import split_samples
from visus.datamodules.face_recognition.augment import FaceAugmentation, FaceTransform
from visus.datamodules.face_recognition.dataset import FaceDataset
from visus.datamodules.face_recognition.files import FaceImage, list_people, select_faces
from visus.datamodules.face_recognition.sampler import PeopleBatches
from visus.models.faces.mtcnn import create_face_finder
from visus.vision.errors import VisusError
from visus.vision.faces.pairs import make_pairs, people_in, read_pairs
from visus.vision.truth import FacePair


class PeopleData(VisionDataModule[FaceAugmentation]):
    """A folder of images for each person: some people to train on, others to verify.

    Batches hold several people with several images each, so that every loss has pairs.

    Args:
        root: A folder with a folder for each person, perhaps within `train`, `val` and `test`.
        pairs: A file of test pairs in the format of LFW's `pairs.txt`; its people are not trained
            on.
        test_folds: Folds of that file to test on, from 0; the people of the others are trained on.
        image_size: (height, width) of aligned faces in pixels.
        align: Detect and align the faces; `false` where the images are aligned faces.
        min_face: Side of the smallest face to detect, in pixels.
        val_share: Fraction of the people held out for validation, at least two people.
        fold: Index of the held-out fold, for cross-validation.
        batch_size: Images per batch and process.
        images_per_person: Images of each person in a batch; repeated where there are fewer.
        num_workers: Worker processes that load images; by default one for each core but the first,
            at most four.
        augment: Augmentation of the training images.
        skip_bad: Leave out bad files and images without a face instead of refusing them.

    Raises:
        VisusError: If a batch cannot hold two people.
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
        super().__init__(batch_size, num_workers, augment)
        check_data_ranges(
            image_size=image_size,
            min_face=min_face,
            val_share=val_share,
            fold=fold,
            images_per_person=images_per_person,
        )
        if images_per_person < 1 or batch_size < 2 * images_per_person:
            raise VisusError(
                f"data.images_per_person {images_per_person} must be at least 1, and a batch "
                f"of {batch_size} must hold two people; raise data.batch_size"
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
        self._images: dict[str, list[FaceImage]] = {}

    @cached_property
    def test_pairs(self) -> list[FacePair]:
        """The pairs of the file in the folds that are tested on."""
        if self.pairs_file is None:
            return []
        pairs = read_pairs(self.pairs_file, self.root)
        folds = self.test_folds
        if folds is None:
            return pairs
        chosen = [pair for pair in pairs if pair.fold in folds]
        last = max(pair.fold for pair in pairs)
        if not chosen or max(folds) > last:
            raise VisusError(f"data.test_folds {folds}: {self.pairs_file} has folds 0 to {last}")
        return chosen

    @cached_property
    def splits(self) -> Mapping[str, Sequence[FaceImage]]:
        """The images of each split; no person is in two of them."""
        listed, problems = list_people(self.root)
        raise_or_warn(problems, self.skip_bad)
        tested = people_in(self.test_pairs)
        rest = [image for image in listed if image.person not in tested]
        people = {image.person for image in rest if not image.split}
        # Verification needs two people at least.
        fraction = max(self.val_share, min(0.5, 2 / len(people))) if people else self.val_share
        # A test of a ready-made network needs no people to train on.
        splits: dict[str, Sequence[FaceImage]] = {"train": [], "val": [], "test": []}
        if rest:
            # People are held out as wholes: there are no groups within which to keep the fraction.
            splits |= split_samples(rest, lambda image: (), fraction, self.fold, evaluate_all=False)
        if self.test_pairs:
            names = {name for pair in self.test_pairs for name in (pair.first, pair.second)}
            splits["test"] = [image for image in listed if str(image.path) in names]
        return splits

    @property
    def people_count(self) -> int:
        """Number of people in the training split; their images need not be read."""
        return len(self._people)

    @property
    def people_digest(self) -> str:
        """A hash of the names of the people in the training split."""
        return hashlib.sha256(os.fsencode("/".join(self._people))).hexdigest()

    @property
    def _people(self) -> list[str]:
        """The people in the training split in the order of their ids, whose images may be bad."""
        return sorted({image.person for image in self.splits["train"]})

    def images(self, split: str) -> list[FaceImage]:
        """The images of a split with their faces, detected once.

        For evaluation images without a face are included, as every pair counts.
        """
        if split not in self._images:
            stages = create_face_finder().stages() if self.align else None
            listed = self.splits[split]
            usable, problems = select_faces(listed, stages, self.min_face)
            if split != "train":
                problems = [replace(p, severity="warning") for p in problems]
                by_path = {image.path: image for image in usable}
                usable = [by_path.get(image.path, image) for image in listed]
            raise_or_warn(problems, self.skip_bad)
            self.skipped += len(listed) - len(usable)
            self._images[split] = usable
        return self._images[split]

    def pairs(self, split: str) -> list[FacePair]:
        """The pairs of images of a split to compare."""
        if split == "test" and self.test_pairs:
            return self.test_pairs
        by_person = defaultdict(list)
        for image in self.splits[split]:
            by_person[image.person].append(str(image.path))
        return make_pairs(by_person)

    def dataset(self, split: str) -> FaceDataset:
        """See `VisionDataModule.dataset`; samples have a `name` and, in training, a `person`."""
        images = self.images(split)
        if split != "train":
            return FaceDataset(images, self.image_size, self.align)
        transform = FaceTransform(self.augment)
        return FaceDataset(images, self.image_size, self.align, transform, self._people)

    def train_batches(self, dataset: Dataset[Batch]) -> EpochBatches:
        """Batches of several people with several images of each."""
        # Too few people for validation are reported before training, not after its first epoch.
        self.pairs("val")
        return PeopleBatches(
            dataset.people,  # type: ignore[attr-defined]
            self.batch_size,
            self.images_per_person,
            *self.rank_and_world_size(),
            fixed_order=self.overfits(),
        )
