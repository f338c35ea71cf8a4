"""Oxford-IIIT Pet and Pascal VOC 2012 as downloaded by torchvision."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from visus.datamodules.core.archives import download
from visus.datamodules.segmentation.class_table import ClassTable
from visus.datamodules.segmentation.data import MaskedImageData
from visus.datamodules.segmentation.files import SegmentationListing, check_pairs
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.vision.class_names import VOC_CLASS_NAMES
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE


class DownloadedMaskData(MaskedImageData):
    """A data set of RGB images that is downloaded if it is missing; a subclass lists its files.

    Args:
        root: The folder that holds it, or to download it into.
        kwargs: See `MaskedImageData`.
    """

    def __init__(self, root: str = "data", **kwargs: Any) -> None:
        super().__init__(in_channels=3, evaluate_all=False, **kwargs)
        self.root = Path(root)

    @abstractmethod
    def read_pairs(self) -> list[MaskedImage]:
        """The images and their masks, downloaded if they are missing."""

    @abstractmethod
    def class_table(self) -> ClassTable:
        """The meaning of the values in its masks."""

    def read_listing(self) -> SegmentationListing:
        """See `MaskedImageData.read_listing`."""
        table = self.class_table()
        if self.given_names is not None:
            table = table.reordered(self.given_names)
        return check_pairs(self.root, self.read_pairs(), table)


class OxfordPetData(DownloadedMaskData):
    """Cats and dogs against their background (Parkhi et al. 2012), 7,349 photographs, 800 MB.

    The outline between both, a few pixels wide, is unlabelled. Arguments as `DownloadedMaskData`.
    """

    def read_pairs(self) -> list[MaskedImage]:
        """See `DownloadedMaskData.read_pairs`; a part of `trainval` is held out for validation."""
        folder = self.root / "oxford-iiit-pet"
        if not (folder / "annotations" / "trainval.txt").is_file():
            download("OxfordIIITPet", self.root)
        return [
            MaskedImage(
                folder / "images" / f"{name}.jpg",
                folder / "annotations" / "trimaps" / f"{name}.png",
                split,
                place,
            )
            for part, split in (("trainval", ""), ("test", "test"))
            for name, place in _read_names(folder / "annotations" / f"{part}.txt")
        ]

    def class_table(self) -> ClassTable:
        """See `DownloadedMaskData.class_table`."""
        return ClassTable(("background", "pet"), {1: 1, 2: 0, 3: IGNORE})


class VOCSegmentationData(DownloadedMaskData):
    """Pascal VOC 2012 (Everingham et al. 2012): 20 object classes, 2,913 photographs, 2 GB.

    Arguments as `DownloadedMaskData`.
    """

    def read_pairs(self) -> list[MaskedImage]:
        """See `DownloadedMaskData.read_pairs`."""
        folder = self.root / "VOCdevkit" / "VOC2012"
        lists = folder / "ImageSets" / "Segmentation"
        if not (lists / "train.txt").is_file():
            download("VOCSegmentation", self.root)
        return [
            MaskedImage(
                folder / "JPEGImages" / f"{name}.jpg",
                folder / "SegmentationClass" / f"{name}.png",
                split,
                place,
            )
            for split in ("train", "val")
            for name, place in _read_names(lists / f"{split}.txt")
        ]

    def class_table(self) -> ClassTable:
        """See `DownloadedMaskData.class_table`."""
        ids = {i: i for i in range(len(VOC_CLASS_NAMES))}
        return ClassTable(VOC_CLASS_NAMES, {**ids, 255: IGNORE})


def _read_names(path: Path) -> list[tuple[str, str]]:
    """The first word of each line of a list, and the line's place."""
    if not path.is_file():
        raise VisusError(f"{path}: is missing; remove its folder, so that it is downloaded again")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        (line.split()[0], f"{path}:{number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    ]
