"""Oxford-IIIT Pet and Pascal VOC 2012 as downloaded by torchvision."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visus.datamodules.core.archives import download
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.text_files import read_text
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
    def read_pairs(self) -> tuple[list[MaskedImage], list[Problem]]:
        """The images and their masks, downloaded if they are missing, and problems of lists."""

    @abstractmethod
    def class_table(self) -> ClassTable:
        """The meaning of the values in its masks."""

    def read_listing(self) -> SegmentationListing:
        """See `MaskedImageData.read_listing`."""
        table = self.class_table()
        if self.given_names is not None:
            table = table.reordered(self.given_names)
        pairs, problems = self.read_pairs()
        return check_pairs(self.root, pairs, table, problems)


class OxfordPetData(DownloadedMaskData):
    """Cats and dogs against their background (Parkhi et al. 2012), 7,349 photographs, 800 MB.

    The outline between both, a few pixels wide, is unlabelled. Arguments as `DownloadedMaskData`.
    """

    def read_pairs(self) -> tuple[list[MaskedImage], list[Problem]]:
        """See `DownloadedMaskData.read_pairs`; a part of `trainval` is held out for validation."""
        folder = self.root / "oxford-iiit-pet"
        if not (folder / "annotations" / "trainval.txt").is_file():
            download("OxfordIIITPet", self.root)
        lists = {"trainval.txt": "", "test.txt": "test"}
        masks = folder / "annotations" / "trimaps"
        # A line holds a name and three numbers.
        return _listed(folder / "annotations", lists, folder / "images", masks, numbers=3)

    def class_table(self) -> ClassTable:
        """See `DownloadedMaskData.class_table`."""
        return ClassTable(("background", "pet"), {1: 1, 2: 0, 3: IGNORE})


class VOCSegmentationData(DownloadedMaskData):
    """Pascal VOC 2012 (Everingham et al. 2012): 20 object classes, 2,913 photographs, 2 GB.

    Arguments as `DownloadedMaskData`.
    """

    def read_pairs(self) -> tuple[list[MaskedImage], list[Problem]]:
        """See `DownloadedMaskData.read_pairs`."""
        folder = self.root / "VOCdevkit" / "VOC2012"
        lists = folder / "ImageSets" / "Segmentation"
        if not (lists / "train.txt").is_file():
            download("VOCSegmentation", self.root)
        splits = {"train.txt": "train", "val.txt": "val"}
        return _listed(lists, splits, folder / "JPEGImages", folder / "SegmentationClass")

    def class_table(self) -> ClassTable:
        """See `DownloadedMaskData.class_table`."""
        ids = {i: i for i in range(len(VOC_CLASS_NAMES))}
        return ClassTable(VOC_CLASS_NAMES, {**ids, 255: IGNORE})


def _listed(
    folder: Path, lists: Mapping[str, str], images: Path, masks: Path, numbers: int = 0
) -> tuple[list[MaskedImage], list[Problem]]:
    """The images and masks that lists of names name.

    Args:
        folder: The folder of the lists.
        lists: The split of each list by its name.
        images: The folder of the images.
        masks: The folder of the masks.
        numbers: How many numbers follow the name in each line.
    """
    pairs: list[MaskedImage] = []
    problems: list[Problem] = []
    named: dict[Path, str] = {}
    image_files, mask_files = NamedFiles(images), NamedFiles(masks)
    for name, split in lists.items():
        path = folder / name
        if not path.is_file():
            message = "is missing; remove its folder, so that it is downloaded again"
            problems.append(Problem(str(path), message, "fatal"))
            continue
        try:
            lines = read_text(path).split("\n")
        except VisusError as error:
            problems.append(Problem(str(path), str(error), "fatal"))
            continue
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            place = f"{path}:{number}"
            words = line.strip().rsplit(maxsplit=numbers) if numbers else [line.strip()]
            if len(words) != numbers + 1 or not all(word.isdecimal() for word in words[1:]):
                problems.append(
                    Problem(place, f"{shown(line)} is not a name and {numbers} numbers", "error")
                )
                continue
            try:
                image = image_files.find(f"{words[0]}.jpg", [images])
                mask = mask_files.find(f"{words[0]}.png", [masks])
            except NamedFileError as error:
                problems.append(Problem(place, str(error), "error"))
                continue
            first = named.setdefault(image, place)
            if first == place:
                pairs.append(MaskedImage(image, mask, split, place))
            else:
                message = f"{shown(words[0])} is listed in {first} already; remove one"
                problems.append(Problem(place, message, "error"))
    return pairs, problems
