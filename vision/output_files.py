"""Output files: named after their sources, and never written over files that are read."""

from pathlib import Path

from PIL import Image

from visus.vision.errors import VisusError
from visus.vision.images import Pixels


class OutputNames:
    """Distinct file names in a folder, made from the names of sources.

    Args:
        folder: Folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def name(self, source: str, ending: str) -> Path:
        """The path of the output file for a source.

        Args:
            source: Name or path of the source.
            ending: The ending of the file name, such as `.jpg`.

        Raises:
            VisusError: If that is the source itself, or an existing file beside it.
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
    """Refuse to write a result over the file that it is made from.

    Raises:
        VisusError: If both paths are the same file.
    """
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise VisusError(f"{path}: would be overwritten, it is read here; write elsewhere")


def write_image(path: Path, image: Pixels) -> None:
    """Write an image in the format of the file name's ending.

    Args:
        path: Path of the file; its folder is created.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=92)
    except (OSError, ValueError) as error:
        raise VisusError(f"{path}: cannot be written ({error})") from None
