"""Files that results go to: never over what they are made from, nor over each other."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from visus.vision.errors import VisusError
from visus.vision.output_files import refuse_overwriting


def check_outputs(
    outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path | None]
) -> None:
    """Stop before anything is read or written where a result could not go.

    Args:
        outputs: Files by the option that names them; None and `-` are none.
        inputs: What is read; None and names that are no files do no harm.

    Raises:
        VisusError: If a file is one of those that are read, two are the same, or one is an address.
    """
    paths = {option: Path(to) for option, to in outputs.items() if to is not None and to != "-"}
    read = [each for each in inputs if each is not None]
    taken: dict[Path, str] = {}
    for option, path in paths.items():
        if re.match(r"[A-Za-z][\w+.-]+:/", path.as_posix()):
            raise VisusError(f"{option} {path}: is an address; name a file")
        for each in read:
            refuse_overwriting(path, each)
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise VisusError(f"{option} {path}: {other} goes there too; name two files")
