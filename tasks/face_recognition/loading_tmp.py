"""Open a face model and the gallery that goes with it, by the names the user gave."""

from pathlib import Path

from visus.apps.inference.loading import load_model
from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.vision.errors import VisusError

_QDRANT = "qdrant://"


def open_face_model(name: str, runtime: str | None = None) -> FaceModel:
    """Load a model that must be one of faces.

    Raises:
        VisusError: If there is none of that name, or it is another.
    """
    model = load_model(name, runtime)
    if not isinstance(model, FaceModel):
        raise VisusError(f"model {name!r} does {model.metadata.task}, no face recognition")
    return model


def open_gallery(place: str, model: FaceModel, create: bool = False) -> Gallery:
    """The gallery at a place, for the embeddings of a model.

    Args:
        place: A file, or `qdrant://host:port/collection`.
        model: Whose embeddings it holds.
        create: Whether to make it where there is none.

    Raises:
        VisusError: If there is none, or it cannot be used with this model.
    """
    if place.startswith(_QDRANT):
        from visus.tasks.face_recognition.qdrant_gallery import open_qdrant

        size = int(model.metadata.options["embedding"])
        return open_qdrant(place.removeprefix(_QDRANT), model.fingerprint, size, create)
    from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery

    path = Path(place)
    if not create and not path.exists():
        raise VisusError(f"--gallery {place!r}: there is no such file; visus faces enroll makes it")
    return SqliteGallery(path, model.fingerprint)
