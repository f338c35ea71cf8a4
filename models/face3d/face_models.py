"""Face models by the names that users give."""

import tempfile
import urllib.request
from functools import lru_cache
from pathlib import Path

from visus.models.face3d.face_model import FaceModel
from visus.models.face3d.face_model_files import read_face_model
from visus.models.face3d.face_model_import import (
    FACTS,
    IDENTITIES,
    NEUTRAL,
    import_ict_facekit,
    read_facts,
)
from visus.models.face3d.procedural_head import procedural_head
from visus.models.weights_entry import cache_folder
from visus.vision.errors import VisusError
from visus.vision.progress import track

PROCEDURAL = "procedural"
ICT_FACEKIT = "ict-facekit"
ICT_URL = "https://raw.githubusercontent.com/USC-ICT/ICT-FaceKit/master/FaceXModel"
ICT_DIGEST = "ac9c692de1f1705e0db2c3c49e62f8e2f9735b4a8523c15a205ecd3b8a42d539"
"""Of the model as it is imported; files that give another one are refused."""

ICT_TERMS = f"""\
{ICT_FACEKIT}
  what        ICT-FaceKit light: a face model of 100 identities and 53 expressions
  task        face3d
  source      {ICT_URL}
  sha256      {ICT_DIGEST} (of the imported arrays)
  licence     MIT
  data        scans of people, taken by USC-ICT for this model
  commercial  its licence allows it"""


def face_model_path() -> Path:
    """Where `visus weights get ict-facekit` keeps what it imported."""
    return cache_folder() / "ict_facekit.npz"


@lru_cache(maxsize=2)
def open_face_model(name: str, landmarks: str | None = None) -> FaceModel:
    """A face model.

    Args:
        name: `ict-facekit`, `procedural` (a head made by code), or the path of a file that
            `visus.models.face3d.face_model_files.read_face_model` reads.
        landmarks: The path of a text file of 68 vertex numbers, where the model has none.

    Raises:
        VisusError: If there is none of that name, or it is none.
    """
    if name == PROCEDURAL:
        return procedural_head()
    if name != ICT_FACEKIT:
        return read_face_model(Path(name), landmarks=Path(landmarks) if landmarks else None)
    path = face_model_path()
    if not path.is_file():
        raise VisusError(
            f"face model {name!r} is not on this machine; run visus weights get {name}, "
            f"or take {PROCEDURAL!r} for a first try"
        )
    return read_face_model(path, name)


def fetch_face_model(folder: Path | None = None) -> Path:
    """Import ICT-FaceKit into the cache: from a folder, or downloaded from its repository.

    Args:
        folder: A copy of the repository's `FaceXModel` folder.

    Returns:
        The imported file.

    Raises:
        VisusError: If files are missing or others, or cannot be downloaded.
    """
    target = face_model_path()
    with tempfile.TemporaryDirectory() as name:
        source = folder
        if source is None:
            source = Path(name)
            _download(source)
        imported = Path(name) / target.name
        import_ict_facekit(source, imported)
        digest = read_face_model(imported, ICT_FACEKIT).digest
        if digest != ICT_DIGEST:
            raise VisusError(
                f"{folder or ICT_URL}: gives a face model of sha256 {digest}, expected "
                f"{ICT_DIGEST}; take all of FaceXModel, unchanged"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_bytes(imported.read_bytes())
        part.replace(target)
    return target


def _download(folder: Path) -> None:
    _download_file(folder, FACTS)
    expressions, _ = read_facts(folder / FACTS)
    files = [NEUTRAL, *IDENTITIES, *(f"{name}.obj" for name in expressions)]
    for file in track(files, "Downloading ICT-FaceKit", len(files)):
        _download_file(folder, file)


def _download_file(folder: Path, file: str) -> None:
    try:
        with urllib.request.urlopen(f"{ICT_URL}/{file}", timeout=30) as answer:
            (folder / file).write_bytes(answer.read())
    except (OSError, ValueError) as error:
        raise VisusError(
            f"{ICT_URL}/{file} could not be downloaded ({error}); connect to the network, or fetch "
            f"the repository elsewhere and run visus weights get {ICT_FACEKIT} --from FaceXModel"
        ) from None
