"""Output folders whose content appears as a whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visus.vision.errors import VisusError
from visus.vision.output_files import unwritable


def refuse_used_folder(folder: Path) -> None:
    """Refuse a folder that has content.

    Raises:
        VisusError: If it is neither missing nor an empty folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise VisusError(f"--output {folder}: is not empty; name a new folder")


@contextmanager
def complete_folder(output: Path, last: str = "") -> Iterator[Path]:
    """A folder to write to, whose content appears in another one once it is complete.

    Args:
        output: A folder that is missing or empty.
        last: The name of the file without which the folder does not count as written.

    Yields:
        A hidden folder: in `output` if that exists, as it may be a link or a mounted file system,
        otherwise beside it.

    Raises:
        VisusError: If the folder is not empty or cannot be written; it is as before then.
    """
    refuse_used_folder(output)
    target = output.resolve()
    name = f".{target.name[:32]}.{os.getpid()}.part"
    exists = target.exists()
    part = target / name if exists else target.with_name(name)
    try:
        part.mkdir(parents=True)
        yield part
        if exists:
            move_entries(part, target, last)
        else:
            part.replace(target)
    except OSError as error:
        raise unwritable(output, error) from error
    except VisusError as error:
        # The hidden folder is not the user's.
        raise type(error)(str(error).replace(str(part), str(output))) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def move_entries(source: Path, target: Path, last: str = "") -> None:
    """Move all files and folders of a folder into another one of the same file system.

    Args:
        source: The folder that becomes empty.
        target: The other one; files of the same names are replaced.
        last: The name of the one that is moved last.
    """
    for path in sorted(source.iterdir(), key=lambda path: path.name == last):
        path.replace(target / path.name)
