"""Checks of output files: they overwrite neither inputs nor each other."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from visus.vision.errors import VisusError
from visus.vision.output_files import refuse_overwriting


def check_outputs(
    outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path | None]
) -> None:
    """Refuse output files before anything is read or written.

    Args:
        outputs: Files by the option that names them; None and `-` are ignored.
        inputs: Files that are read; None and names that are not files are ignored.

    Raises:
        VisusError: If a file is also an input, two are the same, or one is an address.
    """
    paths = {option: Path(to) for option, to in outputs.items() if to is not None and to != "-"}
    existing = [each for each in inputs if each is not None]
    taken: dict[Path, str] = {}
    for option, path in paths.items():
        if option == "--jsonl" and path.suffix.lower() == ".csv":
            raise VisusError(
                f"{option} {path}: each line of the file is a JSON object; call it .jsonl, and "
                "read it by pandas.read_json(FILE, lines=True)"
            )
        if re.match(r"[A-Za-z][\w+.-]+:/", path.as_posix()):
            raise VisusError(f"{option} {path}: is an address; name a file")
        for each in existing:
            refuse_overwriting(path, each)
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise VisusError(f"{option} {path}: {other} writes to it too; name two")
