"""The specification of classification data, free of torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import (
    ALLOW_OUTSIDE,
    IN_CHANNELS,
    DataReport,
    DataSpec,
    size_line,
)

if TYPE_CHECKING:
    from visus.datamodules.classification.checks import Listing
    from visus.datamodules.core.base import VisionDataModule
    from visus.datamodules.core.label_writer import LabelWriter
    from visus.vision.metadata import ModelMetadata


class ClassificationDataSpec(DataSpec):
    """Images with labels: a folder of class folders, or a CSV of paths and labels."""

    task = "classification"
    fallback = True
    options = (IN_CHANNELS, ALLOW_OUTSIDE)
    conversions = ("shards",)
    label_formats = ("folders", "csv")
    sample_folder = "photos"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.classification.arrays import (
            CIFAR10Data,
            DigitsData,
            FashionMNISTData,
            ScenesClassificationData,
        )
        from visus.datamodules.classification.data import ImageClassificationData
        from visus.datamodules.classification.npz import NpzData

        return (
            ImageClassificationData,
            CIFAR10Data,
            DigitsData,
            FashionMNISTData,
            NpzData,
            ScenesClassificationData,
        )

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`."""
        from visus.datamodules.classification.files import has_class_folders, is_labels

        if is_labels(path):
            return "a CSV of labels"
        return "class folders" if has_class_folders(path) else ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        from visus.datamodules.classification.checks import read_listing

        listing = read_listing(
            path, allow_outside=values["allow_outside"], in_channels=values["in_channels"]
        )
        return _report(listing, path)

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """See `DataSpec.check_module`."""
        from visus.datamodules.classification.data import ImageClassificationData

        if not isinstance(data, ImageClassificationData):
            return super().check_module(data)
        return _report(data.read_listing(), data.root)

    def label_writer(self, format: str, folder: Path, metadata: "ModelMetadata") -> "LabelWriter":
        """See `DataSpec.label_writer`."""
        from visus.datamodules.classification.label_writer import ClassLabelWriter

        return ClassLabelWriter(folder, format, metadata)

    def write_sample(self, folder: Path) -> None:
        """See `DataSpec.write_sample`."""
        from visus.datamodules.classification.samples import write_folders

        write_folders(folder)

    def sample_layouts(self) -> "Mapping[str, Callable[[Path], None]]":
        """See `DataSpec.sample_layouts`."""
        from visus.datamodules.classification.samples import write_csv, write_several, write_splits

        return {"splits": write_splits, "csv": write_csv, "several_labels": write_several}


def _report(listing: "Listing", root: Path) -> DataReport:
    """Report the number of images of each class and split."""
    from rich.table import Table

    from visus.datamodules.core.class_labels import count_classes
    from visus.datamodules.core.pairing import linked_line

    splits = sorted({sample.split for sample in listing.samples})
    table = Table("class", *(split or "images" for split in splits))
    counts = [
        count_classes([s for s in listing.samples if s.split == split], listing.class_names)
        for split in splits
    ]
    for i, name in enumerate(listing.class_names):
        table.add_row(name, *(str(column[i]) for column in counts))
    lines: list[Table | str] = [table]
    if listing.multi_label:
        lines.append("several labels an image")
    lines += [*size_line([sample.size for sample in listing.samples]), *linked_line(root)]
    return DataReport(lines, listing.problems)
