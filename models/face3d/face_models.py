"""Open a face model by the name that a user gives."""

from functools import lru_cache
from pathlib import Path

from visus.models.face3d.face_model import FaceModel
from visus.models.face3d.face_model_files import read_face_model
from visus.models.face3d.ict_facekit import ICT_FACEKIT
from visus.models.face3d.procedural_head import procedural_head
from visus.vision.errors import VisusError

PROCEDURAL = "procedural"


@lru_cache(maxsize=2)
def open_face_model(name: str, landmarks: str | None = None) -> FaceModel:
    """Open a face model.

    Args:
        name: `ict-facekit`, `procedural` (see `procedural_head`), or the path of a file that
            `visus.models.face3d.face_model_files.read_face_model` reads.
        landmarks: Path of a text file of 68 vertex indices, for a model without landmarks.

    Raises:
        VisusError: If the model is not installed, or the file is not a face model.
    """
    if name == PROCEDURAL:
        return procedural_head()
    if name != ICT_FACEKIT.name:
        return read_face_model(Path(name), landmarks=Path(landmarks) if landmarks else None)
    path = ICT_FACEKIT.find()
    if path is None:
        raise VisusError(
            f"face model {name!r} is not on this machine; run {ICT_FACEKIT.remedy}; a training "
            f"takes --data.face_model {PROCEDURAL} in its place"
        )
    return read_face_model(path, name)
