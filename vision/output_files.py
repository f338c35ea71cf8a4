"""Files that results are written to: named after their sources, and never over what is read."""

from pathlib import Path

from PIL import Image

from visus.vision.errors import VisusError
from visus.vision.images import Pixels


class OutputNames:
    """Names files in a folder after their sources: no two alike, and never a source itself.

    Args:
        folder: Where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def name(self, source: str, ending: str) -> Path:
        """A file for a source, with an ending such as `.jpg`.

        Raises:
            VisusError: If that is the source itself, or a file beside it.
        """
        stem, attempt = Path(source).stem, 1
        name = stem
        while name + ending in self._taken:
            attempt += 1
            name = f"{stem}-{attempt}"
        self._taken.add(name + ending)
        path = self.folder / (name + ending)
        refuse_overwriting(path, source)
        beside = Path(source).exists() and self.folder.exists()
        if beside and path.exists() and self.folder.samefile(Path(source).parent):
            raise VisusError(f"{path}: lies beside the source and exists; write elsewhere")
        return path


def refuse_overwriting(path: Path, source: str | Path) -> None:
    """Stop before a result is written over the file it is made from.

    Raises:
        VisusError: If both are the same file.
    """
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise VisusError(f"{path}: would be overwritten, it is read here; write elsewhere")


def write_image(path: Path, image: Pixels) -> None:
    """Write an image; the file's ending names the format.

    Args:
        path: Where to; its folder is made.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=92)
    except (OSError, ValueError) as error:
        raise VisusError(f"{path}: cannot be written ({error})") from None
