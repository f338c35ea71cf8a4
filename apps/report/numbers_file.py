"""The JSON file with all numbers of a report."""

import json
from pathlib import Path
from typing import Any

from visus.vision.output_files import write_text

_KIND = "visus report"


def write_numbers(path: Path, numbers: dict[str, Any]) -> None:
    """Write the numbers of a report, which are plain values."""
    content = {"kind": _KIND, **numbers}
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def is_report(path: Path) -> bool:
    """Whether a file holds the numbers of a report."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == _KIND
