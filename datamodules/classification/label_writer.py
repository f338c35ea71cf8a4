"""Write predicted classes as the labels of a new data set: class folders, or a CSV."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visus.datamodules.core.label_writer import LabelWriter, store_image
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.output_files import write_text


class ClassLabelWriter(LabelWriter):
    """Writes class folders, in which a wrong label is corrected by moving a file, or a CSV.

    Args:
        folder: See `LabelWriter`.
        format: `folders`, or `csv` for `images` and a `labels.csv`.
        metadata: The model's.

    Raises:
        VisusError: If the classes cannot be folders.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rows_of_csv: list[tuple[str, str]] = []
        self._several = bool(self.metadata.options.get("multi_label", False))
        if self.format != "folders":
            return
        if self._several:
            raise VisusError(
                "--labels folders: the model gives an image several labels; write --labels csv"
            )
        for name in self.metadata.class_names:
            if Path(name).name != name or name.startswith(".") or "\\" in name:
                raise VisusError(
                    f"--labels folders: the class {name!r} cannot be a folder's name; write "
                    "--labels csv"
                )

    def write(self, frame: Frame, entry: Mapping[str, Any], name: str) -> Path:
        """See `LabelWriter.write`."""
        labels = [each["label"] for each in entry["classes"]]
        if not self._several:
            labels = labels[:1]
        home = labels[0] if self.format == "folders" else "images"
        target = self.folder / home / name
        store_image(frame, target)
        # A lone separator stands for an image that shows none of the classes.
        self._rows_of_csv.append((f"{home}/{name}", "|".join(labels) or "|"))
        return target

    def write_lists(self) -> None:
        """See `LabelWriter.write_lists`."""
        if self.format == "folders":
            return
        table = io.StringIO(newline="")
        csv.writer(table).writerows([("path", "label"), *self._rows_of_csv])
        write_text(self.folder / "labels.csv", table.getvalue())
