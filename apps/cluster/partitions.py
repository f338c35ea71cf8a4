"""The partitions of a prediction: which images each file of the output holds, and which exist."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visus.apps.runs import BUNDLE
from visus.vision.errors import VisusError
from visus.vision.output_files import write_text

_IMAGES = 256
"""Images of a partition: what a worker that is killed has to do again."""

_PLAN = "prediction.json"
"""What the partitions of a folder belong to."""


@dataclass(frozen=True)
class Partitions:
    """The files of an output folder, each with the predictions of consecutive images.

    Args:
        folder: The output folder.
        suffix: `.jsonl` or `.parquet`.
        images: All images, in order.
    """

    folder: Path
    suffix: str
    images: Sequence[Path]

    def __len__(self) -> int:
        """Number of partitions."""
        return -(-len(self.images) // _IMAGES)

    def file(self, number: int) -> Path:
        """The file of a partition."""
        return self.folder / f"part-{number:06d}{self.suffix}"

    def members(self, number: int) -> list[Path]:
        """The images of a partition."""
        return list(self.images[number * _IMAGES : (number + 1) * _IMAGES])

    def missing(self) -> list[int]:
        """The partitions that have no file yet; a file is complete once it exists."""
        return [number for number in range(len(self)) if not self.file(number).exists()]

    def claim(self, model: Path | str, options: Mapping[str, Any]) -> None:
        """Create the folder, or continue in it if it belongs to the same prediction.

        Args:
            model: The model's file, or the name of ready-made weights.
            options: What else the predictions depend on; plain values.

        Raises:
            VisusError: If it belongs to another one, or holds other files.
        """
        listed = hashlib.sha256(os.fsencode("\n".join(map(str, self.images)))).hexdigest()
        plan = {
            "images": len(self.images),
            "list_sha256": listed,
            "model_sha256": _digest(model),
            "options": {key: str(value) for key, value in options.items()},
            "suffix": self.suffix,
        }
        file = self.folder / _PLAN
        if not self.folder.exists() or not any(self.folder.iterdir()):
            write_text(file, json.dumps(plan, indent=1) + "\n")
            return
        try:
            found = json.loads(file.read_text())
        except (OSError, ValueError):
            raise VisusError(
                f"{self.folder}: is not empty, and holds no {_PLAN}; name a new folder"
            ) from None
        differing = [key for key, value in plan.items() if found.get(key) != value]
        if differing:
            raise VisusError(
                f"{self.folder}: holds predictions of other images, of another model or with other "
                f"options ({', '.join(differing)} in {_PLAN}); name a new folder"
            )


def _digest(model: Path | str) -> str:
    """The SHA-256 of a model: of its name, or of its file; of a folder also of its networks."""
    if isinstance(model, str):
        return hashlib.sha256(model.encode()).hexdigest()
    content = model.read_bytes()
    if model.name == BUNDLE:
        networks = sorted(model.parent.glob("*.onnx"))
        content += b"".join(hashlib.sha256(each.read_bytes()).digest() for each in networks)
    return hashlib.sha256(content).hexdigest()
