"""Open a gallery by the name that the user gave: a file or a Qdrant collection."""

from pathlib import Path

from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.pipeline import FacePipeline
from visus.vision.errors import VisusError

_QDRANT = "qdrant://"


def is_qdrant(place: str) -> bool:
    """Whether a gallery is a Qdrant collection; otherwise it is a file."""
    return place.startswith(_QDRANT)


def open_gallery(place: str, model: FacePipeline | None, create: bool = False) -> Gallery:
    """Open a gallery for the embeddings of a model.

    Args:
        place: A file, or `qdrant://host:port/collection`.
        model: The model that computed its embeddings; None to list or forget people, for which it
            may be any.
        create: Whether to create it where it does not exist.

    Raises:
        VisusError: If it does not exist, or cannot be used with this model.
    """
    if is_qdrant(place):
        from visus.tasks.face_recognition.qdrant_gallery import open_qdrant

        address = place.removeprefix(_QDRANT)
        embeddings = None if model is None else (model.fingerprint, model.embedding_size)
        return open_qdrant(address, embeddings, create)
    from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery

    path = Path(place)
    if not create and not path.exists():
        raise VisusError(
            f"--gallery {place!r}: there is no such file; visus faces enroll creates it"
        )
    return SqliteGallery(path, None if model is None else model.fingerprint)


def existing_gallery(place: str, model: FacePipeline) -> Gallery | None:
    """The gallery; None for a file that does not exist, which is created once there is a face."""
    if not is_qdrant(place) and not Path(place).exists():
        return None
    return open_gallery(place, model, create=True)
