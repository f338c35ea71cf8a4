"""Output files: named after their sources, and never written over files that are read."""

import io
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EACCES, EISDIR
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from PIL import Image

from visus.vision.errors import VisusError
from visus.vision.images import Pixels


class OutputNames:
    """Distinct file names in a folder, made from the names of sources.

    Args:
        folder: Folder of the files.
        inputs: Files that are read, none of which gets the name of an output.
    """

    def __init__(self, folder: Path, inputs: Iterable[str | Path] = ()) -> None:
        self.folder = folder
        # Case does not tell files apart on every system.
        self._taken: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._inputs = {
            path.name.casefold() for path in map(Path, inputs) if _is_same(path.parent, folder)
        }

    def name(self, source: str, ending: str) -> Path:
        """The path of the output file for a source.

        Args:
            source: Name or path of the source.
            ending: The ending of the file name, such as `.jpg`.

        Raises:
            VisusError: If that is an input, or an existing file beside the source.
        """
        name = stem = Path(source).stem
        key = (stem + ending).casefold()
        while (name + ending).casefold() in self._taken:
            self._attempts[key] = self._attempts.get(key, 1) + 1
            name = f"{stem}-{self._attempts[key]}"
        self._taken.add((name + ending).casefold())
        path = self.folder / (name + ending)
        refuse_overwriting(path, source)
        if path.name.casefold() in self._inputs and path.exists():
            raise VisusError(f"{path}: would be overwritten, it is read too; write elsewhere")
        if path.exists() and Path(source).exists() and _is_same(Path(source).parent, self.folder):
            raise VisusError(f"{path}: lies beside the source and exists; write elsewhere")
        return path


def _is_same(folder: Path, other: Path) -> bool:
    """Whether two paths are the same existing folder."""
    return folder == other or (folder.exists() and other.exists() and folder.samefile(other))


def refuse_overwriting(path: Path, source: str | Path) -> None:
    """Refuse to write a result over the file that it is made from.

    Raises:
        VisusError: If both paths are the same file.
    """
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise VisusError(f"{path}: would be overwritten, it is read here; write elsewhere")


def refuse_unwritable(path: Path) -> None:
    """Refuse a file that cannot be written, before what it will contain is computed.

    Raises:
        VisusError: If it is a folder, or its folder cannot be created or written to; of a device
            or a pipe, if it cannot be written to itself.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if path.exists() and not path.is_file():
            if not os.access(path, os.W_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
            return
        # A link is not replaced, but the file that it points to.
        folder = path.resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes the file's place once it is complete.

    Args:
        path: The file; its folder is created.

    Yields:
        A hidden path beside it with the same ending; where `path` is a device or a pipe, itself.

    Raises:
        VisusError: If it cannot be written; an earlier file is unchanged.
    """
    # A link is not replaced, but the file that it points to.
    target = path.resolve()
    special = target.exists() and not target.is_file()
    # The names of files may be as long as the file system allows.
    name = f".{target.stem[:32]}.{uuid4().hex[:12]}.part{target.suffix}"
    part = target if special else target.with_name(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if not special:
            os.replace(part, target)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        if not special:
            part.unlink(missing_ok=True)


def copy_image(source: Path, target: Path) -> None:
    """Copy a file; see `replacing`.

    Raises:
        VisusError: If the one cannot be read, or the other not written.
    """
    try:
        stream = source.open("rb")
    except OSError as error:
        raise VisusError(f"{source}: cannot be read ({error.strerror}); check the file") from None
    with stream, replacing(target) as part, part.open("wb") as copy:
        shutil.copyfileobj(stream, copy)


def open_private(path: str, flags: int) -> int:
    """An opener for `open` whose file only the user may read, also where it existed before."""
    descriptor = os.open(path, flags, 0o600)
    if os.name == "posix" and stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    return descriptor


def unwritable(path: str | Path, error: OSError) -> VisusError:
    """The error for an output that cannot be written."""
    return VisusError(
        f"{path}: cannot be written ({error.strerror or error}); check its folder and the disk"
    )


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; see `replacing` and `encode_utf8`."""
    encoded = encode_utf8(text, path)
    with replacing(path) as part:
        part.write_bytes(encoded)


def encode_utf8(text: str, path: str | Path) -> bytes:
    """A text in UTF-8.

    Args:
        text: It may contain the names of files.
        path: What it is written to, for the message.

    Raises:
        VisusError: If the name of a file is not UTF-8.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = os.fsencode(error.object[max(0, error.start - 40) : error.end + 40])
        raise VisusError(
            f"{path}: cannot be written, as the name {near!r} is not UTF-8; rename that file"
        ) from None


def write_image(path: Path, image: Pixels) -> None:
    """Write an image in the format of the file name's ending.

    Args:
        path: Path of the file; its folder is created.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If it cannot be written; an earlier file is unchanged.
    """
    # Pillow takes the format from the name. Its own writing to a file ignores a full disk.
    encoded = io.BytesIO()
    encoded.name = str(path)
    try:
        Image.fromarray(image).save(encoded, quality=92)
    except Exception as error:
        # Pillow's writers raise errors of many classes, such as for an image that is too large for
        # the format.
        height, width = image.shape[:2]
        raise VisusError(
            f"{path}: an image of {width} x {height} cannot be written in this format ({error}); "
            "write a .png"
        ) from None
    with replacing(path) as part:
        part.write_bytes(encoded.getvalue())
