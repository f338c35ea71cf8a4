"""The specification of segmentation data, free of torch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import (
    ALLOW_OUTSIDE,
    IN_CHANNELS,
    DataOption,
    DataReport,
    DataSpec,
    size_line,
)

if TYPE_CHECKING:
    from visus.datamodules.core.base import VisionDataModule
    from visus.datamodules.core.label_writer import LabelWriter
    from visus.datamodules.segmentation.files import SegmentationListing
    from visus.vision.metadata import ModelMetadata

_SAMPLES = 8
_SAMPLE_SIZE = (96, 96)


class SegmentationDataSpec(DataSpec):
    """Images with masks: folders of both, or a CSV that pairs them."""

    task = "segmentation"
    options = (
        DataOption("--ignore", "value or class of masks that means unlabelled", default="255"),
        DataOption(
            "--exif",
            "how EXIF orientation applies to labels",
            choices=("auto", "apply", "ignore"),
            default="auto",
        ),
        IN_CHANNELS,
        ALLOW_OUTSIDE,
    )
    conversions = ("shards",)
    label_formats = ("masks",)
    sample_folder = "masks"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.segmentation.data import ImageSegmentationData
        from visus.datamodules.segmentation.downloads import OxfordPetData, VOCSegmentationData
        from visus.datamodules.segmentation.scenes import ScenesSegmentationData

        return (ImageSegmentationData, OxfordPetData, VOCSegmentationData, ScenesSegmentationData)

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`."""
        from visus.datamodules.segmentation.files import is_segmentation

        return "images with masks" if is_segmentation(path) else ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        from visus.datamodules.core.pairing import linked_line

        return _report(_read(path, values), linked_line(path))

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """See `DataSpec.check_module`."""
        from visus.datamodules.segmentation.data import MaskedImageData

        if not isinstance(data, MaskedImageData):
            return super().check_module(data)
        return _report(data.read_listing(), [])

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """See `DataSpec.arguments`."""
        return {**values, "ignore": _ignored(values["ignore"])}

    def draw(self, path: Path, values: Mapping[str, Any], folder: Path) -> int:
        """See `DataSpec.draw`."""
        from visus.datamodules.segmentation.draw_masks import draw_masks

        return draw_masks(_read(path, values), folder)

    def label_writer(self, format: str, folder: Path, metadata: "ModelMetadata") -> "LabelWriter":
        """See `DataSpec.label_writer`."""
        from visus.datamodules.segmentation.label_writer import MaskLabelWriter

        return MaskLabelWriter(folder, format, metadata)

    def write_sample(self, folder: Path) -> None:
        """See `DataSpec.write_sample`."""
        from visus.datamodules.segmentation.samples import write_ids

        write_ids(folder)

    def sample_layouts(self) -> "Mapping[str, Callable[[Path], None]]":
        """See `DataSpec.sample_layouts`."""
        from visus.datamodules.segmentation.samples import (
            write_colours,
            write_outlines,
            write_palette,
        )

        return {"palette": write_palette, "colours": write_colours, "coco": write_outlines}


def _read(path: Path, values: Mapping[str, Any]) -> "SegmentationListing":
    """Read a data set with the values of the options."""
    from visus.datamodules.segmentation.files import read_segmentation

    return read_segmentation(
        path,
        ignore=_ignored(values["ignore"]),
        exif=values["exif"],
        in_channels=values["in_channels"],
        allow_outside=values[ALLOW_OUTSIDE.name],
    )


def _ignored(value: str) -> int | str | None:
    """The value or the class that `--ignore` names."""
    if value == "null":
        return None
    return int(value) if value.isdecimal() else value


def _report(listing: "SegmentationListing", notes: Sequence[str]) -> DataReport:
    """The fraction of pixels of each class, the number of images that show it by split, notes."""
    from rich.table import Table

    splits = sorted({image.split for image in listing.samples})
    members = [[image for image in listing.samples if image.split == split] for split in splits]
    labelled = [max(1, sum(sum(image.counts) for image in images)) for images in members]
    table = Table("class", *(f"{split or 'pixels'}, in images" for split in splits))
    for i, name in enumerate(listing.classes.names):
        cells = [
            f"{sum(image.counts[i] for image in images) / pixels:.2%}, "
            f"{sum(image.counts[i] > 0 for image in images)}"
            for images, pixels in zip(members, labelled, strict=True)
        ]
        table.add_row(name, *cells)
    table.add_section()
    table.add_row("images", *(str(len(images)) for images in members))
    pixels = [max(1, sum(i.size[0] * i.size[1] for i in images)) for images in members]
    fractions = zip(labelled, pixels, strict=True)
    table.add_row("unlabelled pixels", *(f"{1 - a / b:.2%}" for a, b in fractions))
    lines: list[Table | str] = [table, *size_line([image.size for image in listing.samples])]
    lines += notes
    return DataReport(lines, listing.problems)
