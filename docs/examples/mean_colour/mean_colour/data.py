"""The data: a folder of images; the truth is computed from each image itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import split_samples
from visus.vision.image_files import list_images
from visus.vision.images import Pixels, read_image
from visus.vision.resize import resize_to_input


@dataclass(frozen=True)
class Sample:
    """One image file; see `visus.datamodules.core.images.ListedImage`."""

    path: Path
    content: str
    split: str = ""

    @property
    def place(self) -> str:
        """Where it is listed: the file itself."""
        return str(self.path)


def read_samples(root: Path) -> tuple[list[Sample], list[Problem]]:
    """All readable images of a folder, and what is wrong with the others and with copies."""
    paths = list_images(root)
    samples, problems = [], []
    for path, check in zip(paths, inspect_images(paths), strict=True):
        problems += check.problems(str(path))
        if check.info is not None:
            samples.append(Sample(path, check.content))
    kept, copies = check_copies(samples)
    return kept, [*problems, *copies]


class MeanColourDataset(SourceDataset[Pixels, Any]):
    """Images with their mean colour."""

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `colour`, `geometry`, `source`."""
        image = self.read(self.sources[index])
        resized, geometry = resize_to_input(image, self.size, self.mode)
        colour = torch.from_numpy(image.reshape(-1, 3).mean(0) / 255).float()
        source = self.name(index)
        return {
            "image": to_tensor(resized), "colour": colour, "geometry": geometry, "source": source,
        }  # fmt: skip


class MeanColourData(VisionDataModule[None]):
    """A folder of images.

    Args:
        root: The folder.
        image_size: (height, width) of the network's input in pixels.
        val_share: Fraction held out for validation, by content.
        batch_size: Images a batch and process.
        num_workers: Processes that load.
        skip_bad: Leave out unreadable images instead of refusing.
    """

    class_names = ()
    in_channels = 3
    resize_mode = "stretch"

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] = (32, 32),
        val_share: float = 0.25,
        batch_size: int = 8,
        num_workers: int = 0,
        skip_bad: bool = False,
    ) -> None:
        super().__init__(batch_size, num_workers, None)
        self.root = Path(root)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.val_share = val_share
        self.skip_bad = skip_bad

    @cached_property
    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """The samples of each split."""
        samples, problems = read_samples(self.root)
        raise_or_warn(problems, self.skip_bad)
        return split_samples(samples, lambda sample: "", self.val_share, 0, False)

    def dataset(self, split: str) -> MeanColourDataset:
        """See `VisionDataModule.dataset`."""
        paths = [sample.path for sample in self.splits[split]]
        return MeanColourDataset(paths, read_image, self.image_size, self.resize_mode)
