"""Write predicted masks as the labels of a new data set."""

import base64
import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from visus.datamodules.core.label_writer import LabelWriter, store_image
from visus.datamodules.core.pairing import LABEL_MAP
from visus.vision.frames import Frame
from visus.vision.output_files import replacing, write_text


class MaskLabelWriter(LabelWriter):
    """Writes `images`, `masks` of class ids in the classes' colours, and the colours in two files.

    These are `classes.csv` and CVAT's `labelmap.txt`.

    Args:
        folder: See `LabelWriter`.
        format: `masks`.
        metadata: The model's.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._palette: list[int] = []

    def write(self, frame: Frame, entry: Mapping[str, Any], name: str) -> Path:
        """See `LabelWriter.write`."""
        mask = base64.b64decode(entry["mask"])
        if not self._palette:
            with Image.open(io.BytesIO(mask)) as image:
                self._palette = image.getpalette() or []
        target = self.folder / "images" / name
        store_image(frame, target)
        with replacing(self.folder / "masks" / f"{target.stem}.png") as part:
            part.write_bytes(mask)
        return target

    def write_lists(self) -> None:
        """See `LabelWriter.write_lists`."""
        names = self.metadata.class_names
        colours = [tuple(self._palette[3 * i : 3 * i + 3]) for i in range(len(names))]
        # Without values the masks may also be RGB, as labelling tools export them.
        distinct = len(set(colours)) == len(names)
        table = io.StringIO(newline="")
        rows = csv.writer(table)
        rows.writerow(("name", "colour") if distinct else ("name", "colour", "value"))
        for value, (name, colour) in enumerate(zip(names, colours, strict=True)):
            text = "#" + "".join(f"{part:02x}" for part in colour)
            rows.writerow((name, text) if distinct else (name, text, value))
        write_text(self.folder / "classes.csv", table.getvalue())
        lines = ["# label:color_rgb:parts:actions"]
        for name, (red, green, blue) in zip(names, colours, strict=True):
            lines.append(f"{name}:{red},{green},{blue}::")
        write_text(self.folder / LABEL_MAP, "\n".join([*lines, ""]))
