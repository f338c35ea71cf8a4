"""The digest that an exported file holds of itself, and the refusal of altered files."""

import hashlib
import re
from pathlib import Path

from visus.vision.errors import VisusError

_MARK = "visus-sha256:"
_LENGTH = 64

_LINK = re.compile(rb"location(?<=[\x00\x08]location)")
"""The key of a reference of an .onnx file to weights in another file.

The byte before it is the last one of its length, 8, in any of protobuf's encodings.
"""

BLANK_DIGEST = _MARK + "0" * _LENGTH
"""The field of the digest as an exporter writes it, before `fill_in_digest`."""


def fill_in_digest(path: Path) -> None:
    """Replace `BLANK_DIGEST` in a file by the SHA-256 of all its bytes with that field blank.

    This covers weights and metadata in any file format.

    Raises:
        ValueError: If the file does not contain the field.
    """
    data = path.read_bytes()
    start = data.rindex(BLANK_DIGEST.encode()) + len(_MARK)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(_digest(data, start))


def check_integrity(path: Path) -> None:
    """Refuse an exported file that was altered, or that refers to other files.

    Files of earlier versions hold no digest. visus exports no file that refers to others; in a file
    from elsewhere these may be any files of this machine.

    Raises:
        VisusError: If it is refused, or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VisusError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    # Metadata are at the end of an .onnx file.
    mark = data.rfind(_MARK.encode())
    start = mark + len(_MARK)
    if mark >= 0 and data[start : start + _LENGTH] != _digest(data, start):
        raise VisusError(
            f"{path}: cannot be loaded (it differs from the file that was exported); "
            "use another copy, or export it again"
        )
    if path.suffix.lower() == ".onnx" and _LINK.search(data):
        raise VisusError(
            f"{path}: refused, its weights lie in other files; export it again as one file"
        )


def _digest(data: bytes, start: int) -> bytes:
    digest = hashlib.sha256(data[:start])
    digest.update(b"0" * _LENGTH)
    digest.update(memoryview(data)[start + _LENGTH :])
    return digest.hexdigest().encode()
