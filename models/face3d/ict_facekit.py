"""ICT-FaceKit as an entry of the weights manifest: imported from a folder or a download."""

import tempfile
from pathlib import Path

from visus.models.weights_entry import WeightsEntry, cache_folder
from visus.vision.errors import VisusError
from visus.vision.progress import track


class FaceModelEntry(WeightsEntry):
    """A face model that is imported from a folder of OBJ files into one file of arrays.

    `sha256` is the hash of the imported arrays, `FaceModel.digest`, and `url` the address of the
    folder.
    """

    def fetch(self, file: Path | None = None) -> Path:
        """Import the model into the cache.

        Args:
            file: A copy of the repository's `FaceXModel` folder; it is downloaded by default.

        Returns:
            The imported file.

        Raises:
            VisusError: If files are missing, differ from the published ones, or cannot be
                downloaded.
        """
        # Late, so that the manifest can be listed without NumPy.
        from visus.models.face3d.face_model_files import read_face_model
        from visus.models.face3d.face_model_import import import_ict_facekit

        target = cache_folder() / self.file
        with tempfile.TemporaryDirectory() as name:
            source = file
            if source is None:
                source = Path(name)
                self._download_folder(source)
            imported = Path(name) / target.name
            import_ict_facekit(source, imported)
            digest = read_face_model(imported, self.name).digest
            if digest != self.sha256:
                raise VisusError(
                    f"{file or self.url}: gives a face model of sha256 {digest}, expected "
                    f"{self.sha256}; take all of FaceXModel, unchanged"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(".part")
            part.write_bytes(imported.read_bytes())
            part.replace(target)
        return target

    def _check(self, path: Path, remedy: str, name: str = "") -> None:
        from visus.models.face3d.face_model_files import read_face_model

        digest = read_face_model(path, self.name).digest
        if digest != self.sha256:
            raise VisusError(
                f"{name or path}: sha256 is {digest}, expected {self.sha256}; {remedy}"
            )

    def _download_folder(self, folder: Path) -> None:
        """Download the files that are imported."""
        from visus.models.face3d.face_model_import import (
            IDENTITIES,
            INDICES,
            NEUTRAL,
            read_indices,
        )

        self._download_file(folder, INDICES)
        expressions, _ = read_indices(folder / INDICES)
        files = [NEUTRAL, *IDENTITIES, *(f"{name}.obj" for name in expressions)]
        for file in track(files, "Downloading ICT-FaceKit", len(files)):
            self._download_file(folder, file)

    def _download_file(self, folder: Path, file: str) -> None:
        import urllib.request

        try:
            with urllib.request.urlopen(f"{self.url}/{file}", timeout=30) as answer:
                (folder / file).write_bytes(answer.read())
        except (OSError, ValueError) as error:
            raise VisusError(
                f"{self.url}/{file} could not be downloaded ({error}); connect to the network, or "
                f"fetch the repository elsewhere and run visus weights get {self.name} --from "
                "FaceXModel"
            ) from None


ICT_FACEKIT = FaceModelEntry(
    name="ict-facekit",
    aliases=(),
    description="ICT-FaceKit light: a 3D face model of 100 identities and 53 expressions",
    task="",
    network="face model of face3d",
    file="ict_facekit.npz",
    sha256="ac9c692de1f1705e0db2c3c49e62f8e2f9735b4a8523c15a205ecd3b8a42d539",
    code_licence="MIT",
    data_terms="scans of people, taken by USC-ICT for this model",
    commercial_use="its licence allows it",
    url="https://raw.githubusercontent.com/USC-ICT/ICT-FaceKit/master/FaceXModel",
    megabytes=16.7,
)
