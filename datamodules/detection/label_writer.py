"""Write detections as the labels of a new data set: COCO, Pascal VOC or YOLO."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from visus.datamodules.core.detection_files import FORMATS
from visus.datamodules.core.label_writer import LabelWriter, store_image
from visus.datamodules.core.labels import Box, LabelledImage, LabelledObject
from visus.datamodules.core.object_checks import mask_bounds
from visus.datamodules.core.outlines import trace_outlines
from visus.vision.frames import Frame
from visus.vision.masks import decode_mask


class DetectionLabelWriter(LabelWriter):
    """Writes an image for each frame at once, and the labels of all at the end.

    Args:
        folder: See `LabelWriter`.
        format: `coco`, `voc` or `yolo`.
        metadata: The model's.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._images: list[LabelledImage] = []
        self._names: list[Path] = []

    def write(self, frame: Frame, entry: Mapping[str, Any], name: str) -> Path:
        """See `LabelWriter.write`."""
        # YOLO's text files hold one outline.
        objects = _objects(entry, 1 if self.format == "yolo" else None)
        size = frame.image.shape[:2]
        image = LabelledImage(Path(name), objects, "", frame.source, size=size)
        target: Path = FORMATS[self.format].image_path(self.folder, "", Path(name))
        store_image(frame, target)
        self._images.append(image)
        self._names.append(Path(name))
        return target

    def write_lists(self) -> None:
        """See `LabelWriter.write_lists`."""
        names = self.metadata.class_names
        FORMATS[self.format].write(self._images, self._names, names, self.folder)


def _objects(entry: Mapping[str, Any], most: int | None) -> tuple[LabelledObject, ...]:
    """The detections that can be labels: a pixel wide and high at least, one for each box.

    Masks become outlines, which labelling tools can edit, at most `most` for an object.
    """
    objects: dict[Box, LabelledObject] = {}
    for each in entry["detections"]:
        item = LabelledObject(each["label"], tuple(each["box"]), "", score=each["score"])
        mask = each.get("segmentation")
        if mask is not None:
            rings = trace_outlines(decode_mask(mask["size"], mask["counts"]))
            outlined = replace(item, polygons=rings[:most])
            bounds = mask_bounds(outlined)
            if bounds is not None:
                item = replace(outlined, box=bounds)
        x1, y1, x2, y2 = item.box
        if x2 - x1 >= 1 and y2 - y1 >= 1:
            # The detection of highest score comes first.
            objects.setdefault(item.box, item)
    return tuple(objects.values())
