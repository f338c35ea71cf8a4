"""Oxford-IIIT Pet and Pascal VOC 2012 as torchvision downloads them."""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path

from visus.datamodules.core.archives import download
from visus.datamodules.core.base import raise_or_warn
from visus.datamodules.segmentation.augment import MaskAugmentation
from visus.datamodules.segmentation.class_table import ClassTable
from visus.datamodules.segmentation.data import MaskedImageData, WholeGeometry
from visus.datamodules.segmentation.files import SegmentationListing, check_pairs
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.tasks.segmentation.networks.ready_made import voc_class_names
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE


class DownloadedMaskData(MaskedImageData):
    """A data set that is downloaded where it is absent; a subclass lists its files.

    Args:
        root: The folder that holds it, or to download it into.
        image_size: See `MaskedImageData`.
        crop_size: "
        resize_mode: "
        val_share: "
        fold: "
        batch_size: "
        num_workers: "
        augment: "
        skip_bad: Leave out bad images and count them, instead of refusing.
        class_names: The classes as a checkpoint states them.
    """

    def __init__(
        self,
        root: str = "data",
        image_size: tuple[int, int] | None = None,
        crop_size: tuple[int, int] | None = None,
        resize_mode: WholeGeometry = "letterbox",
        val_share: float = 0.2,
        fold: int = 0,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: MaskAugmentation = "crops",
        skip_bad: bool = False,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(
            image_size,
            crop_size,
            resize_mode,
            val_share,
            fold,
            batch_size,
            num_workers,
            augment,
            in_channels=3,
            evaluate_all=False,
        )
        self.root = Path(root)
        self.skip_bad = skip_bad
        self.given_names = class_names

    @abstractmethod
    def pairs(self) -> list[MaskedImage]:
        """The images and their masks, downloaded if need be."""

    @abstractmethod
    def table(self) -> ClassTable:
        """What the values of its masks mean."""

    @cached_property
    def listing(self) -> SegmentationListing:
        """See `MaskedImageData.listing`."""
        table = self.table()
        if self.given_names is not None:
            table = table.renumbered(self.given_names)
        listing = check_pairs(self.root, self.pairs(), table)
        raise_or_warn(listing.problems, self.skip_bad)
        self.skipped = listing.left_out
        return listing


class OxfordPetData(DownloadedMaskData):
    """Cats and dogs against their background (Parkhi et al. 2012), 7,349 photographs, 800 MB.

    The outline, a few pixels wide between both, is neither learnt nor counted. Arguments as
    `DownloadedMaskData`.
    """

    def pairs(self) -> list[MaskedImage]:
        """See `DownloadedMaskData.pairs`; some of `trainval` are held out for validation."""
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
            for name, place in _listed(folder / "annotations" / f"{part}.txt")
        ]

    def table(self) -> ClassTable:
        """See `DownloadedMaskData.table`."""
        return ClassTable(("background", "pet"), {1: 1, 2: 0, 3: IGNORE})


class VOCSegmentationData(DownloadedMaskData):
    """Pascal VOC 2012 (Everingham et al. 2012): 20 kinds of things, 2,913 photographs, 2 GB.

    Arguments as `DownloadedMaskData`.
    """

    def pairs(self) -> list[MaskedImage]:
        """See `DownloadedMaskData.pairs`."""
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
            for name, place in _listed(lists / f"{split}.txt")
        ]

    def table(self) -> ClassTable:
        """See `DownloadedMaskData.table`."""
        names = tuple(voc_class_names())
        return ClassTable(names, {**{i: i for i in range(len(names))}, 255: IGNORE})


def _listed(path: Path) -> list[tuple[str, str]]:
    """The names in a list, the first word of each line, with their places."""
    if not path.is_file():
        raise VisusError(f"{path}: is missing; remove its folder, so that it is downloaded anew")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        (line.split()[0], f"{path}:{number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    ]
