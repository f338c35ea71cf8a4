"""Read the text files of a data set."""

from pathlib import Path

from visus.vision.errors import VisusError
from visus.vision.image_files import list_files


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        VisusError: If it cannot be read or is not UTF-8; the message names no file.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte {error.start}); save it as UTF-8"
        raise VisusError(message) from None
    except OSError as error:
        raise VisusError(f"cannot be read ({error.strerror}); check its permissions") from None


def first_unrecognised(root: Path) -> str:
    """A remark that names a file which might be one of labels, but is none; empty for none."""
    others = list_files(root).others if root.is_dir() else (str(root),)
    named = [path for path in others if path.lower().endswith((".csv", ".json", ".txt"))]
    return f" ({named[0]} is none of these)" if named else ""
