"""Read the JSON files of a data set."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from visus.datamodules.core.problems import shown
from visus.datamodules.core.text_files import read_text
from visus.vision.errors import VisusError


def read_json(path: Path) -> Any:
    """The content of a JSON file, no object of which has a key twice.

    Raises:
        VisusError: If it cannot be read or is not JSON; the message names no file.
    """
    try:
        # Values such as NaN are left to those that name their places.
        return json.loads(read_text(path), object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise VisusError(
            f"is not valid JSON (line {error.lineno}: {error.msg}); export it again"
        ) from None
    except (ValueError, RecursionError) as error:
        # Python refuses numbers of thousands of digits, and lists within a thousand lists.
        raise VisusError(f"is not usable JSON ({error}); export it again") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object has the key {shown(key)} twice")
    return content
