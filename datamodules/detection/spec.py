"""The specification of detection data, free of torch."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
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
    from visus.datamodules.core.detection_files import DetectionListing
    from visus.datamodules.core.label_writer import LabelWriter
    from visus.vision.metadata import ModelMetadata

_TITLES = {"coco": "COCO labels", "voc": "Pascal VOC labels", "yolo": "YOLO labels"}


class DetectionDataSpec(DataSpec):
    """Images with labelled bounding boxes: COCO JSON, Pascal VOC XML or YOLO text files."""

    task = "detection"
    options = (
        DataOption("--format", "format of the labels; recognised by default", choices=(*_TITLES,)),
        DataOption(
            "--exif",
            "whether labels refer to images with their EXIF orientation applied",
            choices=("auto", "apply", "ignore"),
            default="auto",
        ),
        IN_CHANNELS,
        ALLOW_OUTSIDE,
    )
    conversions = (*_TITLES, "shards")
    label_formats = (*_TITLES,)
    sample_folder = "boxes"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.detection.data import ImageDetectionData
        from visus.datamodules.detection.scenes import ScenesDetectionData

        return ImageDetectionData, ScenesDetectionData

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`."""
        from visus.datamodules.core.detection_files import found_formats
        from visus.datamodules.core.formats import coco

        formats = found_formats(path)
        if formats == ["coco"]:
            # COCO's files of captions have no categories.
            files = coco.find(path)
            if not any(b'"categories"' in file.read_bytes() for file in files):
                return ""
        return " and ".join(_TITLES[format] for format in formats)

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        return _report(_read(path, values), path)

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """See `DataSpec.check_module`."""
        from visus.datamodules.detection.data import ImageDetectionData

        if not isinstance(data, ImageDetectionData):
            return super().check_module(data)
        return _report(data.read_listing(), data.root)

    def draw(self, path: Path, values: Mapping[str, Any], folder: Path) -> int:
        """See `DataSpec.draw`."""
        from visus.datamodules.detection.draw_labels import draw_labels

        applied, ignored = (_read(path, {**values, "exif": each}) for each in ("apply", "ignore"))
        return draw_labels(applied, ignored, folder)

    def convert(self, path: Path, values: Mapping[str, Any], to: str, output: Path) -> DataReport:
        """See `DataSpec.convert`."""
        from visus.datamodules.detection.convert import convert

        if to == "shards":
            return super().convert(path, values, to, output)
        listing = _read(path, values)
        lost = convert(listing, to, output)
        objects = sum(len(image.objects) for image in listing.samples)
        line = (
            f"{len(listing.samples)} images with {objects} objects written to {output} as {to}; "
            f"{listing.left_out} bad ones were left out"
        )
        return DataReport([line], (*listing.problems, *lost))

    def label_writer(self, format: str, folder: Path, metadata: "ModelMetadata") -> "LabelWriter":
        """See `DataSpec.label_writer`."""
        from visus.datamodules.detection.label_writer import DetectionLabelWriter

        return DetectionLabelWriter(folder, format, metadata)

    def write_sample(self, folder: Path) -> None:
        """See `DataSpec.write_sample`."""
        from visus.datamodules.detection.samples import write_boxes

        write_boxes(folder, "coco")

    def sample_layouts(self) -> "Mapping[str, Callable[[Path], None]]":
        """See `DataSpec.sample_layouts`."""
        from visus.datamodules.detection.samples import write_boxes

        return {name: partial(write_boxes, format=name) for name in ("voc", "yolo")}


def _read(path: Path, values: Mapping[str, Any]) -> "DetectionListing":
    from visus.datamodules.core.detection_files import read_detection

    return read_detection(
        path,
        values["format"],
        exif=values["exif"],
        allow_outside=values["allow_outside"],
        in_channels=values["in_channels"],
    )


def _report(listing: "DetectionListing", root: Path) -> DataReport:
    """Objects of each class and split, and the sizes of images and objects."""
    from rich.table import Table

    from visus.datamodules.core.pairing import linked_line

    splits = sorted({image.split for image in listing.samples})
    table = Table("class", *(split or "objects" for split in splits), title=listing.format or None)
    by_split = [[image for image in listing.samples if image.split == split] for split in splits]
    counts = [Counter(o.label for image in images for o in image.objects) for images in by_split]
    for name in listing.class_names:
        table.add_row(name, *(str(count[name]) for count in counts))
    table.add_section()
    table.add_row("images", *(str(len(images)) for images in by_split))
    empty = [sum(not image.objects for image in images) for images in by_split]
    table.add_row("of these without objects", *map(str, empty))
    lines: list[Table | str] = [table, *size_line([image.size for image in listing.samples])]
    objects = [item for image in listing.samples for item in image.objects]
    sides = sorted(min(o.box[2] - o.box[0], o.box[3] - o.box[1]) for o in objects)
    if sides:
        masks = sum(item.has_mask for item in objects)
        lines.append(
            f"{len(objects)} objects, shorter sides {sides[0]:g} to {sides[-1]:g} px, median "
            f"{sides[len(sides) // 2]:g} px; {masks} have masks"
        )
    if ignored := sum(item.ignored for item in objects):
        lines.append(f"{ignored} of the objects are crowds or difficult, and not trained on")
    return DataReport([*lines, *linked_line(root)], listing.problems)
