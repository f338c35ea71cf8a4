"""Read an exported pipeline: a folder of networks that runs without torch."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from visus.apps.inference.backends import damaged, load_network
from visus.apps.inference.exported import load_exported
from visus.apps.inference.integrity import check_integrity
from visus.tasks.export_spec import PipelineParts
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.model import Model

FORMAT = 3


def load_bundle(path: Path, runtime: str) -> Model:
    """Load a folder that `visus.apps.export.bundle.export_bundle` wrote.

    Args:
        path: The folder's `bundle.json`.
        runtime: A runtime of `.onnx` files.

    Raises:
        VisusError: If a file is missing or damaged, or the folder is of a newer format.
    """
    check_integrity(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        while values["format"] in _MIGRATIONS:
            values = _MIGRATIONS[values["format"]](values)
        version = values["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    if version != FORMAT:
        raise VisusError(
            f"{path}: has format {version}, this visus reads up to {FORMAT}; install a newer visus"
        )
    folder = path.parent
    for name in (values["network"], *values["networks"]):
        if not isinstance(name, str) or re.fullmatch(r"\w[\w.-]*", name) is None:
            raise VisusError(f"{path}: refused, {name!r} is not a file of this folder")
    networks = {name: load_network(folder / f"{name}.onnx", runtime) for name in values["networks"]}
    model = load_exported(folder / values["network"], runtime)
    model.name = str(folder)
    parts = PipelineParts(networks, values["values"])
    return task_spec(model.metadata.task).pipeline(model, parts)


def _from_2(values: dict[str, Any]) -> dict[str, Any]:
    """The names of the networks were fixed."""
    return {
        "format": 3,
        "network": "faces.onnx",
        "networks": ["propose", "refine", "output"],
        "values": {"fingerprint": values["fingerprint"]},
    }


_MIGRATIONS: dict[Any, Callable[[dict[str, Any]], dict[str, Any]]] = {2: _from_2}
"""From each earlier format to the next one."""
